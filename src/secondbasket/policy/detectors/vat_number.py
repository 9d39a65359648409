"""VAT numbers of the European Union, Great Britain and Switzerland, with their country's prefix.

Without the prefix they are eight to twelve digits like any others. Source of
the forms and check digits: python-stdnum, after the Commission's VIES.
"""

import re
from collections.abc import Iterator

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import Effort

# How many letters and digits follow a country's code.
_LENGTHS = {
    **dict.fromkeys("DK FI HU LU MT SI".split(), (8,)),
    **dict.fromkeys("AT CY DE EE EL ES PT CH".split(), (9,)),
    **dict.fromkeys("BE PL SK".split(), (10,)),
    **dict.fromkeys("FR HR IT LV".split(), (11,)),
    **dict.fromkeys("NL SE".split(), (12,)),
    **dict.fromkeys("GB XI".split(), (9, 12)),
    "BG": (9, 10),
    "CZ": (8, 9, 10),
    "IE": (8, 9),
    "LT": (9, 12),
    "RO": (10, 9, 8, 7),
}
# Grouped as on letterheads.
_GROUPED = (
    *(b"999 999 999", b"999.999.999", b"999-999-999", b"9999.999.999", b"9999 999 999"),
    *(b"999-999-99-99", b"999 999 99 99", b"9999.99.999.A.99", b"99 999 999", b"999 9999 99"),
)
# Not in the middle of a longer number.
_AT_ITS_BEGINNING = {
    form: re.compile(b"%b(?<!9%b)" % (re.escape(form), re.escape(form))) for form in _GROUPED
}
_LONGEST_PREFIX = 5


class VatNumberDetector:
    name = "vat_number"
    data_class = DataClass.CONFIDENTIAL

    def count(self, reading: Reading) -> int:
        effort = Effort()
        found = set()
        for digits in _digits(reading):
            begin = _prefix(reading, digits)
            if begin is None or begin in found:
                continue
            right = _is_right(reading, begin)
            if right:
                found.add(begin)
            if not effort.note(right):
                break
        return effort.found


def _digits(reading: Reading) -> Iterator[int]:
    """Where digits begin that may be a VAT number's, behind a letter or a separator."""
    shape = reading.shape
    for start, _ in reading.numbers:
        before = shape[start - 2 : start]
        # A country's code ends in a letter; France's own two characters may be digits.
        if before[-1:] == b"A" or before in (b"A ", b"A-", b"A.", b"9 "):
            yield start
    for form, pattern in _AT_ITS_BEGINNING.items():
        if reading.may_have(form):
            for found in pattern.finditer(shape):
                yield found.start()


def _prefix(reading: Reading, digits: int) -> int | None:
    """Where the country's code begins that belongs to `digits`; None where there is none.

    'ATU', 'ESA', 'FRXX' have letters or digits of their own between the two.
    """
    apart = 1 if reading.shape[digits - 1 : digits] in (b" ", b".", b"-") else 0
    end = digits - apart
    if end < 2 or reading.shape[end - 1] not in b"A9":
        return None
    written = reading.ascii[max(0, end - _LONGEST_PREFIX) : end].decode()
    # 'it 123' is a word and a number, 'it123' may be meant.
    if apart and written[-2:].islower():
        return None
    before = written.upper()
    for length in (2, 3, 4, 5):
        prefix = before[-length:]
        country = prefix[:2]
        if len(prefix) < length or country not in _LENGTHS or not reading.begins(end - length):
            continue
        if length == 2 and country not in ("AT", "CH"):
            return end - 2
        if length == 3 and (prefix in ("ATU", "CHE") or (country == "ES" and prefix.isalpha())):
            return end - 3
        if country == "FR" and prefix[2:].strip().isalnum() and length > 3:
            return end - length
    return None


def _is_right(reading: Reading, begin: int) -> bool:
    country = reading.ascii[begin : begin + 2].decode().upper()
    if country == "CH":
        from stdnum.ch import uid  # noqa: PLC0415 - as below

        return uid.is_valid(reading.compact(begin, 12).upper())
    if country == "GB":
        from stdnum.gb import vat as british  # noqa: PLC0415 - as below

        lengths = _LENGTHS["GB"]
        return any(british.is_valid(reading.compact(begin, 2 + each)[2:]) for each in lengths)
    from stdnum.eu import vat  # noqa: PLC0415 - it loads a module for each country it is asked of

    return any(vat.is_valid(reading.compact(begin, 2 + each).upper()) for each in _LENGTHS[country])


def create() -> VatNumberDetector:
    return VatNumberDetector()
