"""What one check of `basket doctor` found."""

from typing import Literal

import msgspec

from secondbasket.errors import BasketError


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found; `mend` says what to do where `state` is not 'ok'."""

    check: str
    state: Literal["ok", "warning", "broken"]
    found: str
    mend: str = ""


def ok(check: str, found: str) -> Finding:
    return Finding(check=check, state="ok", found=found)


def warning(check: str, found: str, mend: str) -> Finding:
    return Finding(check=check, state="warning", found=found, mend=mend)


def broken(check: str, error: BasketError) -> Finding:
    return Finding(check=check, state="broken", found=error.message, mend=error.hint)
