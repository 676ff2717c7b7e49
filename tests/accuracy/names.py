"""
One name for one thing: what the lists call a family, and what we do.

Only spellings and products of one maker under two names are made equal here. A browser
that hides behind Chrome and is taken for Chrome stays an error.
"""

import re

# Programs that people read with and proxies that fetch for a reader: some lists call
# them robots. They are people's here, and counted as such by mail verdicts.
FOR_PEOPLE = re.compile(
    r"image ?proxy|mail ?proxy|barracuda sentinel|outlook|microsoft office"
    r"|\b(?:word|excel|powerpoint)/1|airmail|canary%20mail|^mail/|polymail"
    r"|slack_ssb|reederformac|^vlc/|qqdownload|realplayer|^realmedia|podcastaddict",
    re.IGNORECASE,
)

BROWSERS = {
    "360 browser": "360 browser",
    "360 phone browser": "360 browser",
    "android": "android browser",
    "avg secure browser": "avg",
    "baidu explorer": "baidu browser",
    "baiduboxapp": "baidu browser",
    "baidubrowser": "baidu browser",
    "bidubrowser": "baidu browser",
    "blackberry": "blackberry browser",
    "chrome mobile": "chrome",
    "chrome mobile ios": "chrome",
    "chrome headless": "headlesschrome",
    "dolfin": "dolphin",
    "ecosia android": "ecosia",
    "ecosia ios": "ecosia",
    "epiphany": "gnome web",
    "fennec": "firefox",
    "firefox mobile": "firefox",
    "firefox mobile ios": "firefox",
    "gsa": "google",
    "google search app": "google",
    "heytapbrowser": "heytap browser",
    "huawei browser mobile": "huawei browser",
    "ie": "internet explorer",
    "ie mobile": "internet explorer",
    "iemobile": "internet explorer",
    "iron mobile": "iron",
    "lbbrowser": "liebao",
    "metasr": "sogou explorer",
    "mi browser": "miui browser",
    "microsoft edge": "edge",
    "mobile safari": "safari",
    "mobile silk": "amazon silk",
    "silk": "amazon silk",
    "mosaic": "ncsa mosaic",
    "netscape": "netscape",
    "nokiabrowser": "nokia browser",
    "obigo": "obigo",
    "openwave mobile browser": "up.browser",
    "opera devices": "opera",
    "opera mobi": "opera",
    "opera mobile": "opera",
    "opera next": "opera",
    "opera tablet": "opera",
    "palemoon": "pale moon",
    "puffin web browser": "puffin",
    "qq browser mobile": "qq browser",
    "qqbrowser": "qq browser",
    "qqbrowserlite": "qq browser",
    "qt web engine": "qtwebengine",
    "samsung browser": "samsung internet",
    "samsung browser lite": "samsung internet",
    "sogou mobile browser": "sogou browser",
    "uc browser mini": "uc browser",
    "uc browser turbo": "uc browser",
    "uc browser hd": "uc browser",
    "ucbrowser": "uc browser",
    "wechat browser": "wechat",
    "wechat(win) desktop": "wechat",
    "wosbrowser": "webos browser",
    "yandex": "yandex browser",
    "yandex browser lite": "yandex browser",
    "2345explorer": "2345 explorer",
    "atom browser": "atom",
    "focus": "firefox focus",
}

SYSTEMS = {
    **dict.fromkeys(("arch", "debian", "deepin", "elementary os", "fedora"), "linux"),
    **dict.fromkeys(("gentoo", "gnu/linux", "joli", "linpus", "linspire"), "linux"),
    **dict.fromkeys(("manjaro", "mint", "raspbian", "red hat", "redhat"), "linux"),
    **dict.fromkeys(("sabayon", "suse", "ubuntu", "zenwalk"), "linux"),
    # Televisions: what they run is a Linux that some lists have a word for.
    **dict.fromkeys(("other smart tv", "webos", "tizen", "hbbtv"), "smart tv"),
    "android-x86": "android",
    "blackberry os": "blackberry",
    "blackberry tablet os": "blackberry",
    "rim tablet os": "blackberry",
    "brew mp": "brew",
    "chromium os": "chrome os",
    "fire os": "android",
    "google tv": "googletv",
    "ipad": "ios",
    "iphone": "ios",
    "kaios": "kaios",
    "mac": "macos",
    "mac os": "macos",
    "macintel": "macos",
    "symbian os": "symbian",
    "nokia series 40": "series40",
    "win32": "windows",
    "windows ce": "windows mobile",
    "windows phone": "windows mobile",
    "windows phone os": "windows mobile",
    "windows rt": "windows",
}

DEVICES = {
    "feature phone": "mobile",
    "phablet": "mobile",
    "smartphone": "mobile",
    "smarttv": "tv",
}
KINDS = frozenset({"desktop", "mobile", "tablet", "tv", "console", "wearable"})


# Since Android 4.4 the system's own browser is its WebView: their agents are equal.
SYSTEM_BROWSER = re.compile(r"Android 4\.4[^)]*\).* Version/4\.0 Chrome/")


def same(name: str, table: dict[str, str]) -> str:
    """Return the one name of what a list, or we, call by another."""
    lowered = name.lower()
    return table.get(lowered, lowered)
