"""The figures as a page people read: docs/bench.md, and the short table of the README."""

import re
import statistics
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from bench import detectors, engine, failover, gateway, journal, memory, retrieval, routing, start
from bench.machine import Machine
from tools.locks import ROOT

RESULTS = ROOT / "bench" / "results"
_BEGIN, _END = "<!-- bench: written by make bench -->", "<!-- /bench -->"


Figures = (
    engine.Result
    | gateway.Result
    | routing.Result
    | failover.Result
    | start.Result
    | journal.Result
    | detectors.Result
    | memory.Result
    | retrieval.Result
)
T = TypeVar("T")


class Measured(msgspec.Struct, Generic[T], frozen=True):
    """The figures of one part, and where and when they were taken."""

    machine: Machine
    figures: T


def _read(name: str, kind: type[T]) -> Measured[T] | None:
    """The newest figures of a part; None when it was never measured."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=Measured[kind])  # type: ignore[valid-type]


def _spread(values: Iterable[float], digits: int = 0) -> str:
    """The median, and the least and greatest: '812 (790 to 820)'; a dash where there is none."""
    sorted_values = sorted(values)
    if not sorted_values:
        return "–"
    middle = statistics.median(sorted_values)
    return (
        f"{middle:,.{digits}f} ({sorted_values[0]:,.{digits}f} to {sorted_values[-1]:,.{digits}f})"
    )


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _engine(result: engine.Result) -> str:
    rows = []
    for streams in engine.STREAMS:
        alone = result.cell("engine alone", streams, "tokens_per_second")
        through = result.cell("through the gateway", streams, "tokens_per_second")
        # Each turn has a partner that ran seconds before it: ratios of pairs cancel the weather.
        ratio = statistics.median(b / a for a, b in zip(alone, through, strict=True))
        rows.append(
            (
                str(streams),
                _spread(alone, 1),
                _spread(through, 1),
                f"{ratio:.3f}",
                _spread(result.cell("engine alone", streams, "first_token_ms")),
                _spread(result.cell("through the gateway", streams, "first_token_ms")),
            )
        )
    head = (
        *("streams", "engine alone, tokens/s", "through the gateway", "ratio"),
        *("first token alone, ms", "through"),
    )
    return (
        "## The engine, alone and through the gateway\n"
        f"{engine.MODEL}, {engine.TOKENS} tokens an answer, {result.engine}."
        " Target: a ratio of 0.97 or more at 8 streams.\n\n" + _rows(head, rows)
    )


def _gateway(result: gateway.Result) -> str:
    sections = []
    for mode in gateway.MODES:
        rows = [
            (
                str(connections),
                target,
                _spread(result.cell(target, mode, connections, "per_second")),
                _spread(result.cell(target, mode, connections, "p50_ms"), 2),
                _spread(result.cell(target, mode, connections, "p99_ms"), 2),
            )
            for connections in gateway.CONNECTIONS
            for target in ("direct", "second basket", "litellm")
        ]
        head = ("connections", "target", "requests/s", "p50, ms", "p99, ms")
        sections.append(f"### {mode.capitalize()} answers\n\n{_rows(head, rows)}")
    first = _rows(
        ("target", "first token p50, ms", "p99, ms"),
        (
            (
                target,
                _spread((turn.p50_ms for turn in turns), 2),
                _spread((turn.p99_ms for turn in turns), 2),
            )
            for target, turns in result.first_tokens.items()
        ),
    )
    weight = _rows(
        ("target", "resident at rest, MiB", "after the load, MiB"),
        (
            (name, f"{idle:.0f}", f"{result.loaded_mib[name]:.0f}")
            for name, idle in result.idle_mib.items()
        ),
    )
    return (
        "## The gateway against LiteLLM's proxy\n"
        "One worker each in front of one mock upstream that answers at once; `direct` is the mock"
        " itself. Second Basket checks a key, reserves and settles a budget and writes a ledger"
        f" row for each call; LiteLLM {result.litellm} checks its master key and has no database."
        "\n\n"
        + "\n".join(sections)
        + "\n### Time to first token, one stream at a time\n\n"
        + first
        + "\n### Memory of the gateway's process\n\n"
        + weight
    )


def _start(result: start.Result) -> str:
    rows = [
        ("`basket up` to ready, files not in the page cache", _spread(result.cold_s, 2) + " s", ""),
        ("`basket up` to ready, warm", _spread(result.warm_s, 2) + " s", "5 s"),
        ("`basket --help`", _spread(result.help_s, 2) + " s", "0.3 s"),
        ("gateway process at rest", f"{result.gateway_mib:.0f} MiB", "120 MB"),
        *(
            (f"engine process: {name}", f"{mib:.0f} MiB", "")
            for name, mib in result.engines_mib.items()
        ),
    ]
    return "## Start and weight\n\n" + _rows(("what", "measured", "target"), rows)


def _journal(result: journal.Result) -> str:
    rows = (
        (
            name,
            _spread(result.append_us[name], 1),
            _spread(load.per_second for load in result.gateway[name]),
            _spread((load.p50_ms for load in result.gateway[name]), 2),
        )
        for name in journal.MODES
    )
    head = ("receipts survive", "one append, µs", "requests/s at 16 connections", "p50, ms")
    return "## What a durable receipt costs\n\n" + _rows(head, rows)


def _routing(result: routing.Result) -> str:
    rows = [(name, _spread(found, 1)) for name, found in result.choosing_us.items()]
    return (
        "## Choosing who answers\n"
        "Policy, order, breaker, retry budget and reservation over four upstreams, the account of"
        " the call included; no network.\n\n" + _rows(("routing", "µs a call"), rows)
    )


def _routing_figures(result: routing.Result) -> list[tuple[str, str, str]]:
    worst = max(statistics.median(found) for found in result.choosing_us.values())
    return [("policy, routing and breaker, a call", f"{worst / 1000:.3f} ms", "≤ 0.15 ms")]


def _failover(result: failover.Result) -> str:
    rows = [
        (
            what,
            mode,
            str(sum(run.requests for run in runs)),
            str(sum(run.failed for run in runs)),
            _spread(run.switched for run in runs),
            _spread(run.continued for run in runs),
            _spread((run.switch_ms_p50 for run in runs), 1),
            _spread((run.switch_ms_p95 for run in runs), 1),
            _spread(run.refused for run in runs),
            _spread((each for each in refused if each is not None), 1),
        )
        for what, modes in (("killed", result.killed), ("stalled", result.stalled))
        for mode, runs in modes.items()
        for refused in [[run.refused_ms_p95 for run in runs]]
    ]
    head = (
        *("first upstream", "answers", "requests", "failed", "switched a run", "continued"),
        *("switch p50, ms", "p95, ms", "refused a run", "switch p95 of those, ms"),
    )
    return (
        "## One of two upstreams dies under load\n"
        f"{failover.IN_FLIGHT} calls in flight; one upstream is killed with SIGKILL midway, or"
        f" takes calls and answers none (its time-out is {failover.STALL_SECONDS * 1000:.0f} ms)."
        " A switch is the time from asking the failing upstream, or from its death where that was"
        " later, to asking the next. Refused: asked after its death.\n\n" + _rows(head, rows)
    )


def _failover_figures(result: failover.Result) -> list[tuple[str, str, str]]:
    killed = [run for runs in result.killed.values() for run in runs]
    stalled = [run for runs in result.stalled.values() for run in runs]
    beyond = statistics.median(run.switch_ms_p95 for run in stalled) - failover.STALL_SECONDS * 1000
    refused = [run.refused_ms_p95 for run in killed if run.refused_ms_p95 is not None]
    return [
        (
            "calls failed when one of two upstreams was killed, 64 in flight",
            f"{sum(run.failed for run in killed)} of {sum(run.requests for run in killed):,}",
            "0",
        ),
        (
            "switch from a refused connection, p95",
            f"{statistics.median(refused):.1f} ms" if refused else "none was refused",
            "≤ 20 ms",
        ),
        (
            "switch from a killed upstream, 64 calls at once, p95",
            f"{statistics.median(run.switch_ms_p95 for run in killed):.1f} ms",
            "",
        ),
        ("switch from a stalled upstream, beyond its time-out", f"{beyond:.0f} ms", "≤ 50 ms"),
    ]


def _detectors(result: detectors.Result) -> str:
    looks = _rows(
        ("text", *(f"{size}, ms" for size in detectors.SIZES)),
        (
            (text, *(_spread(rounds[size], 2) for size in detectors.SIZES))
            for text, rounds in result.look_ms.items()
        ),
    )
    calls = _rows(
        ("question", "gateway", "requests/s", "p50, ms", "p99, ms"),
        (
            (
                question,
                mode,
                _spread(load.per_second for load in loads),
                _spread((load.p50_ms for load in loads), 2),
                _spread((load.p99_ms for load in loads), 2),
            )
            for question, modes in result.gateway.items()
            for mode, loads in modes.items()
        ),
    )
    return (
        "## What looking into texts costs\n"
        "All detectors over one text; targets: 1 ms for 4 kB, 8 ms for 100 kB. While a thread looks"
        " into 100 kB, the event loop beside it stands still for at most"
        f" {_spread(result.held_ms, 1)} ms.\n\n{looks}\n"
        f"Whole calls at {detectors.CONNECTIONS} connections, keyed and metered:\n\n{calls}"
    )


def _detector_figures(result: detectors.Result) -> list[tuple[str, str, str]]:
    targets = {"4 kB": "≤ 1 ms", "100 kB": "≤ 8 ms"}
    worst = {
        size: max(statistics.median(rounds[size]) for rounds in result.look_ms.values())
        for size in targets
    }
    return [
        (f"detectors, {size} of the slowest text", f"{worst[size]:.2f} ms", target)
        for size, target in targets.items()
    ]


def _memory(result: memory.Result) -> str:
    rows = _rows(
        (
            *(
                "phrases, compared by",
                "present",
                "junk",
                "duplicates",
                "two in one",
                "of tellings lost",
            ),
            *("superseded, stale", "erased, found", "remember p50, ms", "recall p50, ms"),
        ),
        (
            (
                name,
                str(each.present),
                str(each.junk),
                str(each.duplicates),
                str(each.mixed),
                f"{each.lost} of {each.told}",
                f"{each.superseded}, {each.stale}",
                f"{each.erased}, {each.found}",
                f"{each.remember_ms:.1f}",
                f"{each.recall_ms:.1f}",
            )
            for name, each in result.outcomes.items()
        ),
    )
    events = next(iter(result.outcomes.values())).events
    return (
        "## Memory after a month\n"
        f"A scripted month of {events:,} events: facts, changes, repeats in other words, courtesy,"
        " chatter, secrets, corrections and erasures.\n\n" + rows
    )


def _memory_figures(result: memory.Result) -> list[tuple[str, str, str]]:
    outcome = result.outcomes[memory.UNSEEN_BY_BOTH]
    return [
        ("memory: junk and duplicates after a month", f"{outcome.unclean:.1%}", "≤ 5 %"),
        (
            "memory: facts that answer with a past value",
            f"{outcome.stale} of {outcome.lines}",
            "0",
        ),
        ("memory: erased and still found", f"{outcome.found} of {outcome.erased}", "0"),
    ]


def _retrieval(result: retrieval.Result) -> str:
    found = _rows(
        ("ranked by", f"an answer among the first {retrieval.FIRST}"),
        ((way, f"{result.recall[way]:.3f}") for way in retrieval.WAYS),
    )
    times = _rows(
        (f"search over {retrieval.MANY:,} passages", "median, ms", "p95, ms"),
        (
            (way, f"{statistics.median(taken):.1f}", f"{retrieval.p95(taken):.1f}")
            for way, taken in (
                ("words and meaning", result.search_ms),
                ("words alone", result.words_ms),
            )
        ),
    )
    return (
        "## Finding passages\n"
        f"{result.source}: {result.questions:,} questions over {result.documents:,} documents"
        f" ({result.passages:,} passages). Chosen before anything was tuned; see"
        f" [the design note](../design/documents.md).\n\n{found}\n"
        f"The vector of the question is part of the time. The first search, which reads the vectors"
        f" from the database, took {result.first_s:.1f} s.\n\n{times}"
    )


def _retrieval_figures(result: retrieval.Result) -> list[tuple[str, str, str]]:
    words, both = (result.recall[way] for way in retrieval.WAYS)
    return [
        (
            f"keyword search's gap in recall@{retrieval.FIRST} that hybrid search closes",
            f"{result.closed:.0%} ({words:.3f} → {both:.3f})",
            "≥ 30 %",
        ),
        (
            f"search over {retrieval.MANY:,} passages, median",
            f"{statistics.median(result.search_ms):.0f} ms",
            "≤ 50 ms",
        ),
    ]


def _engine_ratio(result: engine.Result) -> list[tuple[str, str, str]]:
    alone = result.cell("engine alone", 8, "tokens_per_second")
    through = result.cell("through the gateway", 8, "tokens_per_second")
    ratio = statistics.median(b / a for a, b in zip(alone, through, strict=True))
    what = "tokens/s through the gateway ÷ engine alone, 8 streams"
    return [(what, f"{ratio:.3f}", "≥ 0.97")]


def gateway_ratios(result: gateway.Result) -> list[tuple[str, str, str]]:
    first = {
        name: statistics.median(turn.p50_ms for turn in turns)
        for name, turns in result.first_tokens.items()
    }
    ours = result.median("second basket", "plain", 16, "per_second")
    theirs = result.median("litellm", "plain", 16, "per_second")
    added = {
        figure: result.median("second basket", "plain", 1, figure)
        - result.median("direct", "plain", 1, figure)
        for figure in ("p50_ms", "p99_ms")
    }
    return [
        (
            "added time to first token",
            f"{first['second basket'] - first['direct']:.2f} ms",
            "≤ 2 ms",
        ),
        (
            "requests/s ÷ LiteLLM's, 16 connections, keyed and metered",
            f"{ours / theirs:.0f} ({ours:,.0f} against {theirs:,.0f})",
            "≥ 40",
        ),
        ("added p50, 1 connection", f"{added['p50_ms']:.2f} ms", "≤ 0.8 ms"),
        ("added p99, 1 connection", f"{added['p99_ms']:.2f} ms", "≤ 2 ms"),
    ]


def _start_figures(result: start.Result) -> list[tuple[str, str, str]]:
    ready, asked = statistics.median(result.warm_s), statistics.median(result.help_s)
    return [
        ("`basket up` to ready, model in the store", f"{ready:.1f} s", "≤ 5 s"),
        ("gateway process at rest", f"{result.gateway_mib:.0f} MiB", "≤ 120 MB"),
        ("`basket --help`", f"{asked:.2f} s", "≤ 0.3 s"),
    ]


def write() -> None:
    """docs/bench.md whole, and the README's table between its marks."""
    sections: list[str] = []
    promised: list[tuple[str, str, str]] = []
    machines: dict[str, None] = {}

    def add(
        part: Measured[T] | None,
        describe: Callable[[T], str],
        summarise: Callable[[T], list[tuple[str, str, str]]],
    ) -> None:
        if part is not None:
            machines[str(part.machine)] = None
            promised.extend(summarise(part.figures))
            sections.append(f"{describe(part.figures)}\nMeasured on {part.machine}.\n")

    add(_read("engine", engine.Result), _engine, _engine_ratio)
    add(_read("gateway", gateway.Result), _gateway, gateway_ratios)
    add(_read("routing", routing.Result), _routing, _routing_figures)
    add(_read("failover", failover.Result), _failover, _failover_figures)
    add(_read("start", start.Result), _start, _start_figures)
    add(_read("detectors", detectors.Result), _detectors, _detector_figures)
    add(_read("retrieval", retrieval.Result), _retrieval, _retrieval_figures)
    add(_read("journal", journal.Result), _journal, lambda _: [])
    add(_read("memory", memory.Result), _memory, _memory_figures)

    summary = _rows(("what", "measured", "target"), promised)
    intro = (
        "# Bench\n\n"
        "Written by `make bench`; the raw figures are in `bench/results/`. What is compared ran in"
        " alternating turns within one run; each figure is the median of its turns, with the least"
        " and greatest in brackets.\n\n## What was promised\n\n" + summary
    )
    (ROOT / "docs" / "bench.md").write_text("\n".join([intro, *sections]))
    readme = ROOT / "README.md"
    measured_on = "".join(f"Measured on {machine}.\n" for machine in machines)
    table = f"{_BEGIN}\n\n{summary}\n{measured_on}\n{_END}"
    marked = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    readme.write_text(marked.sub(lambda _: table, readme.read_text()))
