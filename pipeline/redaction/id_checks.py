"""
The checks of national identity numbers, each as its country publishes it.

Every function takes the number without separators, in capitals, of the shape that
pipeline/redaction/ids.py looks for, and says if its check holds.
"""

import datetime as dt

_SPANISH = "TRWAGMYFPDXBNJZSQVHLCKE"
_FINNISH = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_ITALIAN_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14,
                16, 10, 22, 25, 24, 23)  # fmt: skip
_MEXICAN = "0123456789ABCDEFGHIJKLMN\u00d1OPQRSTUVWXYZ"
# Verhoeff: multiplication in the dihedral group of ten elements, and its permutation.
_DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870",
    "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def is_luhn(digits: str) -> bool:
    """Luhn's check, of cards and Swedish numbers."""
    doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(map(sum, doubled))
    return total % 10 == 0


def is_dni(text: str) -> bool:
    """Spain: the letter is the number modulo 23."""
    first = "XYZ".find(text[0])
    number = text[:-1] if first < 0 else f"{first}{text[1:-1]}"
    return _SPANISH[int(number) % 23] == text[-1]


def is_codice_fiscale(text: str) -> bool:
    """Italy: odd and even places weigh differently, modulo 26."""
    total = 0
    for index, char in enumerate(text[:15]):
        value = int(char) if char.isdigit() else ord(char) - ord("A")
        total += value if index % 2 else _ITALIAN_ODD[value]
    return chr(ord("A") + total % 26) == text[15]


def is_nir(text: str) -> bool:
    """France: the last two digits complete the rest to 97; Corsica counts as 19, 18."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(number) % 97 == int(text[13:])


def is_cpf(text: str) -> bool:
    """Brazil, people: two digits modulo 11."""
    if len(set(text)) == 1:
        return False
    return all(
        _weighted(text[:size], range(size + 1, 1, -1)) * 10 % 11 % 10 == int(text[size])
        for size in (9, 10)
    )


def is_cnpj(text: str) -> bool:
    """Brazil, firms, which may be one person: letters count by their ASCII code."""
    values = [ord(char) - ord("0") for char in text]
    for size in (12, 13):
        weights = [(size - index - 1) % 8 + 2 for index in range(size)]
        total = sum(one * two for one, two in zip(values, weights, strict=False)) % 11
        if values[size] != (0 if total < 2 else 11 - total):  # noqa: PLR2004
            return False
    return len(set(text)) > 1


def is_pesel(text: str) -> bool:
    """Poland: born 1900 to 2099, modulo 10."""
    month = int(text[2:4])
    century = {0: 1900, 1: 2000}.get(month // 20)
    if century is None or not _is_date(century + int(text[:2]), month % 20, text[4:6]):
        return False
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    return _weighted(text, weights) % 10 == 0


def is_norwegian(text: str) -> bool:
    """Norway: a date, 40 more for the day of foreigners, two digits modulo 11."""
    day = int(text[:2])
    day -= 40 if day > 40 else 0  # noqa: PLR2004
    # Of centuries the number says little; 2000 had a 29 February.
    if not _is_date(2000, int(text[2:4]), str(day)):
        return False
    first = _weighted(text, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = _weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return first % 11 == 0 and second % 11 == 0


def is_aadhaar(text: str) -> bool:
    """India: Verhoeff's check."""
    check = 0
    for index, digit in enumerate(reversed(text)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[index % 8][int(digit)])])
    return check == 0


def is_swedish(text: str) -> bool:
    """Sweden: a date, 60 more for the day of coordination numbers, and Luhn."""
    digits = "".join(filter(str.isdigit, text))[-10:]
    day = int(digits[4:6])
    day -= 60 if day > 60 else 0  # noqa: PLR2004
    return _is_date(2000, int(digits[2:4]), str(day)) and is_luhn(digits)


def is_finnish(text: str) -> bool:
    """Finland: a date, and the number modulo 31."""
    digits = "".join(filter(str.isdigit, text[:-1]))
    return (
        _is_date(2000, int(text[2:4]), text[:2])
        and _FINNISH[int(digits) % 31] == text[-1]
    )


def is_belgian(text: str) -> bool:
    """Belgium: completes to 97, for those born since 2000 with a 2 before it."""
    number, check = text[:9], int(text[9:])
    return check in (97 - int(number) % 97, 97 - int("2" + number) % 97)


def is_ahv(text: str) -> bool:
    """Switzerland: the check digit of bar codes."""
    return _weighted(text, (1, 3) * 6 + (1,)) % 10 == 0


def is_chinese(text: str) -> bool:
    """China: a date, and ISO 7064 modulo 11-2."""
    if not _is_date(int(text[6:10]), int(text[10:12]), text[12:14]):
        return False
    total = sum(int(digit) << (17 - index) for index, digit in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17]


def is_korean(text: str) -> bool:
    """Korea: a date; the check digit is gone since 2020."""
    return _is_date(2000, int(text[2:4]), text[4:6])


def is_curp(text: str) -> bool:
    """Mexico: a date, and the sum of all places modulo 10."""
    total = sum(
        _MEXICAN.index(char) * (18 - index) for index, char in enumerate(text[:17])
    )
    return _is_date(2000, int(text[6:8]), text[8:10]) and -total % 10 == int(text[17])


def is_cuil(text: str) -> bool:
    """Argentina: modulo 11."""
    return _weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def is_rut(text: str) -> bool:
    """Chile: modulo 11, where ten is a K."""
    total = sum(
        int(digit) * (index % 6 + 2) for index, digit in enumerate(reversed(text[:-1]))
    )
    return "0K987654321"[total % 11] == text[-1]


def is_nric(text: str) -> bool:
    """Singapore: modulo 11, letters by the kind of number."""
    total = _weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2))
    kind = text[0]
    total += {"T": 4, "G": 4, "M": 3}.get(kind, 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "XWUTRQPNJLK"}
    if kind == "M":
        return letters[kind][10 - total % 11] == text[8]
    return letters.get(kind, "XWUTRQPNMLK")[total % 11] == text[8]


def is_thai(text: str) -> bool:
    """Thailand: modulo 11."""
    total = _weighted(text[:12], range(13, 1, -1))
    return (11 - total % 11) % 10 == int(text[12])


def _weighted(digits: str, weights: "range | tuple[int, ...]") -> int:
    pairs = zip(digits, weights, strict=False)
    return sum(int(digit) * weight for digit, weight in pairs)


def _is_date(year: int, month: int, day: str) -> bool:
    try:
        dt.date(year, month, int(day))
    except ValueError:
        return False
    return True
