"""Numbers that states give to persons, where form and check digits tell them from any others.

A form is taken as it stands where nothing else is written in its groups, or
where chance meets it rarely: once in 25 tries with Spain's and Ireland's check
letters, once in a hundred or less with two check digits or a date of birth
beside one. Plain digits with one check digit (once in ten tries) are taken
behind their own name only. Source of forms and check digits: python-stdnum,
after each state's publications.
"""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import Effort

# Shape → the modules of stdnum, any of which may know it.
_FORMS = {
    b"999-99-9999": ("us.ssn", "us.itin"),
    b"99.99.99-999.99": ("be.nn",),
    b"99.99.99 999 99": ("be.nn",),
    b"999.9999.9999.99": ("ch.ssn",),
    b"999999/9999": ("cz.rc",),
    b"99 999 999 999": ("de.idnr",),
    b"99999999-A": ("es.dni",),
    b"99.999.999-A": ("es.dni",),
    b"A-9999999-A": ("es.nie",),
    b"999999-999A": ("fi.hetu",),
    b"999999A999A": ("fi.hetu",),
    b"9 99 99 99 999 999 99": ("fr.nir",),
    b"AAAAAA99A99A999A": ("it.codicefiscale",),
    b"999999 99999": ("no.fodselsnummer",),
    b"99999999 9 AA9": ("pt.cc",),
    b"999999-9999": ("se.personnummer", "fi.hetu", "is_.kennitala"),
    b"99999999-9999": ("se.personnummer",),
    b"99-99999999-9": ("ar.cuit",),
    b"999.999.999-99": ("br.cpf",),
    b"99.999.999/9999-99": ("br.cnpj",),
    b"99.999.999-9": ("cl.rut",),
    b"AAAA999999AAAAAA99": ("mx.curp",),
    b"AAAA999999AAAAAAA9": ("mx.curp",),
    b"999999-9999999": ("kr.rrn",),
    b"9-9999-99999-99-9": ("th.pin",),
}
# Rows of digits with letters beside them.
_LETTERED = {
    b"99999999A": ("es.dni",),
    b"A9999999A": ("es.nie",),
    b"A-9999999A": ("es.nie",),
    b"9999999A": ("ie.pps",),
    b"9999999AA": ("ie.pps",),
    b"99999999999999999A": ("cn.ric",),
}
# Unbroken digits, by how many they are.
_UNBROKEN = {
    11: ("be.nn", "de.idnr", "no.fodselsnummer"),
    12: ("se.personnummer",),
    13: ("ro.cnp", "si.emso", "za.idnr", "ch.ssn"),
    15: ("fr.nir",),
    18: ("cn.ric",),
}
_DAY, _MONTH = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])"
# What the digits of a birthday allow, seen before the whole number is checked: the codes on
# goods have as many digits, and stand in lists of hundreds.
_PLAUSIBLE = {
    "ch.ssn": re.compile(r"756"),
    "fr.nir": re.compile(r"[1278]\d{2}"),
    "ro.cnp": re.compile(rf"[1-9]\d\d{_MONTH}{_DAY}"),
    "se.personnummer": re.compile(rf"(?:19|20)?\d\d{_MONTH}(?:[06][1-9]|[1278]\d|[39][01])"),
    "si.emso": re.compile(rf"{_DAY}{_MONTH}"),
    "za.idnr": re.compile(rf"\d\d{_MONTH}{_DAY}"),
}


# Plain digits that count behind a name only, in lower case: digits → names → modules.
_NAMED: dict[int, dict[bytes, tuple[str, ...]]] = {
    9: {
        b"ssn": ("us.ssn", "us.itin"),
        b"social security": ("us.ssn", "us.itin"),
        b"bsn": ("nl.bsn",),
        b"burgerservicenummer": ("nl.bsn",),
        b"social insurance": ("ca.sin",),
        b"sin": ("ca.sin",),
        b"tax file": ("au.tfn",),
        b"tfn": ("au.tfn",),
    },
    10: {
        b"nhs": ("gb.nhs",),
        b"cpr": ("dk.cpr",),
        b"egn": ("bg.egn",),
        b"svnr": ("at.vnr",),
        b"sv-nr": ("at.vnr",),
        b"versicherungsnummer": ("at.vnr",),
    },
    11: {
        b"pesel": ("pl.pesel",),
        b"oib": ("hr.oib",),
        b"amka": ("gr.amka",),
        b"isikukood": ("ee.ik",),
        b"asmens kodas": ("lt.asmens",),
        b"kimlik": ("tr.tckimlik",),
        b"tckn": ("tr.tckimlik",),
        b"cpf": ("br.cpf",),
    },
    12: {
        b"aadhaar": ("in_.aadhaar",),
        b"my number": ("jp.in_",),
        b"mynumber": ("jp.in_",),
    },
}
# How they are grouped; numbers without groups are found as rows of digits.
_GROUPED = {
    **dict.fromkeys((b"999 999 999", b"999-999-999", b"999 99 9999", b"9999.99.999"), 9),
    **dict.fromkeys((b"999 999 9999", b"999-999-9999", b"999999-9999", b"9999 999999"), 10),
    b"999 999 999 99": 11,
    **dict.fromkeys((b"9999 9999 9999", b"9999-9999-9999"), 12),
}
_REACH = 40
_MANY = 100  # from so many on, it is less work to ask first whether there are names at all


class NationalIdDetector:
    name = "national_id"
    data_class = DataClass.CONFIDENTIAL

    def count(self, reading: Reading) -> int:
        effort = Effort()
        found = set()
        checked: dict[tuple[str, str], bool] = {}
        for start, number, modules in _candidates(reading):
            if start in found:
                continue
            right = False
            for module in modules:
                if (number, module) not in checked:
                    checked[number, module] = _is_right(number, module)
                right = right or checked[number, module]
            if right:
                found.add(start)
            if not effort.note(right):
                break
        return effort.found


def _candidates(reading: Reading) -> Iterator[tuple[int, str, Iterable[str]]]:
    """Where it begins, the number, and who may know it."""
    written = reading.ascii
    for form, modules in _FORMS.items():
        for start in reading.find(form):
            number = written[start : start + len(form)].decode().upper()
            yield start, number.replace(".", ""), modules
    for start, end in reading.numbers:
        unbroken = _UNBROKEN.get(end - start)
        if unbroken and reading.begins(start) and reading.ends(end):
            yield start, written[start:end].decode(), unbroken
        elif reading.shape[end : end + 1] == b"A":
            before = reading.shape[start - 2 : start]
            first = start - 2 if before == b"A-" else start - (before[-1:] == b"A")
            last = end + (2 if reading.shape[end + 1 : end + 2] == b"A" else 1)
            lettered = _LETTERED.get(reading.shape[first:last])
            if lettered and reading.begins(first) and reading.ends(last):
                yield first, written[first:last].decode().upper(), lettered
    for digits, names in _NAMED.items():
        yield from _named(reading, digits, names)


def _named(
    reading: Reading, digits: int, names: Mapping[bytes, tuple[str, ...]]
) -> Iterator[tuple[int, str, Iterable[str]]]:
    """Numbers of so many digits that have one of `names` close before them."""
    numbers = _numbers(reading, digits)
    few = list(islice(numbers, _MANY))
    if len(few) == _MANY:
        names = {name: modules for name, modules in names.items() if name in reading.lower}
    for start in chain(few, numbers) if names else ():
        before = reading.lower[max(0, start - _REACH) : start]
        for name, modules in names.items():
            at = before.rfind(name)
            if at >= 0 and reading.begins(start - len(before) + at):
                yield start, reading.compact(start, digits), modules


def _numbers(reading: Reading, digits: int) -> Iterator[int]:
    for start, end in reading.numbers:
        if end - start == digits and reading.begins(start) and reading.ends(end):
            yield start
    for form, length in _GROUPED.items():
        if length == digits:
            yield from reading.find(form)


def _is_right(number: str, module: str) -> bool:
    plausible = _PLAUSIBLE.get(module)
    if plausible is not None and not plausible.match(number.replace(" ", "")):
        return False
    # stdnum has a module for each number, which is loaded when one needs it.
    try:
        return bool(importlib.import_module(f"stdnum.{module}").is_valid(number))
    except LookupError:
        return False  # some of its tables have gaps: a district of China that never was


def create() -> NationalIdDetector:
    return NationalIdDetector()
