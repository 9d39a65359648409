"""The measured table as a page people read: docs/faults.md, made from bench/results/faults.json."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

import msgspec

from bench.machine import Machine
from tests.faults.catalogue import CATALOGUE
from tests.faults.target import AT_ONCE, Measured, Outcome
from tools.locks import ROOT

PAGE = ROOT / "docs" / "faults.md"
RESULTS = ROOT / "bench" / "results" / "faults.json"

_BAD: frozenset[Outcome] = frozenset(
    (
        "clean end of a broken answer",
        "repeated words",
        "missing words",
        "malformed bytes",
        "hung",
    )
)
_TRUE_COUNTS = {(7, 60), (6, 0), (7, 0)}


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Both columns of one run, in the same order. Times in seconds."""

    machine: Machine
    second_basket: str
    litellm: str
    seconds: float
    patience: float
    retries: int
    ours: list[Measured]
    theirs: list[Measured]


def write(results: Results) -> None:
    """Keep the results, a row a line; the words of whole answers are left out."""
    columns = {name: map(_kept, getattr(results, name)) for name in ("ours", "theirs")}
    head = msgspec.to_builtins(results) | {"ours": [], "theirs": []}
    text = msgspec.json.encode(head).decode()
    for name, rows in columns.items():
        lines = ",\n".join(msgspec.json.encode(row).decode() for row in rows)
        text = text.replace(f'"{name}":[]', f'\n"{name}":[\n{lines}\n]', 1)
    RESULTS.write_text(f"{text}\n")


def _kept(row: Measured) -> Measured:
    if not row.seen.whole:
        return row
    return msgspec.structs.replace(row, seen=msgspec.structs.replace(row.seen, text=""))


def read() -> Results:
    return msgspec.json.decode(RESULTS.read_bytes(), type=Results)


def render(results: Results) -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Faults: what a client sees when an upstream fails",
            "",
            "<!-- Written by `make faults`; change the source, not this page. -->",
            "",
            *_introduction(results),
            "## In short",
            "",
            *_summary(results),
            "## The faults",
            "",
            *_rows(("fault", "what the upstream does"), ((f.name, f.does) for f in CATALOGUE)),
            "",
            "## Every fault, asked in every way",
            "",
            *_legend(results),
            *_rows(
                ("fault", "asked", "Second Basket", "LiteLLM"),
                (
                    (ours.fault, f"{ours.road}, {ours.mode}", _cell(ours), _cell(theirs))
                    for ours, theirs in zip(results.ours, results.theirs, strict=True)
                ),
            ),
            "",
        ]
    )


def _introduction(results: Results) -> Iterator[str]:
    yield (
        "A scripted server plays every upstream, over real HTTP on loopback: the first has a"
        " fault, the second is well. It says 60 numbered words, so that a missing or repeated one"
        " at the joint shows, and asked to go on with some of them it goes on with the right one."
        " One client asks through each gateway and reads as an SDK does. How ours goes about it is"
        " told in [failover](failover.md)."
    )
    yield ""
    yield (
        f"- **Second Basket** {results.second_basket}: `basket up`, a basket of the two upstreams"
        f' for each row, `continuation = "replay"`, time-outs (connect, first token, idle) of'
        f" {results.seconds:g} s each. Everything else as it comes."
    )
    yield (
        f"- **LiteLLM** {results.litellm}: the proxy with one worker and a master key, the second"
        " upstream as `fallbacks` of the first, `num_retries` "
        f"{results.retries} (its default), `timeout` and `stream_timeout` of {results.seconds:g} s"
        " for the router and each deployment. No database, telemetry off, prices from its own"
        " file. It has no setting for continuing a stream that broke after its first words."
    )
    yield f"- Measured on {results.machine}, both in one run, {AT_ONCE} calls at a time."
    yield ""


def _summary(results: Results) -> Iterator[str]:
    counts = [Counter(each.outcome for each in column) for column in _columns(results)]
    rows = [
        (f"**{name}**" if name in _BAD else name, *(str(count[name]) for count in counts))
        for name in get_args(Outcome)
        if any(count[name] for count in counts)
    ]
    yield from _rows(("outcome", "Second Basket", "LiteLLM"), rows)
    yield ""
    told = [
        (
            f"{sum(each.first_calls + each.second_calls for each in column)}",
            f"{max(each.first_calls for each in column)}",
            f"{statistics.median(each.seen.seconds for each in column):.2f} s",
            f"{max(each.seen.seconds for each in column):.1f} s",
            f"{sum(each.left_open for each in column)}",
        )
        for column in _columns(results)
    ]
    heads = (
        "calls that reached an upstream, all rows",
        "most calls to the failing upstream in one row",
        "time of a row, median",
        "time of a row, longest",
        "calls still open at an upstream 5 s after every client had gone",
    )
    yield from _rows(
        ("", "Second Basket", "LiteLLM"),
        ((head, *each) for head, each in zip(heads, zip(*told, strict=True), strict=True)),
    )
    yield ""


def _columns(results: Results) -> tuple[list[Measured], list[Measured]]:
    return results.ours, results.theirs


def _legend(results: Results) -> Iterator[str]:
    yield (
        "Each cell: what the client got, the status where it was an error, calls to the first +"
        " second upstream, seconds. In bold what no client can tell from a good answer, or waits"
        f" for in vain (more than {results.patience:g} s). The token counts that the client was"
        " told stand there where they are not those of one whole answer (7 read, 60 written; 6"
        " for embeddings). Of an answer that was continued they are both parts: the second"
        " upstream read what the first had written."
    )
    yield ""
    yield (
        "Three rows need a word. *Duplicate chunk*: a frame has no number on either wire, and a"
        " model may well say the same word twice, so no gateway can tell; ours hands on what was"
        " sent. *Rejects*: ours asks nobody else after a 400, because a call that one provider"
        " holds to be at fault is not carried to the next; LiteLLM is built to try its fallback."
        " *Declines*: what a provider's filter refused is not asked elsewhere by either."
    )
    yield ""


def _cell(each: Measured) -> str:
    seen = each.seen
    what = f"**{each.outcome}**" if each.outcome in _BAD else each.outcome
    if seen.ending == "error status":
        what += f" {seen.status}"
    elif seen.ending == "error event":
        what += " in the stream" if seen.text else f" in a {seen.status}"
    elif seen.ending == "cut off":
        what += " (connection broken off)"
    told = [what, f"{each.first_calls} + {each.second_calls}", f"{seen.seconds:.1f} s"]
    if seen.ending == "clean" and seen.usage not in _TRUE_COUNTS:
        told.append("no counts" if seen.usage is None else _counts(*seen.usage))
    return "; ".join(told)


def _counts(read: int, written: int) -> str:
    return f"told {read:,} read, {written:,} written"


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
