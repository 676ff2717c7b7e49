"""
What kind of device an agent is on, by the words that makers put into its name.

Android without "Mobile" is a tablet by its own convention; televisions and their
boxes do not follow it and are told by their names, as far as these say anything.
"""

from typing import Any, Literal

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

_CONSOLE_WORDS = r"playstation|\bxbox\b|nintendo|steamdeck|\bouya\b"
_WEARABLE_WORDS = (
    r"\bwatch ?os|(?:apple|pixel|galaxy) watch|\bsm-[rl][0-9]|wear ?os|oculusbrowser"
    r"|picobrowser|\bvr safari|mobile vr|\blem[0-9]|\bleo-"
)
_TV_WORDS = (
    r"smart-?_?tv|\btv\b|web0s|netcast|hbbtv|bravia|googletv|google_?tv|appletv|tvos"
    r"|crkey|roku|\b(?-i:AFT[A-Z]{1,12})[0-9]*\b|vidaa|viera|philipstv|[dh]d?tv\b|tivo"
    r"|nettv|opera tv|\bOMI/|ce-html|sonycebrowser|smarthub|maple ?20|brightsign|stbapp"
    r"|ant ?galio|\bsraf/|espial|smartcast"
)
# Only in the name of an Android device: elsewhere the same words mean other things.
_ANDROID_TV_WORDS = (
    r"android ?tv|andr0id|mi ?tv|mi ?box|tv[ _-]?box|atv\b|[ _-]tv[ _;0-9]|tdtv|\bhtv"
    r"|\bshell\b|box[ _;)0-9]|\bstb|[0-9]stb|[ _-]led[0-9_]|-?led[0-9]{2}|fhd\b|uhd"
    r"|\btx[0-9] ?(?:mini|max|pro)?\b|\bx96|\bh96|ugoos|rombica|polarline|chromecast"
    r"|formuler|hismart|smartatv|\bmystery|yndx-|starwind|wv-atv|\bmax_?plus"
)
_TABLET_WORDS = (
    r"tablet|ipad|playbook|kindle|silk-accelerated|\bkf[a-z]{2,6}\b|/apad"
    r"|(?:\b|_)(?:tab|pad)(?:[ _-]|\b|[0-9])|(?-i:[a-z](?:Tab|Pad))\b"
    r"|\bsm-[tpx][0-9]{3}|\bgt-[pn][0-9]{4}|[a-z0-9]-w[0-9]{2}\b|\bmid[ _-]?[0-9]"
    r"|\btpc-|\btb[ -]?[0-9x]|\b(?:lenovo |tb)[ab]?[0-9]{4}|nexus (?:7|9|10)\b"
    r"|\bpmt[0-9]|\btz[0-9]{2,}|\bpsp[0-9]|\bt[0-9]-[0-9]{3}|\bagassi|mediapad"
    r"|\bxoom\b|optima "
)
_PHONE_WORDS = r"^dalvik/|ucweb|\badr [0-9]|;\s*adr\b"

_CONSOLE = compile_any([_CONSOLE_WORDS])
_WEARABLE = compile_any([_WEARABLE_WORDS])
_ANY = compile_any([_CONSOLE_WORDS, _WEARABLE_WORDS, _TV_WORDS])
# One question for the many agents with no such word.
_ANY_OF_ANDROID = compile_any([_ANDROID_TV_WORDS, _TABLET_WORDS])
_ANDROID_TV = compile_any([_ANDROID_TV_WORDS])
_TABLET = compile_any([_TABLET_WORDS])
_PHONE = compile_any([_PHONE_WORDS])


def kind_of(agent: Any, mobile: str) -> DeviceType:  # noqa: ANN401 - has no types
    """
    Return the kind of a device.

    Args:
        agent: what user_agents makes of an agent string.
        mobile: the client hint Sec-CH-UA-Mobile.

    """
    text = agent.ua_string
    encoded = text.encode()
    if _ANY.search(encoded):
        return _kind_by_word(encoded)
    if mobile == "?1":
        return "mobile"
    if "ndroid" in text or "Adr " in text or "Linux; U" in text:
        return _kind_of_android(agent, encoded)
    if agent.is_pc:
        return "desktop"
    if agent.is_tablet or _TABLET.search(encoded):
        return "tablet"
    return "mobile" if agent.is_mobile or "Mobile" in text else "unknown"


def _kind_by_word(encoded: bytes) -> DeviceType:
    if _CONSOLE.search(encoded):
        return "console"
    return "wearable" if _WEARABLE.search(encoded) else "tv"


def _kind_of_android(agent: Any, encoded: bytes) -> DeviceType:  # noqa: ANN401
    if _ANY_OF_ANDROID.search(encoded):
        return "tv" if _ANDROID_TV.search(encoded) else "tablet"
    if b"Mobile" in encoded or agent.is_mobile or _PHONE.search(encoded):
        return "mobile"
    return "tablet" if agent.is_tablet else "unknown"
