"""
What browsers and systems are called here, by what parsers and hints call them.

One name for one product: "Chrome Mobile" and "Chrome Mobile iOS" are Chrome.
"""

import re

import re2

BROWSERS = {
    "Android": "Android Browser",
    "BlackBerry WebKit": "BlackBerry Browser",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome WebView",
    "Chrome Mobile iOS": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Alpha": "Firefox",
    "Firefox Beta": "Firefox",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "IE": "Internet Explorer",
    "IE Large Screen": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari WebView",
    "Opera Mobile": "Opera",
    "Opera Tablet": "Opera",
    "Other": "",
    "QQ Browser Mobile": "QQ Browser",
    "Teleca Browser": "Obigo",
}
BRANDS = {
    "Android WebView": "Chrome WebView",
    "Brave": "Brave",
    "DuckDuckGo": "DuckDuckGo",
    "Google Chrome": "Chrome",
    "HeadlessChrome": "HeadlessChrome",
    "Microsoft Edge": "Edge",
    "Microsoft Edge WebView2": "Edge WebView",
    "NAVER Whale": "Whale",
    "Opera": "Opera",
    "Opera GX": "Opera GX",
    "Opera Mobile": "Opera",
    "OperaMobile": "Opera",
    "Samsung Internet": "Samsung Internet",
    "Vivaldi": "Vivaldi",
    "Whale": "Whale",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
}
SYSTEMS = {
    "ATV OS X": "tvOS",
    "Chromecast Linux": "Linux",
    "Debian": "Linux",
    "Fedora": "Linux",
    "Gentoo": "Linux",
    "Arch Linux": "Linux",
    "Linux Mint": "Linux",
    "Mac OS X": "macOS",
    "Mageia": "Linux",
    "Other": "",
    "Red Hat": "Linux",
    "SUSE": "Linux",
    "Slackware": "Linux",
    "Ubuntu": "Linux",
    "Web0S": "webOS",
    # The parser takes the maker of a television for its system.
    "LG": "Linux",
    "Sony": "Linux",
    "Panasonic": "Linux",
    "Philips": "Linux",
    "Samsung": "Linux",
    "Sharp": "Linux",
    "Toshiba": "Linux",
    "Hisense": "Linux",
}
PLATFORMS = {
    "Android": "Android",
    "Chrome OS": "Chrome OS",
    "Chromium OS": "Chrome OS",
    "Fuchsia": "Fuchsia",
    "Linux": "Linux",
    "Windows": "Windows",
    "iOS": "iOS",
    "macOS": "macOS",
}

# Browsers that the parser takes for the engine they are made of.
_TOKENS = {
    "YaBrowser": "Yandex Browser",
    "YaSearchBrowser": "Yandex Browser",
    "YaApp_Android": "Yandex Browser",
    "YandexSearch": "Yandex Browser",
    "SogouMobileBrowser": "Sogou Browser",
    "Quark": "Quark",
    "MzBrowser": "Meizu Browser",
    "MZBrowser": "Meizu Browser",
    "HeyTapBrowser": "HeyTap Browser",
    "OppoBrowser": "Oppo Browser",
    "VivoBrowser": "Vivo Browser",
    "MiuiBrowser": "Miui Browser",
    "HuaweiBrowser": "Huawei Browser",
    "SamsungBrowser": "Samsung Internet",
    "OPR": "Opera",
    "OPX": "Opera GX",
    "TV Bro": "TV Bro",
    "Focus": "Firefox Focus",
    "Klar": "Firefox Focus",
    "Falkon": "Falkon",
    "Iridium": "Iridium",
    "LBBROWSER": "Liebao",
    "2345Explorer": "2345 Explorer",
    "BIDUBrowser": "Baidu Browser",
    "QHBrowser": "360 Browser",
    "LG Browser": "LG Browser",
    "Odin": "Odin",
    "ACHEETAHI": "CM Browser",
    "Sleipnir": "Sleipnir",
    "MicroMessenger": "WeChat",
    "Navigator": "Netscape",
    "OculusBrowser": "Oculus Browser",
}


_NAMED = rf"\b({'|'.join(re.escape(name) for name in sorted(_TOKENS, reverse=True))})"
_TOKEN = re2.compile(rf"{_NAMED}(?:[/ ]|$)([0-9]{{1,4}})?".encode())
# What every agent has that names itself so.
TOKEN_PATTERN = f"{_NAMED}(?:[/ ]|$)"


def token_of(user_agent: str) -> tuple[str, str]:
    """Return the browser that names itself beside its engine, and its version."""
    match = _TOKEN.search(user_agent.encode())
    if match is None:
        return "", ""
    return _TOKENS[match[1].decode()], (match[2] or b"").decode()
