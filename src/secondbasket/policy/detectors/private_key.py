"""Private keys: PEM, OpenSSH, PGP, age, PuTTY, WireGuard, JSON web keys."""

import re

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import MOST_COUNTED

# A header alone is what programs that read keys hold; with the beginning of a body it is a key.
# Between the two may stand armour headers ('Version: …'), and line ends of any kind.
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s{0,8}[A-Za-z][A-Za-z-]{1,31}: [^\n]{0,200}\n){0,8}"
    r"\s{0,16}[A-Za-z0-9+/]{6}"
)
_AGE = re.compile(r"AGE-SECRET-KEY-(?:1|PQ-1)[02-9AC-HJ-NP-Z]{50}")
_PUTTY = re.compile(r"PuTTY-User-Key-File-\d:")
_WIREGUARD = re.compile(r"PrivateKey\s{0,4}=\s{0,4}[A-Za-z0-9+/]{43}=")
_JSON_WEB_KEY = re.compile(r"""["']d["']\s{0,4}:\s{0,4}["'][A-Za-z0-9_-]{40,1400}["']""")


class PrivateKeyDetector:
    name = "private_key"
    data_class = DataClass.SECRET

    def count(self, reading: Reading) -> int:
        text = reading.text
        found = 0
        if "PRIVATE KEY" in text:
            found += _count(_PEM, text)
        if "AGE-SECRET-KEY-" in text:
            found += _count(_AGE, text)
        if "PuTTY-User-Key-File-" in text:
            found += _count(_PUTTY, text)
        if "PrivateKey" in text:
            found += _count(_WIREGUARD, text)
        if '"kty"' in text or "'kty'" in text:
            found += _count(_JSON_WEB_KEY, text)
        return min(found, MOST_COUNTED)


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))


def create() -> PrivateKeyDetector:
    return PrivateKeyDetector()
