"""
Names that give away what stands beside them: of properties and URL parameters.

A name is taken apart at `_`, `-`, `.` and capitals; whole words, or two neighbours
closed up, are looked up in a closed list. So "user.firstName" and "api-key" are
found, "plan", "seats" and a product's plain "name" are not. A name that ends in a
word for a property of the thing ("token_count", "login_method") is none of it.
"""

import re
from itertools import pairwise
from typing import Literal, get_args

NamedRule = Literal[
    "secret", "phone", "card", "iban", "ssn", "email", "contact", "location"
]

_WORDS: dict[NamedRule, str] = {
    "secret": """
        password passwd pwd passphrase passcode passwort kennwort secret token auth
        authorization bearer jwt session sessionid sessid sid cookie cookies csrf xsrf
        otp totp pin credential credentials signature cvv cvc csc apikey accesskey
        secretkey privatekey securitycode verificationcode""",
    "phone": """
        phone telephone telefon telefono tel mobile mobil cell cellphone fax handy
        whatsapp msisdn sms phonenumber mobilenumber""",
    "card": "card cc pan creditcard cardnumber ccnumber bankaccount accountnumber",
    "iban": "iban",
    "ssn": "ssn socialsecurity passport taxid nationalid",
    "email": "email mail emails",
    "contact": """
        firstname lastname fullname username middlename givenname familyname maidenname
        nickname forename surname vorname nachname login address adresse street strasse
        birth birthday birthdate dob geburtsdatum""",
    "location": """
        lat latitude lon lng long longitude latlng latlon latlong coord coords
        coordinate coordinates geo geolocation gps location""",
}
_RULES: dict[str, NamedRule] = {
    word: rule for rule in get_args(NamedRule) for word in _WORDS[rule].split()
}
# Too short to be looked for inside of other names.
_WHOLE: dict[str, NamedRule] = {"pass": "secret", "pw": "secret"}
_ABOUT = """
    attempts brand count counts duration enabled expired index kind length limit
    method model ms provider required seconds shown size state status step strength
    total type used valid verified version visible"""
_ABOUT_THINGS = frozenset(_ABOUT.split())
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ORDER: tuple[NamedRule, ...] = get_args(NamedRule)


def rule_of_name(name: str) -> NamedRule | None:
    """Return what a name says its value is, or None for nothing personal."""
    words = [part.lower() for part in _PART.findall(name)]
    if not words or words[-1] in _ABOUT_THINGS:
        return None
    if len(words) == 1 and words[0] in _WHOLE:
        return _WHOLE[words[0]]
    closed_up = (one + two for one, two in pairwise(words))
    found = [_RULES[word] for word in (*words, *closed_up) if word in _RULES]
    # Of several the first of the list: a card's PIN is a secret.
    return min(found, key=_ORDER.index) if found else None
