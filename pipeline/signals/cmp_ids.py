"""
Which ids of which consent manager belong to which of our categories.

Data only. A site's own mapping adds to it and wins; an id that a site maps to ""
counts for nothing.
"""

from collections.abc import Mapping

# The categories that a visitor is asked about.
ASKED: tuple[str, ...] = ("preference", "statistics", "marketing", "precise_location")
# What one yes or no to cookies is about. Whoever asks for precise location asks for
# it by name.
COOKIE_CATEGORIES: tuple[str, ...] = ("preference", "statistics", "marketing")

# Cookies that hold a string of the IAB: name of the cookie -> name of the signal.
IAB_COOKIES: dict[str, str] = {
    "euconsent-v2": "gdpr_consent",
    "eupubconsent-v2": "gdpr_consent",
    "usprivacy": "us_privacy",
    "OTGPPConsent": "gpp",
}

# What can be wrong with a choice that could be read. All but grants stay.
PROBLEMS: dict[str, str] = {
    "implied": "mere use or a default was taken for a yes",
    "no_action": "the visitor was not asked, or has not answered",
    "reconsent": "the visitor is to be asked again",
    "revision": "the choice was about another revision than that of the site",
    "expired": "the choice has passed its own date",
    "bad_date": "a date cannot be read",
    "future": "the choice was made in the future",
    "incomplete": "a part without which the choice does not count is missing",
    "contradiction": "the text says both yes and no",
    "other_basis": "the processing is not based on consent",
    "unknown_type": "the kind of event, or the strategy, is not known",
}


# Names of categories that many tools share, in lower case.
COMMON_IDS: dict[str, str] = {
    "necessary": "essential",
    "essential": "essential",
    "required": "essential",
    "preference": "preference",
    "preferences": "preference",
    "functional": "preference",
    "functionality": "preference",
    "personalization": "preference",
    "personalisation": "preference",
    "statistic": "statistics",
    "statistics": "statistics",
    "analytics": "statistics",
    "performance": "statistics",
    "measurement": "statistics",
    "marketing": "marketing",
    "advertisement": "marketing",
    "advertising": "marketing",
    "ads": "marketing",
    "targeting": "marketing",
    "social": "marketing",
    "precise_location": "precise_location",
}

DEFAULT_IDS: dict[str, Mapping[str, str]] = {
    "cookiebot": {
        "necessary": "essential",
        "preferences": "preference",
        "statistics": "statistics",
        "marketing": "marketing",
    },
    "onetrust": {
        "C0001": "essential",
        "C0002": "statistics",
        "C0003": "preference",
        "C0004": "marketing",
        "C0005": "marketing",
    },
    "cookieyes": {
        "necessary": "essential",
        "functional": "preference",
        "analytics": "statistics",
        "performance": "statistics",
        "advertisement": "marketing",
    },
    "complianz": {
        "functional": "essential",
        "preferences": "preference",
        "statistics": "statistics",
        "marketing": "marketing",
    },
    "cookieconsent": COMMON_IDS,
    # Of single services, not categories: only the site knows them.
    "klaro": {},
    "borlabs": {
        "essential": "essential",
        "functional": "preference",
        "preferences": "preference",
        "statistics": "statistics",
        "marketing": "marketing",
    },
    "iubenda": {
        "1": "essential",
        "2": "preference",
        "3": "preference",
        "4": "statistics",
        "5": "marketing",
    },
    "tarteaucitron": {},
    "trustarc": {"1": "essential", "2": "preference", "3": "marketing"},
    "cookie_information": {
        "cookie_cat_necessary": "essential",
        "cookie_cat_functional": "preference",
        "cookie_cat_statistic": "statistics",
        "cookie_cat_marketing": "marketing",
    },
    "osano": {category: category for category in COOKIE_CATEGORIES},
    "cookielawinfo": {
        "necessary": "essential",
        "functional": "preference",
        "analytics": "statistics",
        "performance": "statistics",
        "advertisement": "marketing",
    },
}

# Every consent manager whose cookies can be read.
CMPS: tuple[str, ...] = tuple(DEFAULT_IDS)
