"""A report as a page to read and print: one file, nothing of it comes from elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secondbasket.core.drill import DrillReport
from secondbasket.core.money import format_nano
from secondbasket.ledger.signing import document_digest
from secondbasket.maas.drills import picture

_TEMPLATE = Path(__file__).with_name("page.html")


def make_page(report: DrillReport, document: Mapping[str, Any]) -> str:
    """The page of `report`, whose signed form is `document`."""
    import jinja2  # noqa: PLC0415 - only who drills needs it

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["ms"] = _ms
    environment.filters["percent"] = _percent
    environment.filters["change"] = _change
    environment.filters["money"] = _money
    environment.filters["moment"] = _moment
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        picture=picture.timeline(report),
        colours=picture.colours(report),
        sha256=document_digest(document),
        signature=document["signature"],
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:g} %"


def _change(value: float | None) -> str:
    return "–" if value is None else f"{value:+g} %"


def _money(nano: float | None, currency: str) -> str:
    return "–" if nano is None else format_nano(round(nano), currency)


def _moment(text: str) -> str:
    return f"{text[:19].replace('T', ' ')} UTC" if text else "–"
