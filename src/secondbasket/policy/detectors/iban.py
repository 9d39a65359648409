"""International bank account numbers. Source: ISO 13616, and SWIFT's registry of its forms."""

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import Effort

# How long an account number of each country is; the registry's release 101.
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
_NUMBERS = {ord(letter): str(10 + code) for code, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}

_MOST_CHECKS = 256  # one in 97 is right by chance


class IbanDetector:
    """Right country, length and check digits (one in 97 by chance), then the country's own form."""

    name = "iban"
    data_class = DataClass.CONFIDENTIAL

    def count(self, reading: Reading) -> int:
        effort = Effort(most_checks=_MOST_CHECKS)
        shape, written = reading.shape, reading.ascii
        checked: dict[str, bool] = {}
        start = shape.find(b"AA99")
        while start >= 0:
            length = _LENGTHS.get(written[start : start + 2].decode().upper(), 0)
            if length and reading.begins(start) and (number := reading.compact(start, length)):
                if number not in checked:
                    checked[number] = _is_right(number.upper())
                if not effort.note(checked[number]):
                    break
            start = shape.find(b"AA99", start + 4)
        return effort.found


def _is_right(number: str) -> bool:
    if _remainder(number) != 1:
        return False
    from stdnum import iban  # noqa: PLC0415 - its tables are read when a number needs them

    return iban.is_valid(number)


def _remainder(number: str) -> int:
    """Of all of it as one number, its beginning at its end, divided by 97."""
    account, beginning = number[4:], number[:4].translate(_NUMBERS)
    return int((account if account.isdecimal() else account.translate(_NUMBERS)) + beginning) % 97


def create() -> IbanDetector:
    return IbanDetector()
