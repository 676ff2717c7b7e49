"""
What kind of device an agent is on, by the words that makers put into its name.

A model that others' lists know is what they say. Else Android without "Mobile" is a
tablet by its own convention; televisions and their boxes do not follow it and are told
by their names, as far as these say anything.
"""

from typing import Any, Literal

from pipeline.agents.device_lines import kind_of_line
from pipeline.agents.device_models import kind_of_model, model_of
from pipeline.agents.robot_agents import compile_any

DeviceType = Literal[
    "desktop",
    "mobile",
    "tablet",
    "tv",
    "console",
    "wearable",
    "robot",
    "unknown",
]

_CONSOLE_WORDS = (
    r"playstation|\bxbox(?:\b|_)|nintendo|steamdeck|\bouya\b|retroid|anbernic"
    # Anbernic's numbers.
    r"|razer edge|\brg(?:35[0-9]|40[56]|50[356]|55[26])[a-z]?\b"
)
_WEARABLE_WORDS = (
    r"\bwatch ?os|(?:apple|pixel|galaxy) watch|\bsm-[rl][0-9]|wear ?os|oculusbrowser"
    r"|picobrowser|\bvr safari|mobile vr|ticwatch|\bpico neo|\blem[0-9]|\bleo-"
    # Oppo's watches, Meta's headsets.
    r"|\bow[0-9]{2}w[0-9]|\bquest (?:[23]s?|pro)\b"
)
_TV_WORDS = (
    r"smart-?_?tv|\btv\b|web0s|netcast|hbbtv|bravia|googletv|google_?tv|appletv|tvos"
    r"|crkey|roku|\b(?-i:AFT[A-Z]{1,12})[0-9]*\b|vidaa|viera|philipstv|\bhd?tv\b|\btivo"
    r"|nettv|opera tv|\bOMI/|ce-html|sonycebrowser|smarthub|maple ?20|brightsign|stbapp"
    r"|ant ?galio|\bsraf/|espial|smartcast|\baquos-as|aquosbrowser|\bstb\)?$"
    # Televisions name maker, model and network in brackets: "(Sony, KDL40, Wired)".
    r"|, ?(?:wired|wireless)\)"
)
# Only in the name of an Android device: elsewhere the same words mean other things.
_ANDROID_TV_WORDS = (
    r"android ?tv|andr0id|mi ?tv|mi ?box|tv[ _-]?box|atv\b|[ _-]tv[ _;0-9]|tdtv"
    r"|\bhtv[0-9]\b"
    r"|\bshell\b|box[ _;)0-9]|\bstb|[0-9]stb|[ _-]led[0-9_]|-?led[0-9]{2}|fhd\b|uhd"
    r"|\btx[0-9] ?(?:mini|max|pro)?\b|ugoos|rombica|polarline|chromecast"
    # Android's builds for televisions are made on a branch with a T.
    r"|build/(?-i:[N-Z]T[A-Z][0-9A-Z]{0,2}\.[0-9]{6})"
    r"|formuler|hismart|smartatv|\bmystery|yndx-|starwind|wv-atv|\bmax_?plus"
)
_TABLET_WORDS = (
    r"tablet|ipad|playbook|kindle|silk-accelerated|\bkf[a-z]{2,6}\b|/apad"
    r"|(?:\b|_)(?:tab|pad)(?:[ _-]|\b|[0-9])|(?-i:[a-z](?:Tab|Pad))\b"
    r"|\bsm-[tpx][0-9]{3}|\bgt-(?:p|n[58])[0-9]{3}|[a-z0-9]-w[0-9]{2}\b"
    r"|\bmid[ _-]?[0-9]"
    r"|\btpc-|\btb[ -]?[0-9x]|\btb[ab]?[0-9]{4}|nexus (?:7|9|10)\b"
    r"|\bpmt[0-9]|\btz[0-9]{2,}|\bt[0-9]-[0-9]{3}|\bagassi|mediapad"
    r"|\bxoom\b|optima |pocketbook|\blg-v[0-9]{3}"
)
_PHONE_WORDS = r"\bmobile\b|ucweb|\badr [0-9]|;\s*adr\b"
# What telephones had before they were small computers: WAP, Java and its profiles,
# MediaTek's and Qualcomm's systems, Japan's networks; UC's own form of an iPhone.
_OLD_PHONE_WORDS = (
    r"up\.browser|\bmidp|\bmaui\b|\bmre/|wap[ _-]?browser|\bwap[12]?\.?0?/|\bobigo"
    r"|\bbrew\b|\bmmp/|^kddi-|^docomo|^nokia|\bnokia[ a-z]?[0-9]|kaios|palmos"
    r"|palmsource|^dv\(iph|\bwebos/[12]|\bj2me\b|\bcldc|symbian|series ?[46]0"
    r"|netfront/[34]"
)
# Systems of computers that the parser does not call one.
_DESKTOP_WORDS = (
    r"\bx11; |windows (?:9|nt)|\bwin9[58]|power(?:%20|)(?:mac|book)|power%20macintosh"
    r"|amiga|haiku|cygwin|openvms|\bpc; "
)
# Only a browser follows the convention; Dalvik names itself alike on everything.
_BROWSER_WORDS = r"safari/|gecko/|presto/|opera"

_CONSOLE = compile_any([_CONSOLE_WORDS])
_WEARABLE = compile_any([_WEARABLE_WORDS])
# What a console, a watch or a television has in its name.
NAMED_KINDS = (_CONSOLE_WORDS, _WEARABLE_WORDS, _TV_WORDS)
_ANY = compile_any(list(NAMED_KINDS))
# One question for the many agents with no such word.
_ANY_OF_ANDROID = compile_any([_ANDROID_TV_WORDS, _TABLET_WORDS])
_ANDROID_TV = compile_any([_ANDROID_TV_WORDS])
_TABLET = compile_any([_TABLET_WORDS])
_BROWSER = compile_any([_BROWSER_WORDS])
_PHONE = compile_any([_PHONE_WORDS])
_OLD_PHONE = compile_any([_OLD_PHONE_WORDS])
_DESKTOP = compile_any([_DESKTOP_WORDS])


def kind_of(
    agent: Any,  # noqa: ANN401 - has no types
    mobile: str,
    *,
    plain: bool = False,
) -> DeviceType:
    """
    Return the kind of a device.

    Args:
        agent: what user_agents makes of an agent string.
        mobile: the client hint Sec-CH-UA-Mobile.
        plain: if it is known that nothing of `NAMED_KINDS` is in the agent string.

    """
    text = agent.ua_string
    encoded = text.encode()
    if not plain and _ANY.search(encoded):
        return _kind_by_word(encoded)
    # Most telephones that are not Android's; nothing else begins so.
    if mobile == "?1" or "(iPhone; CPU" in text:
        return "mobile"
    if "ndroid" in text or "Adr " in text or "Linux; U" in text:
        return _kind_of_android(text, encoded)
    return _kind_of_others(agent, encoded)


def _kind_by_word(encoded: bytes) -> DeviceType:
    if _CONSOLE.search(encoded):
        return "console"
    return "wearable" if _WEARABLE.search(encoded) else "tv"


def _kind_of_android(text: str, encoded: bytes) -> DeviceType:
    # Chrome says "K" of every model, which is none.
    model = "" if "; K)" in text else model_of(text)
    known = model and (kind_of_model(model) or kind_of_line(model))
    if known:
        return known
    if _ANY_OF_ANDROID.search(encoded):
        return "tv" if _ANDROID_TV.search(encoded) else "tablet"
    if b"Mobile" in encoded or _PHONE.search(encoded):
        return "mobile"
    return "tablet" if _BROWSER.search(encoded) else "unknown"


def _kind_of_others(agent: Any, encoded: bytes) -> DeviceType:  # noqa: ANN401
    if b"Windows Phone" in encoded or b"WPDesktop" in encoded or b"Lumia " in encoded:
        return "mobile"
    # Windows 8 for ARM, where it was not Phone, was sold on tablets alone.
    if b"; ARM;" in encoded and b"Windows NT 6." in encoded:
        return "tablet"
    return "desktop" if agent.is_pc else _kind_of_the_rest(agent, encoded)


def _kind_of_the_rest(agent: Any, encoded: bytes) -> DeviceType:  # noqa: ANN401
    # Gecko says "(Mobile;" of telephones and "(Tablet;" of the others.
    if b"(Mobile;" in encoded:
        return "mobile"
    if agent.is_tablet or _TABLET.search(encoded):
        return "tablet"
    phone = agent.is_mobile or b"Mobile" in encoded or b"iPhone" in encoded
    if phone or _OLD_PHONE.search(encoded):
        return "mobile"
    return "desktop" if _DESKTOP.search(encoded) else "unknown"
