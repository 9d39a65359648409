"""Payment card numbers: an issuer's range, its length, and the Luhn check digit.

Source of the ranges: ISO/IEC 7812 and the issuers' own publications. Ranges
that are no longer issued (Visa's 13 digits) are left out: they would match the
bar codes of half the world's goods.
"""

import re

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import Effort

_LEAST_DIGITS, _MOST_DIGITS = 14, 19
_ISSUED = re.compile(
    r"""
      4 (?: \d{15} | \d{18} )                                                    # Visa
    | (?: 5[1-5]\d\d | 222[1-9] | 22[3-9]\d | 2[3-6]\d\d | 27[01]\d | 2720 ) \d{12}  # Mastercard
    | 3[47] \d{13}                                                               # American Express
    | (?: 30[0-5] | 3[689]\d ) \d{11}                                            # Diners Club
    | 35 (?: 2[89] | [3-8]\d ) \d{12}                                            # JCB
    | (?: 6011 | 64[4-9]\d | 65\d\d ) (?: \d{12} | \d{15} )                      # Discover
    | 62 (?: \d{14} | \d{17} )                                                   # UnionPay
    | (?: 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 676[1-3] ) \d{12}            # Maestro
    """,
    re.VERBOSE | re.ASCII,
)
# With which two digits a number of sixteen or nineteen can begin.
_BEGINNINGS_OF_16 = frozenset(
    b"%d" % first for first in (*range(22, 28), 35, *range(40, 56), 58, 60, *range(62, 66), 67)
)
_ROW_OF_FOURS = re.compile(rb"9999 9999 9999 9999(?: 9999)*+")
_OTHER_GROUPS = (b"9999 999999 99999", b"9999 999999 9999")
_AS_BLANKS = bytes.maketrans(b"-.", b"  ")
_DOUBLED = str.maketrans("0123456789", "0246813579")


class PaymentCardDetector:
    name = "payment_card"
    data_class = DataClass.CONFIDENTIAL

    def count(self, reading: Reading) -> int:
        effort = Effort()
        for start, end in reading.numbers:
            if _LEAST_DIGITS <= end - start <= _MOST_DIGITS and reading.begins(start):
                number = reading.compact(start, end - start)
                if _ISSUED.fullmatch(number) and not effort.note(_checks(number)):
                    return effort.found
        shape = reading.shape.translate(_AS_BLANKS)
        for form in _OTHER_GROUPS:
            start = shape.find(form)
            while start >= 0:
                number = reading.compact(start, len(form) - 2)
                issued = _ISSUED.fullmatch(number) and reading.begins(start)
                if issued and not effort.note(_checks(number)):
                    return effort.found
                start = shape.find(form, start + 1)
        self._count_fours(reading, shape, effort)
        return effort.found

    def _count_fours(self, reading: Reading, shape: bytes, effort: Effort) -> None:
        """Groups of four: one card, or as many as the row holds. Other long rows are a table's."""
        written = reading.ascii
        for row in _ROW_OF_FOURS.finditer(shape):
            start, end = row.span()
            if (end - start + 1) % 20:
                continue
            for card in (start,) if end - start < 20 else range(start, end, 20):
                if written[card : card + 2] not in _BEGINNINGS_OF_16:
                    continue
                # The longer ones have a fifth group of three.
                lengths = (19, 23) if shape[card + 19 : card + 23] == b" 999" else (19,)
                numbers = [_digits(reading, card, length) for length in lengths]
                issued = [number for number in numbers if _ISSUED.fullmatch(number)]
                alone = issued and reading.begins(start) and reading.ends(end)
                if alone and not effort.note(any(map(_checks, issued))):
                    return


def _digits(reading: Reading, start: int, length: int) -> str:
    return reading.ascii[start : start + length].translate(None, b" -.").decode()


def _checks(number: str) -> bool:
    """Luhn's check digit, ISO/IEC 7812-1, annex B."""
    odd, even = number[-1::-2], number[-2::-2].translate(_DOUBLED)
    return (sum(map(int, odd)) + sum(map(int, even))) % 10 == 0


def create() -> PaymentCardDetector:
    return PaymentCardDetector()
