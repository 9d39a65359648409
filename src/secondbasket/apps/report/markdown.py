"""The morning report as Markdown: for mail, and for whoever reads in a terminal."""

import re
from collections.abc import Iterator, Sequence

from secondbasket.core.money import format_nano
from secondbasket.core.report import Line, MorningReport

_LONGEST = 300
# What Markdown, or HTML in it, would take for more than letters.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def markdown(report: MorningReport) -> str:
    """The whole report; what people, models and tools wrote stands in it as plain letters."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: MorningReport) -> Iterator[str]:
    yield "# Morning report"
    yield ""
    yield f"{_minute(report.since)} to {_minute(report.until)} (UTC)"
    yield ""
    money = format_nano(report.cost, report.currency)
    tokens = f"{report.input_tokens} tokens in, {report.output_tokens} out"
    yield f"{len(report.done)} done, {len(report.failed)} not done, {report.minutes:g} minutes"
    yield f"of work, {tokens}, {money}."
    yield from _section("Waits for you", [_approval(report), _uncertain(report)])
    yield from _section("Done", [_tasks(report, report.done)])
    yield from _section("Not done", [_tasks(report, report.failed)])
    yield from _section("Comes next", [_next(report)])


def _section(title: str, parts: list[Iterator[str]]) -> Iterator[str]:
    lines = [line for part in parts for line in part]
    yield ""
    yield f"## {title}"
    yield ""
    yield from lines or ["Nothing."]


def _approval(report: MorningReport) -> Iterator[str]:
    for each in report.waiting:
        yield f"- {_plain(each.worker)} wants to call {_plain(each.tool)} with"
        yield f"  {_plain(each.arguments)} ({_plain(each.why)})."
        yield f"  `basket task approve {each.id}` or `basket task reject {each.id}`"


def _uncertain(report: MorningReport) -> Iterator[str]:
    for each in report.uncertain:
        yield f"- Nobody knows whether {_plain(each.tool)} happened: {_plain(each.outcome)}."
        yield f"  `basket task settle {each.key} --happened` or `--did-not`"


def _tasks(report: MorningReport, lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        task = line.task
        money = format_nano(task.cost, report.currency)
        yield f"- {_plain(task.text)} ({_plain(task.worker)}, {line.minutes:g} min, {money})"
        if task.reason:
            yield f"  {_plain(task.state)}: {_plain(task.reason)}"
        if line.changed:
            yield f"  did: {', '.join(map(_plain, line.changed))}"
        for path in line.deliverables:
            yield f"  {_plain(path)}"


def _next(report: MorningReport) -> Iterator[str]:
    for task in report.next:
        why = f": {_plain(task.reason)}" if task.reason else ""
        yield f"- {_plain(task.text)} ({_plain(task.worker)}, {task.state}{why})"


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _plain(text: str) -> str:
    line = " ".join(text.split())
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}…"
    return _SPECIAL.sub(r"\\\1", line)
