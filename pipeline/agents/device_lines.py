"""
Kinds of devices by how makers number and name their models.

What no list of models has is often told by its number: televisions begin with their
diagonal, makers give tablets a range of numbers or a word of their own. All of it is
asked of the model alone, as `device_models.model_of` returns it.
"""

from typing import Any, Literal

from pipeline.agents.robot_agents import compile_any

# The diagonals of televisions, in inches.
_INCHES = r"(?:19|2[0248]|3[29]|4[0-359]|5[0158]|6[05]|7[057]|8[256]|98|100)"

_TELEVISIONS = (
    # A diagonal, then series and year: "43LF1204", "LED 32HR55GU".
    rf"^(?:[a-z+]+[ -])?(?:[a-z]{{1,5}}-?)?{_INCHES}(?-i:[A-Z]{{1,6}}-?[0-9A-Z]{{2}})"
    r"|(?:^|[^0-9])[48]k\b|[a-z]box-|[a-ce-z]tv\b|\bstick\b"
    r"|\b(?:dvb|uhd|fhd|led|qled|stb|pvr|iptv|streamer|media ?player)\b"
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
    r"|homatics|formuler|dreamlink|tanix|abox|probox|ott)"
)
_TABLETS = (
    r"[a-z](?:tab|pad)s?(?:[ -]|[0-9]|$|plus|pro|lite|mini|max)"
    r"|\b(?:7|8|9|10)(?:[.,][0-9])? ?(?:3g|4g|lte|wi-?fi|inch|\")"
    # Huawei and Honor: each line has its code, each variant a number.
    r"|^(?:ag[mrs]|ba[hq]|btv|bz[aktw]|bg2|bgo|brt|cmr|cpn|db[ry]|fdr|gdi"
    r"|got|hdl|hdn|hey|jdn|jms|kjr|kob|krj|mon|mrr|mrx|ple|rod|scm|sht|vrd|wgr"
    r"|xyao)[0-9]?-[a-z]{1,2}[0-9]{2}"
    # Xiaomi's year and month, then P for Pad; Oppo's and Realme's pads; vivo's.
    r"|^2[0-9]{4}rp[0-9a-z]{3}|^opd[0-9]{4}|^rmp[0-9]{4}|^(?:dpd|pa)2[0-9]{3}\b"
    # BQ: the first digits are the diagonal.
    r"|^bq(?:ru)?[ -]?(?:[789][0-9]|10)[0-9]{2}(?:[a-z]|\b)"
    # TCL and Alcatel number tablets from 8000 on.
    r"|^(?:80[4-9]|81|9[01])[0-9]{1,2}[a-z](?:[0-9]|\b)|^9[0-9]{3}[agx][0-9]?\b"
    r"|^(?:iplay|teclast|tla0|tpc|bdf|mid|lifetab|kocaso|contixo|qtaq|rct6|nabi)"
    r"|^(?:oukitel )?[ro]t[1-9][0-9]?\b|^p(?:20|25|30|40|80)(?:hd|t|x|s)\b"
)
_PHONES = (
    # Samsung's tablets are SM-P, SM-T and SM-X, its watches SM-L and SM-R.
    r"^sm-[acefgjmnsw][0-9]"
    r"|coolpad|padfone|\bpsp[0-9]{4}|smartphone|\bphone\b"
)
_DESKTOPS = (
    r"\b(?:latitude|inspiron|vostro|precision|elitebook|probook|pavilion|travelmate"
    r"|thinkpad|chromebook|macbook|nuc[0-9]{1,2}|compaq)\b"
)

LineKind = Literal["desktop", "mobile", "tablet", "tv"]

_KINDS: tuple[tuple[LineKind, Any], ...] = (
    ("mobile", compile_any([_PHONES])),
    ("desktop", compile_any([_DESKTOPS])),
    ("tv", compile_any([_TELEVISIONS])),
    ("tablet", compile_any([_TABLETS])),
)
# One question for the many models that tell nothing.
_ALL = compile_any([_TELEVISIONS, _TABLETS, _PHONES, _DESKTOPS])


def kind_of_line(model: str) -> LineKind | Literal[""]:
    """Return the kind of a normal model by its number or name; "" if it tells none."""
    text = model.encode(errors="replace")
    if not _ALL.search(text):
        return ""
    return next(kind for kind, any_of in _KINDS if any_of.search(text))
