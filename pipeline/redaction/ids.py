"""
National identity numbers in free text: those with check digits or a shape of their own.

Where a country's number is digits alone and its check weak, a word must stand before
it ("BSN 123456782"): product and order numbers are digits too. The checks are the
published ones of each number; the words are what forms call it.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.redaction.id_checks import (
    is_aadhaar,
    is_ahv,
    is_belgian,
    is_chinese,
    is_cnpj,
    is_codice_fiscale,
    is_cpf,
    is_cuil,
    is_curp,
    is_dni,
    is_finnish,
    is_korean,
    is_nir,
    is_norwegian,
    is_nric,
    is_pesel,
    is_rut,
    is_swedish,
    is_thai,
)
from pipeline.redaction.spans import Detector, Find, Span

_PLAIN = re.compile(r"[\s./()\u00a0-]")

# Never given out: BG is Bulgaria's and so on.
_NO_NINO = ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


class _Shape(NamedTuple):
    """
    What one country's number looks like.

    Attributes:
        of: whose number it is.
        shape: read alike by RE2 and Python; what may not stand around it is added.
        check: says of the number without separators, in capitals, if it can be one.
        digits: if it has six digits with one separator between two of them at most.

    """

    of: str
    shape: str
    check: Callable[[str], bool]
    digits: bool = True


# Without these there is no number of most countries.
_SIX_DIGITS = r"[0-9](?:[ ./+-]?[0-9]){5}"

_SHAPES = (
    _Shape(
        "United Kingdom, National Insurance",
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?[0-9]{2}){3} ?[A-D]",
        lambda text: not text.startswith(_NO_NINO),
    ),
    _Shape(
        "Spain, DNI and NIE",
        r"(?:[0-9]{8}|[XYZ][ -]?[0-9]{7})[ -]?[A-HJ-NP-TV-Z]",
        is_dni,
    ),
    _Shape(
        "Italy, codice fiscale",
        (
            r"[A-Za-z]{6}[0-9L-NP-Vl-np-v]{2}[A-EHLMPR-Ta-ehlmpr-t]"
            r"[0-9L-NP-Vl-np-v]{2}[A-Za-z][0-9L-NP-Vl-np-v]{3}[A-Za-z]"
        ),
        is_codice_fiscale,
        digits=False,
    ),
    _Shape(
        "France, NIR",
        (
            r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[ABab])"
            r" ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"
        ),
        is_nir,
    ),
    _Shape("Brazil, CPF", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", is_cpf),
    _Shape(
        "Brazil, CNPJ",
        r"[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}",
        is_cnpj,
        digits=False,
    ),
    _Shape("Poland, PESEL", r"[0-9]{11}", is_pesel),
    _Shape("Norway, fødselsnummer", r"[0-9]{6} ?[0-9]{5}", is_norwegian),
    _Shape(
        "India, Aadhaar",
        r"[2-9][0-9]{3}(?: [0-9]{4} |-[0-9]{4}-)[0-9]{4}",
        is_aadhaar,
    ),
    _Shape("Sweden, personnummer", r"(?:[0-9]{2})?[0-9]{6}[+-][0-9]{4}", is_swedish),
    _Shape(
        "Finland, henkilötunnus",
        r"[0-9]{6}[A-FU-Y+-][0-9]{3}[0-9A-FHJ-NPR-Y]",
        is_finnish,
    ),
    _Shape(
        "Belgium, rijksregisternummer",
        r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}[.-][0-9]{2}",
        is_belgian,
    ),
    _Shape("Switzerland, AHV", r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}", is_ahv),
    _Shape(
        "China, resident identity", r"[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9Xx]", is_chinese
    ),
    _Shape("Korea, resident registration", r"[0-9]{6}-[1-8][0-9]{6}", is_korean),
    _Shape(
        "Mexico, CURP",
        (
            r"[A-Z][AEIOUX][A-Z]{2}[0-9]{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}"
            r"[0-9A-Z][0-9]"
        ),
        is_curp,
    ),
    _Shape("Argentina, CUIL", r"(?:20|23|24|27)-[0-9]{8}-[0-9]", is_cuil),
    _Shape("Chile, RUT", r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]", is_rut),
    _Shape("Singapore, NRIC and FIN", r"[STFGM][0-9]{7}[A-Z]", is_nric),
    _Shape("Thailand", r"[0-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]", is_thai),
    _Shape(
        "passports, first line for machines",
        r"P[A-Z<][A-Z<]{3}[A-Z]{1,30}(?:<[A-Z]{1,30}){0,4}<<[A-Z<]{3,36}",
        lambda _text: True,
        digits=False,
    ),
)

_WORDS = (
    r"steuer-?id(?:entifikationsnummer|nr)?|steuernummer|steuer-?nr|idnr|tax[ _-]?id"
    r"|taxpayer[ _-]?id|tin|bsn|burgerservicenummer|pesel|sin|social[ _-]insurance"
    r"|ssn|social[ _-]security|sozialversicherungsnummer|svnr|rvnr|nino"
    r"|national[ _-]?(?:id|insurance)|nhs|aadhaar|aadhar|uidai|pan[ _-]?card|cpf|cnpj"
    r"|dni|nie|nif|cedula|codice[ _-]?fiscale|nir|securite[ _-]sociale|numero[ _-]?secu"
    r"|insee|personnummer|personnr|fodselsnummer|cpr|cpr-?nr|hetu|isikukood"
    r"|asmens[ _-]?kodas|rodne[ _-]?cislo|cnp|egn|tckn|tc[ _-]?kimlik|id[ _-]?card"
    r"|identity[ _-]?card|passport|reisepass|ausweis|personalausweis|my[ _-]?number|tfn"
    r"|medicare|pps|ppsn|rrn|nric|curp|rut|cuil|ahv"
)
_NUMBER_WORDS = r"(?:[ _.-]{0,2}(?:number|nummer|num|no|nr|n|#|\u00b0)){0,2}"
_NAMED = re.compile(
    rf"(?<![a-z])(?:{_WORDS}){_NUMBER_WORDS}"
    r"[\s.:=#\"'(\[/_-]{1,4}([A-Z]{0,2}(?:[ ./-]?[0-9]){6,15}[A-Z]{0,2})(?![0-9A-Z])",
    re.IGNORECASE,
)

# Papers have letters in their numbers.
_PAPERS = r"passport|reisepass|passeport|pasaporte|passaporto|ausweis|id[ _-]?card|nino"
_PAPER = re.compile(
    rf"(?:{_PAPERS}){_NUMBER_WORDS}"
    r"[\s.:=#\"'(\[/_-]{1,4}((?=[A-Z]{0,9}[0-9])[A-Z0-9]{6,12})(?![0-9A-Z])",
    re.IGNORECASE,
)


def _finder(one: _Shape) -> Find:
    # Neither in the middle of a word nor a part of a longer number.
    pattern = re.compile(
        rf"(?<![0-9A-Za-z])(?<![0-9][.-]){one.shape}(?![0-9A-Za-z]|[.-][0-9])"
    )

    def find(text: str) -> Iterator[Span]:
        for match in pattern.finditer(text):
            if one.check(_PLAIN.sub("", match[0]).upper()):
                yield *match.span(), "national_id"

    return find


def _find_named(text: str) -> Iterator[Span]:
    for match in _NAMED.finditer(text):
        yield *match.span(1), "national_id"


def _find_papers(text: str) -> Iterator[Span]:
    for match in _PAPER.finditer(text):
        yield *match.span(1), "national_id"


DETECTORS = (
    *(
        Detector(
            rf"(?:^|[^0-9A-Za-z]){one.shape}(?:$|[^0-9A-Za-z])",
            _finder(one),
            before=_SIX_DIGITS if one.digits else "",
        )
        for one in _SHAPES
    ),
    Detector(
        rf"(?i)(?:{_WORDS}|number|nummer|num|no|nr|n|#|\x{{b0}})[\s.:=#\"'(\[/_-]{{1,4}}"
        r"[A-Z]{0,2}[ ./-]?[0-9][ ./-]?[0-9]",
        _find_named,
    ),
    Detector(rf"(?i)(?:{_PAPERS})[^\n]*[0-9]", _find_papers),
)
