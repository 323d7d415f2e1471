"""Numbers that carry their own check: payment cards, IBANs, and national ids.

Sources: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN), and for national ids the rules that each state
publishes; the issuers' ranges are those in use, without the 13 digits of old Visa cards, which
are as many as those of a barcode.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable

#: Ranges, and how many digits of them name the issuer.
_ISSUERS = (
    (r"4\d{15}", 1),  # Visa
    (r"5[1-5]\d{14}", 2),  # Mastercard
    (r"2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}", 4),
    (r"3[47]\d{13}", 2),  # American Express
    (r"6(?:011|4[4-9]\d|5\d\d)\d{12}", 4),  # Discover
    (r"35(?:2[89]|[3-8]\d)\d{12}", 4),  # JCB
    (r"3(?:0[0-5]|[68]\d)\d{11}", 3),  # Diners Club
    (r"62\d{14,17}", 2),  # UnionPay
    (r"(?:50(?:18|20|38)|5893|6304|6759|676[1-3])\d{12,15}", 4),  # Maestro
)
_ISSUER = re.compile("|".join(f"({ranges})" for ranges, _ in _ISSUERS))

_LETTERS = {letter: str(index + 10) for index, letter in enumerate(string.ascii_uppercase)}
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
#: How long an IBAN is, by country; https://www.swift.com/standards/data-standards/iban
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


def luhn_digit(digits: str) -> str:
    """Return the digit that makes a number valid by Luhn's formula when it stands behind it."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if index % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def card_prefix(digits: str) -> int:
    """Tell how many digits name the issuer of a payment card; 0 for what is no card number."""
    issuer = _ISSUER.fullmatch(digits)
    if issuer is None or luhn_digit(digits[:-1]) != digits[-1]:
        return 0
    return _ISSUERS[(issuer.lastindex or 1) - 1][1]


def is_card(digits: str) -> bool:
    """Tell whether digits are the number of a card, and none that stands in every example."""
    # 4111111111111111 and 4242424242424242 are nobody's.
    return len(set(digits)) > 2 and card_prefix(digits) > 0


def iban_digits(country: str, account: str) -> str:
    """Return the two check digits of an IBAN."""
    number = "".join(_LETTERS.get(each, each) for each in account + country + "00")
    return f"{98 - int(number) % 97:02d}"


def is_iban(text: str) -> bool:
    """Tell whether a text without spaces is an IBAN of a country's own length."""
    return (
        _IBAN.fullmatch(text) is not None
        and _IBAN_LENGTHS.get(text[:2]) == len(text)
        and iban_digits(text[:2], text[4:]) == text[2:4]
    )


def is_social_security_number(text: str) -> bool:
    """Tell whether ddd-dd-dddd may be a number of the United States' social security."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def is_dni(text: str) -> bool:
    """Tell whether a text is a Spanish DNI or NIE, by its letter."""
    number = str("XYZ".index(text[0])) + text[1:-1] if text[0] in "XYZ" else text[:-1]
    return len(set(number)) > 1 and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def is_cpf(text: str) -> bool:
    """Tell whether ddd.ddd.ddd-dd is a Brazilian CPF, by both of its check digits."""
    digits = [int(each) for each in text if each.isdigit()]
    for length in (9, 10):
        total = sum(
            digit * weight for digit, weight in zip(digits, range(length + 1, 1, -1), strict=False)
        )
        if total * 10 % 11 % 10 != digits[length]:
            return False
    return len(set(digits)) > 1


def is_personnummer(text: str) -> bool:
    """Tell whether yymmdd-nnnn, or with a century, is a Swedish one, by its date and Luhn.

    Not one of the last years: order numbers are made like that, of which one of ten fits.
    """
    digits = text.replace("-", "")[-10:]
    if 12 <= int(digits[:2]) <= 35 and not text.startswith("19"):
        return False
    return _is_day(digits[2:4], digits[4:6]) and luhn_digit(digits[:-1]) == digits[-1]


def is_hetu(text: str) -> bool:
    """Tell whether ddmmyy-nnnX is a Finnish personal identity code, by its date and character."""
    number = int(text[:6] + text[7:10])
    return (
        _is_day(text[2:4], text[:2]) and "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10]
    )


def is_belgian_number(text: str) -> bool:
    """Tell whether yy.mm.dd-nnn.nn is a Belgian national number, modulo 97."""
    digits = "".join(each for each in text if each.isdigit())
    rests = (int(digits[:9]) % 97, int("2" + digits[:9]) % 97)
    return _is_day(digits[2:4], digits[4:6]) and 97 - int(digits[9:]) in rests


def is_nir(text: str) -> bool:
    """Tell whether fifteen digits are a French social security number, modulo 97."""
    return (
        text[0] in "12" and 1 <= int(text[3:5]) <= 12 and int(text[13:]) == 97 - int(text[:13]) % 97
    )


def is_codice_fiscale(text: str) -> bool:
    """Tell whether sixteen characters are an Italian tax code, by its last one."""
    odd = (
        1,
        0,
        5,
        7,
        9,
        13,
        15,
        17,
        19,
        21,
        2,
        4,
        18,
        20,
        11,
        3,
        6,
        8,
        12,
        14,
        16,
        10,
        22,
        25,
        24,
        23,
    )
    total = 0
    for index, each in enumerate(text[:15]):
        value = int(each) if each.isdigit() else ord(each) - ord("A")
        total += value if index % 2 else odd[value]
    return chr(ord("A") + total % 26) == text[15]


def _is_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


#: National ids that tell themselves, by what they look like. Bare digits with one check digit (the
#: Dutch BSN, the Polish PESEL) are not among them: one of ten order numbers would be taken for one.
NATIONAL_IDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "US social security number": (r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", is_social_security_number),
    "Spanish DNI": (r"[0-9XYZ][0-9]{7}[A-HJ-NP-TV-Z]", is_dni),
    "Brazilian CPF": (r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", is_cpf),
    "Swedish personnummer": (r"(?:19|20)?[0-9]{6}-[0-9]{4}", is_personnummer),
    "Finnish identity code": (r"[0-9]{6}[-+A][0-9]{3}[0-9A-FHJ-NPR-Y]", is_hetu),
    "Belgian national number": (
        r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}",
        is_belgian_number,
    ),
    "French NIR": (r"[12][0-9]{14}", is_nir),
    "Italian codice fiscale": (
        r"[A-Z]{6}[0-9]{2}[A-EHLMPR-T][0-9]{2}[A-Z][0-9]{3}[A-Z]",
        is_codice_fiscale,
    ),
}

#: The same, with `0` for each digit and `A` for each capital: where to look closer. What stands in
#: other words of digits, the French NIR, is found with the cards.
LOOKS_LIKE: dict[str, tuple[str, ...]] = {
    "US social security number": ("000-00-0000",),
    "Spanish DNI": ("00000000A", "A0000000A"),
    "Brazilian CPF": ("000.000.000-00",),
    "Swedish personnummer": ("000000-0000", "00000000-0000"),
    "Finnish identity code": ("000000-000", "000000A000"),
    "Belgian national number": ("00.00.00-000.00",),
    "Italian codice fiscale": ("AAAAAA00A00A000A",),
}
