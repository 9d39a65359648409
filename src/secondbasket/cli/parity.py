"""`basket parity`: are the upstreams of a basket equally good at the work?"""

from contextlib import aclosing
from pathlib import Path

import anyio
import click

from secondbasket.cli.cases_progress import CasesProgress
from secondbasket.cli.connection import call, connect
from secondbasket.cli.output import emit, json_option, moment, note, printable, table
from secondbasket.core.data_class import DataClass
from secondbasket.core.money import format_nano
from secondbasket.errors import InvalidRequest, NotFound, UpstreamBroken
from secondbasket.maas.parity.checks import Kind
from secondbasket.maas.parity.evals import MOST_BYTES, too_large
from secondbasket.maas.parity.orders import ParityOrder
from secondbasket.maas.parity.results import CaseResult, ParityRun, UpstreamParity

_verbose = click.option("--verbose", "-v", is_flag=True, help="Show where the upstreams differ.")
_MARKS = {"passed": "+", "failed": "-", "error": "?", "not allowed": "x"}
_COLOURS = {"+": "green", "-": "red", "?": "yellow", "x": "yellow"}


@click.group()
def command() -> None:
    """Measure whether the upstreams of a basket are equally good.

    A basket with a parity_floor asks an upstream last that is below it, or was not measured within
    parity_max_age_days.
    """


@command.command()
@click.argument("basket")
@click.option(
    "--evals",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Ask the cases of this file in place of the basket's own.",
)
@click.option("--upstream", metavar="NAME", help="Measure this upstream only.")
@click.option("--judge", metavar="BASKET", help="Have this basket grade the cases for a judge.")
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass]),
    help="The least class that the cases count as; policy may then forbid upstreams.",
)
@_verbose
@json_option
def run(
    basket: str,
    evals: Path | None,
    upstream: str | None,
    judge: str | None,
    data_class: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Ask every case of every upstream of BASKET, and show the scores side by side.

    The calls go through the gateway as any others: policy is asked, they cost money, and they have
    receipts, under a key named "parity".
    """
    order = ParityOrder(
        basket=basket,
        upstream=upstream,
        evals=None if evals is None else _read(evals),
        evals_name="" if evals is None else str(evals),
        judge=judge,
        data_class=data_class,
    )
    done = anyio.run(_run, order)
    if as_json:
        emit(done)
    else:
        _show(done, verbose=verbose)


async def _run(order: ParityOrder) -> ParityRun:
    with CasesProgress() as progress:
        async with (
            connect(engines=True) as server,
            aclosing(server.follow("parity", order)) as steps,
        ):
            async for step in steps:
                if step.parity is not None:
                    return step.parity
                if step.asked is not None:
                    progress.show(step.asked)
    raise UpstreamBroken("The server ended in the middle of its answer.")


@command.command(name="list")
@click.argument("basket", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many, at most.")
@json_option
def listing(basket: str | None, limit: int, as_json: bool) -> None:
    """List the latest runs, of one basket or of all."""
    runs = call(
        lambda server: server.get("parity", list[ParityRun], basket=basket, limit=str(limit))
    )
    if as_json:
        emit(runs)
    elif not runs:
        click.echo("Nothing was measured yet; `basket parity run BASKET` does.")
    else:
        table(
            ("RUN", "WHEN", "BASKET", "EVALS", "UPSTREAM", "SCORE", "COST"),
            [
                (
                    run.id,
                    moment(run.at),
                    run.basket,
                    run.evals,
                    each.upstream,
                    _score(each),
                    format_nano(each.cost, run.currency),
                )
                for run in runs
                for each in run.upstreams
            ],
            right=(5, 6),
        )


@command.command()
@click.argument("run_id", metavar="RUN|BASKET")
@_verbose
@json_option
def show(run_id: str, verbose: bool, as_json: bool) -> None:
    """Show one run, or the latest of a basket. What was answered is not kept."""

    found = anyio.run(_find, run_id)
    if as_json:
        emit(found)
    else:
        _show(found, verbose=verbose)


async def _find(name: str) -> ParityRun:
    async with connect() as server:
        if not name.startswith("parity_"):
            runs = await server.get("parity", list[ParityRun], basket=name, limit="1")
            if not runs:
                raise NotFound(
                    f"No parity of '{name[:100]}' was measured yet.",
                    hint=f"Run: basket parity run {printable(name[:100])}",
                )
            name = runs[0].id
        return await server.get(f"parity/{name}", ParityRun)


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise too_large(str(path), size)
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise InvalidRequest(
            f"{path} cannot be read: {exc.strerror}.", hint="Give a file of cases, one a line."
        ) from exc
    except UnicodeDecodeError as exc:
        raise InvalidRequest(f"{path} is not UTF-8 text: {exc}.") from exc


def _show(run: ParityRun, *, verbose: bool) -> None:
    kinds = list(dict.fromkeys(kind.kind for each in run.upstreams for kind in each.kinds))
    click.echo(
        printable(
            f"{run.basket}, {moment(run.at)} UTC, {run.evals} ({run.evals_digest[:19]})"
            + (f", judged by {run.judge}" if run.judge else "")
        )
    )
    table(
        (
            "UPSTREAM",
            "SCORE",
            "95 %",
            *(k.replace("_", " ").upper() for k in kinds),
            "FIRST TOKEN",
            "ANSWER",
            "COST",
            "COUNTS",
        ),
        [
            (
                each.upstream,
                _score(each),
                "" if each.low is None else f"{each.low:.2f}-{each.high:.2f}",
                *_by_kind(each, kinds),
                _milliseconds(each.first_token_ms_p50),
                _milliseconds(each.duration_ms_p50),
                format_nano(each.cost, run.currency),
                _counts(run, each),
            )
            for each in run.upstreams
        ],
        right=range(1, len(kinds) + 6),
    )
    if verbose:
        _show_differences(run)
    note(f"{run.id}: {format_nano(run.cost, run.currency)} for all of it.")


def _score(each: UpstreamParity) -> str:
    return each.state if each.score is None else f"{each.score:.2f} ({each.passed}/{each.total})"


def _by_kind(each: UpstreamParity, kinds: list[Kind]) -> list[str]:
    scores = {score.kind: f"{score.passed}/{score.total}" for score in each.kinds}
    return [scores.get(kind, "") for kind in kinds]


def _counts(run: ParityRun, each: UpstreamParity) -> str:
    if each.state != "measured":
        return f"no: {each.reason}"
    if run.floor is None:
        return "no floor set"
    return "yes" if each.unproven is None else f"no: {each.unproven}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"


def _show_differences(run: ParityRun) -> None:
    """Cases that went otherwise on one upstream than on another, or went wrong everywhere."""
    asked = [each for each in run.upstreams if each.cases]
    for position, each in enumerate(asked, start=1):
        click.echo(f"{position}  {printable(each.upstream)}")
    for line in sorted({case.line for each in asked for case in each.cases}):
        row = [_case(each, line) for each in asked]
        known = [case for case in row if case is not None]
        if all(case.outcome == "passed" for case in known):
            continue
        marks = "".join(_mark(case) for case in row)
        click.echo(f"{marks}  {printable(known[0].id)} (line {line}, {known[0].kind})")
        for position, case in enumerate(row, start=1):
            if case is not None and case.outcome != "passed":
                answer = f": {case.answer.strip()[:200]!r}" if case.answer else ""
                click.echo(
                    f"    {position} {case.outcome}, {printable(case.why)}{printable(answer)}"
                )


def _case(upstream: UpstreamParity, line: int) -> CaseResult | None:
    return next((case for case in upstream.cases if case.line == line), None)


def _mark(case: CaseResult | None) -> str:
    mark = " " if case is None else _MARKS[case.outcome]
    return click.style(mark, fg=_COLOURS.get(mark))
