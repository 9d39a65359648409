"""What code finds in a business paper better than a model: its kind, number, dates and amounts."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

_MOST = 100

# The words that papers of a business call themselves by, and the number that follows one.
_KINDS = {
    "invoice": r"invoice|rechnung",
    "order": r"purchase order|order|bestellung",
    "delivery note": r"delivery note|packing slip|lieferschein",
    "complaint": r"complaint|claim|reklamation",
    "offer": r"quotation|quote|offer|angebot",
    "contract": r"contract|agreement|vertrag",
}
_NUMBERED = re.compile(
    r"\b(?P<word>" + "|".join(_KINDS.values()) + r")[ \t]{0,3}"
    r"(?:no\.?|number|nr\.?|nummer|id|#)?[ \t]{0,3}[:#]?[ \t]{0,3}"
    r"(?P<number>[A-Z]{0,6}[-/]?\d[A-Z0-9/-]{1,30})\b",
    re.IGNORECASE,
)
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.[ ]?(\d{1,2})\.[ ]?(\d{4})\b")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_NAMED = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)? ({'|'.join(_MONTHS)}),? (\d{{4}})\b", re.IGNORECASE
)
_AMOUNT = re.compile(
    r"(?:(?P<before>EUR|USD|CHF|GBP|[€$£])[ ]?)?"
    r"(?P<figure>\d{1,3}(?:[.,' ]\d{3}){0,4}[.,]\d{2}|\d{1,12}[.,]\d{2})"
    r"(?:[ ]?(?P<after>EUR|USD|CHF|GBP|[€$£]))?(?![\d.,]\d)"
)
_TOTAL = re.compile(
    r"\b(grand total|total|amount due|gesamtbetrag|summe|zu zahlen)\b", re.IGNORECASE
)
_CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP"}


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` is a decimal as text, '1234.50'; `total`: it stands in a line that says so."""

    amount: str
    currency: str
    total: bool


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` and `number` are what the paper calls itself first; empty where it does not.

    `date` is the first one, `total` the last amount that is called one.
    """

    kind: str
    number: str
    date: str
    total: str
    currency: str
    dates: Sequence[str]
    amounts: Sequence[Amount]


def fields_of(text: str) -> Fields:
    """What stands in `text`. Its time grows with the text's length alone."""
    dates = _dates(text)
    amounts = _amounts(text)
    kind, number = _kind(text)
    totals = [each for each in amounts if each.total]
    total = totals[-1] if totals else None
    return Fields(
        kind=kind,
        number=number,
        date=dates[0] if dates else "",
        total=total.amount if total else "",
        currency=total.currency if total else "",
        dates=dates,
        amounts=amounts,
    )


def _kind(text: str) -> tuple[str, str]:
    found = _NUMBERED.search(text)
    if found is None:
        return "", ""
    word = found["word"].casefold()
    kind = next(name for name, words in _KINDS.items() if re.fullmatch(words, word))
    return kind, found["number"]


def _dates(text: str) -> list[str]:
    found: list[tuple[int, Any]] = []
    found += [(m.start(), (m[1], m[2], m[3])) for m in _ISO.finditer(text)]
    found += [(m.start(), (m[3], m[2], m[1])) for m in _DOTTED.finditer(text)]
    found += [
        (m.start(), (m[3], _MONTHS.index(m[2].casefold()) + 1, m[1])) for m in _NAMED.finditer(text)
    ]
    dates = []
    for _, (year, month, day) in sorted(found)[:_MOST]:
        try:
            dates.append(date(int(year), int(month), int(day)).isoformat())
        except ValueError:
            continue  # no such day
    return list(dict.fromkeys(dates))


def _amounts(text: str) -> list[Amount]:
    found = []
    for line in text.splitlines():
        total = _TOTAL.search(line) is not None
        for match in _AMOUNT.finditer(line[:2000]):
            sign = match["before"] or match["after"] or ""
            found.append(
                Amount(
                    amount=_decimal(match["figure"]),
                    currency=_CURRENCIES.get(sign, sign),
                    total=total,
                )
            )
            if len(found) == _MOST:
                return found
    return found


def _decimal(figure: str) -> str:
    """'1.234,50', '1,234.50' and "1'234.50" → '1234.50': the last mark divides the cents."""
    whole, cents = figure[:-3], figure[-2:]
    return str(Decimal(f"{re.sub(r'[^0-9]', '', whole)}.{cents}"))
