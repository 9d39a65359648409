"""`basket drill`: take something away, see what still answers, give it back."""

from contextlib import aclosing
from typing import Any

import anyio
import click
import msgspec

from secondbasket.cli.connection import Connection, call, connect
from secondbasket.cli.drill_progress import DrillProgress
from secondbasket.cli.output import emit, json_option, moment, printable, table
from secondbasket.core.drill import DrillPlan, DrillReport, DrillRow, UpstreamPart
from secondbasket.core.money import format_nano
from secondbasket.errors import BasketError, UpstreamBroken


class TargetMissed(BasketError):
    """Fewer requests were answered than the drill was to show."""

    code = "target_missed"


@click.group(invoke_without_command=True)
@click.option(
    "--cut",
    "cuts",
    multiple=True,
    metavar="KIND:NAME",
    help="Take this away: law:US, vendor:NAME, provider:NAME, operator:NAME, location:DE,"
    " engine:NAME or upstream:NAME. May be given more than once.",
)
@click.option("--basket", metavar="NAME", help="The basket to drill. Default: the chat model's.")
@click.option(
    "--seconds", type=click.FloatRange(1, 3600), default=20.0, show_default=True, help="How long."
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 200),
    default=1.0,
    show_default=True,
    help="Requests a second that the drill sends. With --live, 0 sends none.",
)
@click.option(
    "--target",
    type=click.FloatRange(0, 100),
    default=100.0,
    show_default=True,
    metavar="PERCENT",
    help="Least share of answered requests; below it the exit status is 1.",
)
@click.option(
    "--data-class",
    default="public",
    show_default=True,
    metavar="CLASS",
    help="The least class that the drill's requests have.",
)
@click.option("--live", is_flag=True, help="Cut everybody's traffic, and kill engines.")
@click.option("--yes", is_flag=True, help="Do not ask before a live drill.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    cuts: tuple[str, ...],
    basket: str | None,
    seconds: float,
    rate: float,
    target: float,
    data_class: str,
    live: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take a law, vendor or engine away, and see what still answers.

    A drill sends requests of its own, cuts what is named for these alone, gives it back, and
    leaves a signed report in the home. With --live it cuts the requests of everybody.
    """
    if context.invoked_subcommand is not None:
        return
    if not cuts:
        raise click.UsageError("Name what to take away: --cut law:US, --cut engine:llamacpp …")
    if live and not yes:
        click.confirm(
            f"Cut {', '.join(cuts)} for everybody, for {seconds / 2:g} s?", abort=True, err=True
        )
    plan = DrillPlan(
        cuts=cuts,
        basket=basket or "",
        seconds=seconds,
        rate=rate,
        target=target,
        live=live,
        data_class=data_class,
    )
    document = anyio.run(_run, plan)
    report = msgspec.convert(document, DrillReport)
    if as_json:
        emit(document)
    else:
        _show(report)
    if not report.passed:
        raise TargetMissed(
            f"{_percent(report.answered_percent)} of the requests were answered; the target is"
            f" {_percent(report.target_percent)}.",
            hint=f"{report.page} shows which, and when.",
        )


async def _run(plan: DrillPlan) -> dict[str, Any]:
    async with connect(engines=True) as server:
        with DrillProgress(plan) as progress:
            return await _followed(server, plan, progress)


async def _followed(server: Connection, plan: DrillPlan, progress: DrillProgress) -> dict[str, Any]:
    async with aclosing(server.follow("drills", plan)) as steps:
        async for step in steps:
            if step.report is not None:
                return step.report
            if step.drill is not None:
                progress.show(step.drill)
    raise UpstreamBroken("The server ended in the middle of the drill.")


@command.command(name="list")
@click.option("--rows", type=click.IntRange(1, 10_000), default=50, help="The latest N only.")
@json_option
def listing(rows: int, as_json: bool) -> None:
    """List the drills that the ledger knows, the latest first."""
    drills = call(lambda server: server.get("drills", list[DrillRow], limit=str(rows)))
    if as_json:
        emit(drills)
    elif not drills:
        click.echo("No drill was run yet; begin with: basket drill --cut engine:llamacpp")
    else:
        table(
            ("DRILL", "WHEN", "BASKET", "CUT", "OUTCOME", "ANSWERED", "SWITCH P95"),
            [
                (
                    each.drill,
                    moment(each.at),
                    each.basket,
                    ", ".join(each.cuts) + " (live)" * each.live,
                    each.outcome.replace("_", " "),
                    _percent(each.answered_percent),
                    _ms(each.switch_ms_p95),
                )
                for each in drills
            ],
            right=(5, 6),
        )


@command.command()
@click.argument("drill", metavar="ID")
@json_option
def show(drill: str, as_json: bool) -> None:
    """Show the report of a drill."""
    document = call(lambda server: server.get(f"drills/{drill}", dict[str, Any]))
    if as_json:
        emit(document)
    else:
        _show(msgspec.convert(document, DrillReport))


def _show(report: DrillReport) -> None:
    for label, value in _lines(report):
        click.echo(f"{click.style(label.ljust(14), bold=True)} {printable(value)}")


def _lines(report: DrillReport) -> list[tuple[str, str]]:
    """(label, value) of what a person asks of a drill."""
    verdict = "passed" if report.passed else "NOT PASSED"
    refused = f", {report.refused_by_policy} refused by policy" * bool(report.refused_by_policy)
    failed = f", {report.failed} failed" * bool(report.failed)
    codes = "; ".join(f"{code}: {count}" for code, count in report.errors.items())
    return [
        ("Drill", f"{report.id}{' (live)' * report.live}"),
        ("Basket", report.basket),
        ("Cut", ", ".join(report.cuts)),
        (
            "Answered",
            (
                f"{_percent(report.answered_percent)} of {report.requests}, target"
                f" {_percent(report.target_percent)}: {verdict}{refused}{failed}"
            ),
        ),
        *([("Errors", codes)] if codes else []),
        ("During the cut", f"{_percent(report.answered_percent_cut)} answered"),
        (
            "Switch time",
            (
                f"{_ms(report.switch_ms_p50)} (p50), {_ms(report.switch_ms_p95)} (p95), of"
                f" {report.switches}"
            ),
        ),
        ("Streams", f"{report.streams_continued} continued, {report.streams_broken} broken"),
        *((f"By {part.upstream}", _part(part)) for part in report.upstreams),
        ("Cost", _cost(report)),
        ("Parity", report.parity.note or f"{report.parity.score} → {report.parity.score_cut}"),
        (
            "Would stop",
            "; ".join(
                f"{each.basket} ({', '.join(each.data_classes)} data)"
                for each in report.would_have_stopped
            )
            or "nothing",
        ),
        ("Report", report.report),
        ("Page", report.page),
    ]


def _part(part: UpstreamPart) -> str:
    told = f"asked {part.asked} times, answered {part.answered}"
    return f"{told}{' (cut)' * part.cut}; law {part.law or '-'}, vendor {part.vendor or '-'}"


def _cost(report: DrillReport) -> str:
    cost = report.cost
    told = f"{format_nano(cost.total, cost.currency)} for this drill"
    if cost.difference_percent is None:
        return told
    return f"{told}; an answer during the cut costs {cost.difference_percent:+g} %"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:g} %"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
