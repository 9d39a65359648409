"""Secrets without a shape of their own: what stands behind a name such as 'password' or 'token'."""

import re
from collections import Counter
from collections.abc import Callable
from math import log2

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import MOST_COUNTED

# How a value follows its name: `NAME = "…"`, `"NAME": "…"`, `NAME is …`; after `--NAME` and
# `Bearer` a blank is enough.
_VALUE = r"""(?:bearer\s|basic\s)?["'`]?([^\s"'`,;<>&]{8,400})"""
_ASSIGNED = re.compile(
    r"""[a-z_-]{0,20}["'`\]]{0,2}(?:\s{0,3}(?::=|=>|[:=])\s{0,3}|\s(?:is|ist|lautet)\s{1,3})"""
    + _VALUE,
    re.IGNORECASE,
)
_NEXT = re.compile(r"[a-z_-]{0,20}[\s=:]{1,3}" + _VALUE, re.IGNORECASE)
_PASSWORDS = (b"passw", b"passphrase", b"pwd", b"kennwort")
_TOKENS = (b"secret", b"token", b"bearer", b"credential", b"authorization")
_KINDS_OF_KEY = re.compile(
    rb"(?:api|access|account|auth|master|private|secret|shared|signing|storage)[ _.-]?$"
)
_URL = re.compile(r"://[^\s/:@?#]{0,64}:([^\s/@?#]{3,128})@")
_PLACEHOLDERS = frozenset("pass password passwd pwd secret user username token changeit".split())
_NOT_FILLED_IN = ("${", "{{", "$(", "<", "%s", "{", "...")
_TOKEN = re.compile(r"[A-Za-z0-9+/_.~=-]{16,400}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z_.-]*[:!?]?")
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_CHANGE = re.compile(r"[A-Za-z][0-9]|[0-9][A-Za-z]|[a-z][A-Z]")
_PUNCTUATION = ".:)]}"
_LEAST_BITS, _LEAST_CHANGES = 3.0, 4


class CredentialDetector:
    name = "credential"
    data_class = DataClass.SECRET

    def count(self, reading: Reading) -> int:
        found: set[int] = set()
        for name in _PASSWORDS:
            _look_behind(name, reading, _is_password, found)
        for name in _TOKENS:
            _look_behind(name, reading, _is_random, found)
        _look_behind(b"key", reading, _is_random, found, kinds=_KINDS_OF_KEY)
        if b"://" in reading.ascii:
            for url in _URL.finditer(reading.text):
                if len(found) < MOST_COUNTED and _is_filled_in(url[1]):
                    found.add(url.start(1))
        return len(found)


def _look_behind(
    name: bytes,
    reading: Reading,
    is_secret: Callable[[str], bool],
    found: set[int],
    *,
    kinds: re.Pattern[bytes] | None = None,
) -> None:
    """Add to `found` where a secret stands behind `name`, which one of `kinds` stands before."""
    text, lower = reading.text, reading.lower
    at = lower.find(name)
    while at >= 0 and len(found) < MOST_COUNTED:
        end = at + len(name)
        if kinds is None or kinds.search(lower, max(0, at - 12), at):
            blank_will_do = name == b"bearer" or lower[at - 2 : at] == b"--"
            value = (_NEXT if blank_will_do else _ASSIGNED).match(text, end)
            if value is not None:
                if is_secret(value[1]):
                    found.add(value.start(1))
                # Nothing is read twice, so that no text takes longer than its length.
                end = value.end()
        at = lower.find(name, end)


def _is_filled_in(value: str) -> bool:
    """Is it a value, and not a place for one?"""
    if value.lower() in _PLACEHOLDERS or len(set(value)) < 3:
        return False
    return not any(mark in value for mark in _NOT_FILLED_IN)


def _is_password(value: str) -> bool:
    """Not a word, a call, or a variable: it has a digit or a mark that names do not have."""
    value = value.rstrip(_PUNCTUATION)
    if len(value) < 8 or not _is_filled_in(value) or "(" in value or "[" in value or "://" in value:
        return False
    if _WORD.fullmatch(value) or _ATTRIBUTE.fullmatch(value) or value.startswith(("/", "./", "$")):
        return False
    kinds = (str.islower, str.isupper, str.isdigit)
    mixed = sum(any(map(kind, value)) for kind in kinds) + (not value.isalnum())
    return mixed >= 2


def _is_random(value: str) -> bool:
    """Would chance have written it? Letters and digits change places too often for a name."""
    value = value.rstrip(_PUNCTUATION)
    if value.isalpha() or not _TOKEN.fullmatch(value) or value.startswith(("/", ".", "-")):
        return False
    if _ATTRIBUTE.fullmatch(value):
        return False
    return len(_CHANGE.findall(value)) >= _LEAST_CHANGES and _bits(value) >= _LEAST_BITS


def _bits(value: str) -> float:
    """Shannon's entropy of a character, as the value's own frequencies give it."""
    total = len(value)
    return -sum(n / total * log2(n / total) for n in Counter(value).values())


def create() -> CredentialDetector:
    return CredentialDetector()
