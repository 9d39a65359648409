"""Telephone numbers that can be dialled: written internationally, or behind their name.

Source of what can be dialled: libphonenumber's metadata. National numbers are
too much like any other number to be taken without a word such as 'Tel.'.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import Effort

_LEAST_DIGITS, _MOST_DIGITS = 8, 15
_INTERNATIONAL = re.compile(rb"\+ ?[1-9][0-9 ().\-/]{6,26}")
_TRUNK = re.compile(rb"00(?<![0-9A-Za-z.,:]00)[1-9][0-9 ().\-/]{7,26}")
# Where a national number may begin, and how it may be grouped where it does not begin with 0.
_NATIONAL = re.compile(rb"0(?<![0-9A-Za-z.,:+]0)[1-9 ()/-][0-9 ().\-/]{5,22}")
_GROUPED = (b"999-999-9999", b"999.999.9999", b"999 999 9999", b"999 999 999", b"99 99 99 99")
_NORTH_AMERICAN = (b"(999) 999-9999", b"(999)999-9999", b"(999) 999 9999", b"(999) 999.9999")
_NAMES = re.compile(
    rb"(?:tel|phone|mobil|handy|fax|gsm|cell|whatsapp|rufnummer|durchwahl|call|dial)"
    rb"[a-z]{0,8}[^0-9a-z]{0,6}(?:(?:us|me|him|her|them|no|nr|number|at|on)[^0-9a-z]{1,3}){0,3}\(?$"
)
_REACH = 32
_LEADING = b" .:("
_BEFORE = (b" ", b".", b":", b"(")
_WITH_TRUNK_ZERO = "DE GB FR IT NL BE AT CH SE IE".split()
_WITHOUT = "US ES PL DK CZ PT IT".split()
_NOT_DIGITS = bytes(code for code in range(256) if not 0x30 <= code <= 0x39)
_GROUP = re.compile(rb"[0-9]+")
_MOST_CHECKS = 128


class PhoneNumberDetector:
    name = "phone_number"
    data_class = DataClass.CONFIDENTIAL

    def count(self, reading: Reading) -> int:
        effort = Effort(_MOST_CHECKS)
        known: dict[bytes, bool] = {}
        for written in _international(reading):
            if written not in known:
                possible = [each for each in _beginnings(written) if _has_a_length(each)]
                known[written] = any(map(_can_be_dialled, possible))
            if not effort.note(known[written]):
                return effort.found
        found = set()
        for start, number, regions in _national(reading):
            if start in found:
                continue
            right = any(_can_be_dialled(number, region) for region in regions)
            if right:
                found.add(start)
            if not effort.note(right):
                break
        return effort.found


def _international(reading: Reading) -> Iterator[bytes]:
    """What follows '+' or '00', country code first, with what stands behind it."""
    for found in _INTERNATIONAL.finditer(reading.ascii):
        start = found.start()
        if start == 0 or reading.shape[start - 1] not in b"9A":
            yield found[0]
    for found in _TRUNK.finditer(reading.ascii):
        yield found[0][2:]


def _national(reading: Reading) -> Iterator[tuple[int, str, Iterable[str]]]:
    """Where a number begins, its digits, and where they may be dialled."""
    written, shape = reading.ascii, reading.shape
    for form in _NORTH_AMERICAN if b"(999)" in shape else ():
        start = shape.find(form)
        while start >= 0:
            if reading.ends(start + len(form)):
                yield start + 1, _digits(written[start : start + len(form)]), ("US",)
            start = shape.find(form, start + 1)
    for found in _NATIONAL.finditer(written):
        yield from _named(reading, found.start(), found[0])
    for form in _GROUPED:
        for start in reading.find(form):
            yield from _named(reading, start, written[start : start + len(form)])
    for start, end in reading.numbers:
        if shape[start - 1 : start] in _BEFORE:
            yield from _named(reading, start, written[start:end])


def _named(
    reading: Reading, start: int, written: bytes
) -> Iterator[tuple[int, str, Iterable[str]]]:
    """The number, where a word for telephones stands right before it."""
    if reading.shape[max(0, start - 4) : start].rstrip(_LEADING)[-1:] != b"A":
        return
    before = reading.lower[max(0, start - _REACH) : start]
    if _NAMES.search(before):
        regions = _WITH_TRUNK_ZERO if written.startswith(b"0") else _WITHOUT
        for number in _beginnings(written):
            yield start, number.removeprefix("+"), regions


def _beginnings(written: bytes) -> Iterator[str]:
    """The number after '+', and without the groups at its end that may be other numbers."""
    # '(0)' is dialled at home only.
    groups = _GROUP.findall(written.replace(b"(0)", b""))
    for count in range(len(groups), 0, -1):
        digits = b"".join(groups[:count]).decode()
        if len(digits) < _LEAST_DIGITS - 1:
            return
        if len(digits) <= _MOST_DIGITS:
            yield f"+{digits}"


def _digits(written: bytes) -> str:
    return written.translate(None, _NOT_DIGITS).decode()


def _has_a_length(number: str) -> bool:
    """Is '+' and digits as long as numbers of its country are? Far less work than to parse it."""
    return any(len(number) - 1 - code in _lengths(number[1 : 1 + code]) for code in (1, 2, 3))


@lru_cache(maxsize=1024)
def _lengths(country_code: str) -> frozenset[int]:
    """How many digits may follow a country's code; none where it is no such code."""
    import phonenumbers  # noqa: PLC0415 - large, and few texts hold a number

    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(country_code), ())
    lengths: set[int] = set()
    for region in regions:
        known = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if known is not None and known.general_desc is not None:
            lengths.update(known.general_desc.possible_length)
    return frozenset(lengths)


def _can_be_dialled(number: str, region: str | None = None) -> bool:
    import phonenumbers  # noqa: PLC0415 - its tables are read when a number needs them

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def create() -> PhoneNumberDetector:
    return PhoneNumberDetector()
