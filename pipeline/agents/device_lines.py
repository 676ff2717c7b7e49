"""
Kinds of devices by how makers number and name their models.

What no list of models has is often told by its number: televisions begin with their
diagonal, makers give tablets a range of numbers or a word of their own. All of it is
asked of the model alone, as `device_models.model_of` returns it.
"""

from typing import Literal

from pipeline.agents.robot_agents import compile_any

# The diagonals of televisions, in inches.
_INCHES = r"(?:19|2[0248]|3[29]|4[0-359]|5[0158]|6[05]|7[057]|8[256]|98|100)"

_TELEVISIONS = (
    # A diagonal, then series and year: "43LF1204", "LED 32HR55GU".
    rf"^(?:[a-z+]+[ -])?(?:[a-z]{{1,5}}-?)?{_INCHES}(?-i:[A-Z]{{1,6}}-?[0-9A-Z]{{2}})"
    r"|(?:^|[^0-9])[48]k(?:\b|[0-9]{3})|[a-z]box-|[a-ce-z0-9]tv\b|\bstick\b"
    r"|\b(?:dvb|uhd|fhd|lcd|led|qled|stb|pvr|iptv|streamer|shell|media ?player)\b"
    # Terrestrial and satellite tuners; the panel inside, as its makers number it.
    r"|[0-9]t2s?c?s|stb(?:[0-9]|\b)|[a-z]ott[0-9]|\bpnl\b|\blsc[0-9]{3}|\bv[0-9]{3}hj"
    # Digital media players.
    r"|\b[dv]mp-?[0-9]{3}(?:[-.]|$)|\bxds ?[0-9]|\bmovix\b|\bmovie\b|\bsmart 3d\b"
    r"|(?:tv|media|android|hdmi) ?-?(?:box|stick|dongle)|netbox"
    # Lines of boxes that are sold under many makers' names.
    r"|\ba95x|\b(?:[tq]95|x88|x92|x96|x98|x99|h96|hk1|mxq|m8s|mx9|mx10|tx[2-9]|z28)"
    r"(?:\b|s\b|[a-z]{0,2}[ -]?(?:max|mini|plus|pro|air|king)|[kuzh]\b)"
    r"|\bk(?:m|i|ii|iii)[1-9]? ?(?:pro|plus|max|deluxe)\b|\bkm[1-9]\b"
    r"|\b(?:gt-?king|beelink"
    r"|zidoo|nexbox|vontar|ev ?pad|ubox|minix|neo[ -][guxz][0-9]|vega s9|tronsmart"
    r"|ugoos|rikomagic|rkm|mk80[0-9]|transpeed|pendoo|yundoo|sun[vw]ell|mygica"
    r"|magicsee|dune hd|mecool|me-cool|skystream|chromecast|wetek"
    r"|docooler|mibox|leelbox|scishion|eachlink|vorke|r-tv|bravia|nvidia shield"
    r"|homatics|formuler|dreamlink|tanix|abox|probox|ott"
    r"|bb2|dv[89][0-9]{3}|ec6[0-9]{3}|zxv10|uzw|dctiw|humax|cs918|tvip|nexus player"
    r"|amiko|gtmedia|zgemma|openbox|himedia|kivi|tpm[0-9]{3}[a-z]"
    r"|gt1[ -]?mini|sei[0-9]{3})"
    r"|^[fhu][0-9]{2}[a-z][0-9]{4}|\badt-[1-4]\b|^mdz-[0-9]|\bmt(?:55|56|58|96)[0-9]{2}"
    r"|\brtd1[0-9]{3}|^s(?:80|90)[0-9](?:x|w|l)?$"
)
_TABLETS = (
    r"[a-z](?:tab|pad)s?(?:[ -]|[0-9]|$|plus|pro|lite|mini|max)"
    r"|\b(?:7|8|9|10)(?:[.,][0-9])? ?(?:3g|4g|lte|wi-?fi|inch|\")"
    # Huawei and Honor: each line has its code, each variant a number.
    r"|^(?:ag[mrs]|ba[hq]|btv|bz[aiktw]|bg2|bgo|brt|cmr|cpn|db[ry]|fdr|gdi"
    r"|got|hdl|hdn|hey|jdn|jms|kjr|kob|krj|mon|mrr|mrx|ple|rod|scm|sht|vrd|wgr"
    r"|xyao)[0-9]?-[a-z]{1,2}[0-9]{2}"
    # Xiaomi's year and month, then P for Pad; Oppo's and Realme's pads; vivo's.
    r"|^2[0-9]{3,4}[0-9a-z]?rp[0-9a-z]{3}|^opd[0-9]{4}|^rmp[0-9]{4}|^(?:dpd|pa)2[0-9]{3}\b"
    # BQ: the first digits are the diagonal.
    r"|^bq(?:ru)?[ -]?(?:[789][0-9]|10)[0-9]{2}(?:[a-z]|\b)"
    # TCL and Alcatel number tablets from 8000 on.
    r"|^(?:80[4-9]|81|9[01])[0-9]{1,2}[a-z](?:[0-9]|\b)|^9[0-9]{3}[agx][0-9]?\b"
    r"|^(?:iplay|teclast|tla0|tpc|bdf|mid(?:[^o]|$)|lifetab|kocaso|contixo)"
    r"|^(?:qtaq|rct6|nabi)"
    r"|^(?:oukitel )?[ro]t[1-9][0-9]?\b|^p(?:20|25|30|40|80)(?:hd|t|x|s)\b|^p8[05]\b"
    r"|^t(?:1[0-9]|2[02]|3[05]|[4-7][05])"
    r"(?:[ -]?(?:e|s|k|mini|pro|plus|max|ultra|se))?$"
    # Digma: two letters, the diagonal, the chip and the network.
    r"|\b[a-z]{2}(?:[789]|10)[0-9]{2,3}[mpra][lgw]\b"
    r"|\b(?:citi|plane|optima) ?(?:kids )?[0-9]{3,4}"
    # Others that begin their number with the diagonal: Nomi, Oysters, Exceed,
    # Multilaser, Thomson, Kruger&Matz, Navon and the many with one case and 3G.
    r"|\bc(?:07|08|09|10)[0-9]{4}\b|^t(?:7|8|10)[0-9]?[a-z]{1,3} ?3g|^ex(?:7|8|10)[a-z]"
    r"|^(?:ml[0-9]{2}-)?m(?:7|8|9|10)[ -]?(?:3g|4g|l\b|wi-?fi|sqc|s[ -]?quad|sd)"
    r"|^teo[0-9x]|^km(?:07|08|10)[0-9]{2}|[78][0-9]{2} ?3g"
    r"|^(?:ct|vt|mw|it|tt)-?"
    r"(?:70|71|72|73|78|80|90|10)[0-9]|\bnb(?:7|8|10)[0-9]{1,2}\b"
    r"|\b[a-z]{1,4}-?10[0-9]{1,2} ?(?:g|w|c|3g|4g|lte)\b|^i21[36]"
    # Lenovo, vivo and iQOO, Tecno, Micromax, Polytron, Mito, NEC, Huawei, Xiaomi,
    # and the makers of Japan's networks, each by the letters of its tablets.
    r"|^tb-|^pb-65|^i?pa2[0-9]{3}\b|^tecno (?:p[7-9]|dp)|^micromax p[0-9]{3}"
    r"|^(?:polytron|mito) t[0-9]|^lavie|^(?:kobe|agassi|bach|hudson|monet)[0-9]?-"
    r"|^m2105k81|^(?:ky|lg|so|sh|hw|fj|sc)t[0-9]{2}\b|^d-?0[0-9][a-z]$|^btk-"
    # Lines and makers of tablets alone.
    r"|^viva (?:[a-z]{1,2})(?:7|8|10)|ginzzu gt-|iball slide|^rmd[ -]?[0-9]|^m-sp"
    r"|^tm-(?:7|8|9|10)[0-9]|^archos ?(?:7|8|9|10|11|13)[0-9]|^t[ai][qd]-"
    r"|^mp[dq]c|^navitel|^kiano|^vonino|^pluri|^etl-t|\bkids?\b|kids$"
    r"|[0-9]tpc\b|^fz-?[abgm][0-9]|^(?:zebra )?et[4-8][0-9]|\bursus\b"
    r"|\b(?:surfer|informer|brevis|ellipsis|digiflip|i-?buddy)\b|^oysters t[0-9]"
    r"|^(?:goclever )?(?:quantum|insignia|orion|aries|terra|libra|elipso) ?(?:2 )?"
    r"(?:7|8|9|10)[0-9]{1,2}|(?:qual|live|base|steel)core|^(?:lark )?freeme\b"
    r"|^lark (?:evolution|ultimate)|^(?:magnet|xavy|navo|orin|sirius) [a-z0-9]"
    r"|^(?:njoy )?(?:maia|deimos|leda|theia|calliope) ?[0-9]"
    r"|e-?boda (?:essential|supreme|impresspeed|izzycomm|intelligence|revo)"
    r"|^(?:bq )?(?:edison|curie|maxwell|elcano|kepler|livingstone)\b"
    r"|^spc (?:glow|heaven|lightyear|blink|flow|twister|gravity)|^dslide"
    r"|^energy (?:x10|i10|i8|s7|s9|s10|tablet)|^plt[0-9]{4}|^cmp[0-9]{3}|^nid-?[0-9]{4}"
    r"|^(?:ht|mt|dt|c|t|mw|pt)0[789][0-9]{2}|^q(?:mv7|tasun|tair)|^k[789][0-9][a-z]{0,2}$"
    r"|^t[1-3] (?:7|8|10)|^s(?:7|8|10)-[0-9]{3}|^m2-[8a][0-9]|^me[0-9]{3}[a-z]"
    r"|^[ab][13]-[0-9a-z]{3}|^yt[0-9]?-?[a-z]?[0-9]{3}|^bn[tr]v|^sgp[0-9]|^kc-t[0-9]"
    r"|tbl[0-9]|^nokia t[12][0-9]|^okt[0-9]|^(?:hi|vi)(?:8|9|10|12)(?:\b|pro|plus|air)"
    r"|^hibook|^(?:lava )?ivory|^swipe (?:slice|halo|strike|slash|x7|3d|mtv|all|razor)"
    r"|^hcl me|^zync (?:quad|dual|z9|z1)|^celkon ct|^advan [tex][0-9]|^treq|^ibak"
    r"|^bgh y|^noblex t|^ptb(?:7|8|10)|^gt-(?:[78]|10)[0-9]{2,3}$|^t[re](?:71|91|101)"
    r"|^(?:casper )?via[ -][tls][0-9]|^reeder [am](?:7|8|10)"
    r"|^(?:hometech )?alfa (?:7|8|10)"
    r"|^ht ?(?:7|8|9|10)(?:ra|mt|dmt|[ts])|^prbt|^gu[0-9]{3,4}|^t7[0-9]{3}|^piranha"
    r"|^(?:everest )?(?:dc|sc)-(?:7|8|9|10)[0-9]{1,3}"
    r"|^(?:pritom|duoduogo|meberry|facetel|bebe|atouch|wintouch|veidoo|dragon touch"
    r"|yuntab|aoyodkg)\b|^cp(?:10|20|80)$|^k1[01][0-9](?:[ -]|$)|^boox\b"
)
_PHONES = (
    # Samsung's tablets are SM-P, SM-T and SM-X, its watches SM-L and SM-R.
    r"^sm-(?:[acefgjms][0-9]|n[79]|w[29])"
    r"|coolpad|padfone|\bpsp[0-9]{4}|smartphone|\bphone\b|^gt-[is][0-9]"
    # Asus' telephones, beside K00 and P0; Alcatel's of six inches; ZTE's with an N.
    r"|^t00[a-z0-9]$|^900[18][a-z]\b|^[0-9]{4}n$|(?:turbo|runbo) ?x"
)
_DESKTOPS = (
    r"\b(?:latitude|inspiron|vostro|precision|elitebook|probook|pavilion|travelmate"
    r"|thinkpad|chromebook|chromebox|pixelbook|macbook|compaq|aio|all-in-one)\b"
    r"|\bnuc[0-9]{1,2}|\bswift s[0-9f]"
)

# What is left when it is none of the others: vivo, Realme, Oppo, Xiaomi, Tecno, LG,
# Honor and Huawei number telephones so.
_NUMBERED_PHONES = (
    r"^v[12][0-9]{3}[a-z]{0,2}$|^rmx[0-9]|^cph[0-9]|^p[a-h][a-z]{2}[0-9]0$"
    r"|^m(?:18|19|20|21)[01][0-9][a-z][0-9]|^2[0-9]{3,7}[a-z]{1,4}[0-9]{0,2}[a-z]$"
    r"|^tecno [a-o][a-z][0-9]|^lm-[a-z][0-9]{3}|^lg[lm][0-9]{2}"
    r"|^[a-z]{3}[0-9]?-(?:(?:[at]l|n|l)[0-9][0-8]|[at]n[0-9]0|[ln]x[0-9])"
)

LineKind = Literal["desktop", "mobile", "tablet", "tv"]

_PHONE = compile_any([_PHONES])
_OTHERS = compile_any([_DESKTOPS, _TELEVISIONS, _TABLETS])
_DESKTOP = compile_any([_DESKTOPS])
_TELEVISION = compile_any([_TELEVISIONS])
# One question for the many models that tell nothing.
_ALL = compile_any([_TELEVISIONS, _TABLETS, _PHONES, _DESKTOPS, _NUMBERED_PHONES])


def kind_of_line(model: str) -> LineKind | Literal[""]:
    """Return the kind of a normal model by its number or name; "" if it tells none."""
    text = model.encode(errors="replace")
    if not _ALL.search(text):
        return ""
    if _PHONE.search(text) or not _OTHERS.search(text):
        return "mobile"
    if _DESKTOP.search(text):
        return "desktop"
    return "tv" if _TELEVISION.search(text) else "tablet"
