"""E-mail addresses, by their form (RFC 5321, 6531); whether one exists only its server knows."""

import re

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import MOST_COUNTED

_LONGEST_LOCAL = 64
# The search begins at the '@', which is rare, and each half is read once.
_DOMAIN = re.compile(r"@([\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8}+)(?![\w(@-])")
_LOCAL_REVERSED = re.compile(r"[\w.+%'~#&=-]*")
# Written out of shyness; the brackets keep it apart from the word.
_SPELLED = {"(at)": "@", "[at]": "@", "{at}": "@", "(dot)": ".", "[dot]": ".", "{dot}": "."}
# Names of files and of accounts that many share: 'logo@2x.png', 'git@host.example:project'.
_ENDINGS_OF_FILES = frozenset(
    "avif bmp css csv gif gz htm html ico jpeg jpg js json pdf png svg ts txt webp xml".split()
)
_SHARED_ACCOUNTS = frozenset(("git", "hg", "svn"))


class EmailAddressDetector:
    name = "email_address"
    data_class = DataClass.CONFIDENTIAL

    def count(self, reading: Reading) -> int:
        text = reading.text
        if any(spelled in reading.lower for spelled in (b"(at)", b"[at]", b"{at}")):
            text = text.lower()
            for spelled, mark in _SPELLED.items():
                text = text.replace(f" {spelled} ", mark).replace(spelled, mark)
        if "@" not in text:
            return 0
        found = 0
        for domain in _DOMAIN.finditer(text):
            at = domain.start()
            local = _LOCAL_REVERSED.match(text[max(0, at - _LONGEST_LOCAL) : at][::-1])
            if local and _is_local(local[0][::-1]) and _is_domain(domain[1]):
                found += 1
                if found == MOST_COUNTED:
                    break
        return found


def _is_local(local: str) -> bool:
    # A dot or a mark may stand before it that is not part of it.
    local = local.lstrip(".'=&#-")
    return bool(local) and not local.endswith(".") and local.lower() not in _SHARED_ACCOUNTS


def _is_domain(domain: str) -> bool:
    last = domain.rpartition(".")[2].lower()
    named = last.isalpha() and len(last) > 1
    return (named or last.startswith("xn--")) and last not in _ENDINGS_OF_FILES


def create() -> EmailAddressDetector:
    return EmailAddressDetector()
