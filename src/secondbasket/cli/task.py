"""`basket task`: hand work over, follow it, answer it, and read what came of it."""

import time
from pathlib import Path
from typing import Any

import anyio
import click

from secondbasket.cli.connection import Connection, call
from secondbasket.cli.output import emit, json_option, moment, note, printable, seconds, table
from secondbasket.core.money import format_nano
from secondbasket.core.task import (
    ENDED,
    Approval,
    Called,
    Effect,
    LoggedEntry,
    Order,
    Planned,
    Task,
)
from secondbasket.core.worker import MoreLimits
from secondbasket.errors import BasketError
from secondbasket.server.admin.words import (
    Answer,
    Judgement,
    Rework,
    Settlement,
    Status,
    Switch,
    TaskOrder,
    TaskShown,
)

_LOOK_SECONDS = 0.3
_SHOWN = 200


class NotDone(BasketError):
    """A task that was waited for came to another end than done, or to none."""

    code = "task_not_done"


@click.group()
def command() -> None:
    """Delegate work, follow it, approve it, and read what came of it."""


@command.command()
@click.argument("text")
@click.option("--worker", "-w", required=True, help="Who does it; `basket worker list` shows all.")
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file to hand over, or a folder for all in it. May be given more than once.",
)
@click.option("--priority", type=int, default=0, show_default=True, help="Higher goes first.")
@click.option("--deadline", default="", metavar="MOMENT", help="In RFC 3339; then it fails.")
@click.option("--after", multiple=True, metavar="TASK", help="Begin once that task is done.")
@click.option("--data-class", default="public", show_default=True, help="The least class it has.")
@click.option(
    "--baseline",
    type=click.FloatRange(0),
    metavar="MINUTES",
    help="How long a person takes for it, for the reckoning of its worth.",
)
@json_option
def add(
    text: str,
    worker: str,
    files: tuple[Path, ...],
    priority: int,
    deadline: str,
    after: tuple[str, ...],
    data_class: str,
    baseline: float | None,
    as_json: bool,
) -> None:
    """Hand over a task. It begins at once where a server runs."""
    order = Order(
        text=text,
        worker=worker,
        priority=priority,
        deadline=deadline,
        after=after,
        data_class=data_class,
        baseline_minutes=baseline,
    )
    given = TaskOrder(order=order, files=_named(files))

    async def ask(server: Connection) -> tuple[Task, Status]:
        return await server.post("tasks", Task, given), await server.status()

    task, status = call(ask)
    if as_json:
        emit(task)
        return
    click.echo(task.id)
    if status.address:
        note(f"Follow it with: basket task follow {task.id}")
    else:
        note("No server runs: it begins once `basket up` does.")


@command.command("list")
@click.option("--worker", "-w", default="", help="Only this worker's.")
@click.option("--state", multiple=True, help="Only these: queued, working, waiting, parked, done …")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most."
)
@json_option
def listing(worker: str, state: tuple[str, ...], limit: int, as_json: bool) -> None:
    """The latest tasks, newest first."""
    found = call(
        lambda server: server.get(
            "tasks", list[Task], worker=worker or None, state=list(state), limit=str(limit)
        )
    )
    if as_json:
        emit(found)
        return
    table(
        ("TASK", "WHEN", "WORKER", "STATE", "STEPS", "COST", "WHAT"),
        [
            (
                each.id,
                moment(each.created_at),
                each.worker,
                each.state,
                str(each.steps),
                format_nano(each.cost, each.currency),
                _line(each.reason or each.text),
            )
            for each in found
        ],
        right=(4, 5),
    )


@command.command()
@click.argument("task")
@json_option
def show(task: str, as_json: bool) -> None:
    """Everything of one task: its plan, steps, effects, approvals, files and cost."""
    shown = call(lambda server: server.get(f"tasks/{task}", TaskShown))
    if as_json:
        emit(_document(shown))
        return
    _show(shown)


@command.command()
@click.argument("task")
@json_option
def follow(task: str, as_json: bool) -> None:
    """Watch a task until it is at its end or waits for a person."""
    told = 0

    async def ask(server: Connection) -> TaskShown:
        nonlocal told
        while True:
            shown = await server.get(f"tasks/{task}", TaskShown)
            if not as_json:
                for step in shown.steps[told:]:
                    click.echo(f"{step.position:>3}  {_step(step)}", err=True)
                told = len(shown.steps)
            if shown.task.state in ENDED | {"waiting"}:
                return shown
            await anyio.sleep(_LOOK_SECONDS)

    shown = call(ask, start=False)  # without a server nothing would ever change
    if as_json:
        emit(_document(shown))
        return
    _show(shown, steps=False)


@command.command()
@click.argument("task")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait at most.",
)
@json_option
def wait(task: str, timeout: float, as_json: bool) -> None:
    """Wait until a task is at its end or waits for a person; the exit status says if it is done."""
    until = time.monotonic() + timeout

    async def ask(server: Connection) -> Task:
        left = max(0.0, until - time.monotonic())
        return await server.get(f"tasks/{task}/wait", Task, seconds=f"{left:.3f}")

    found = call(ask, start=False)
    if as_json:
        emit(found)
    else:
        click.echo(f"{found.state}{f': {printable(found.reason)}' if found.reason else ''}")
    if found.state != "done":
        raise NotDone(
            f"The task is {found.state}.",
            hint=f"`basket task show {found.id}` says more.",
        )


@command.command()
@json_option
def approvals(as_json: bool) -> None:
    """The calls that wait for a person's yes or no."""
    waiting = call(lambda server: server.get("approvals", list[Approval]))
    if as_json:
        emit(waiting)
        return
    table(
        ("APPROVAL", "TASK", "WORKER", "TOOL", "UNTIL", "ARGUMENTS"),
        [
            (a.id, a.task, a.worker, a.tool, moment(a.expires_at), _line(a.arguments))
            for a in waiting
        ],
    )


@command.command()
@click.argument("approval")
@click.option("--note", default="", help="Kept with the answer.")
@json_option
def approve(approval: str, note: str, as_json: bool) -> None:
    """Say yes to one call with exactly the arguments shown. Good once."""
    _answer(approval, Answer(yes=True, note=note), as_json)


@command.command()
@click.argument("approval")
@click.option("--note", default="", help="What the worker is told.")
@json_option
def reject(approval: str, note: str, as_json: bool) -> None:
    """Say no to one call; the worker reads your note and goes on without it."""
    _answer(approval, Answer(yes=False, note=note), as_json)


def _answer(approval: str, answer: Answer, as_json: bool) -> None:
    answered = call(lambda server: server.post(f"approvals/{approval}", Approval, answer))
    if as_json:
        emit(answered)
        return
    click.echo(f"{answered.id} is {answered.state}: {answered.tool} {_line(answered.arguments)}")


@command.command()
@click.argument("effect")
@click.option("--happened/--did-not", required=True, help="What you found out.")
@click.option("--note", default="", help="Kept with it.")
@json_option
def settle(effect: str, happened: bool, note: str, as_json: bool) -> None:
    """Say what came of an uncertain effect: it happened, or it is to be made again."""
    given = Settlement("done" if happened else "undone", note)
    settled = call(lambda server: server.post(f"effects/{effect}", Effect, given))
    if as_json:
        emit(settled)
        return
    click.echo(f"{settled.key} is {settled.state}.")


def _change(task: str, path: str, told: str, as_json: bool, body: object = None) -> None:
    changed = call(lambda server: server.post(f"tasks/{task}/{path}", Task, body))
    if as_json:
        emit(changed)
    else:
        click.echo(f"{changed.id} {told}.")


@command.command()
@click.argument("task")
@json_option
def pause(task: str, as_json: bool) -> None:
    """Leave a task where it is, until it is resumed."""
    _change(task, "pause", "is paused", as_json)


@command.command()
@click.argument("task")
@click.option("--steps", type=click.IntRange(0), default=0, help="So many steps more.")
@click.option("--tokens", type=click.IntRange(0), default=0, help="So many tokens more.")
@click.option("--minutes", type=click.FloatRange(0), default=0.0, help="So many minutes more.")
@click.option("--money", type=click.FloatRange(0), default=0.0, help="So much money more.")
@json_option
def resume(task: str, steps: int, tokens: int, minutes: float, money: float, as_json: bool) -> None:
    """Go on with a task that is paused or parked; one at a limit needs more of what it lacks."""
    more = MoreLimits(money=money, tokens=tokens, minutes=minutes, steps=steps)
    _change(task, "resume", "goes on", as_json, more)


@command.command()
@click.argument("task")
@json_option
def cancel(task: str, as_json: bool) -> None:
    """End a task; what it did stays done, and its files stay."""
    _change(task, "cancel", "is cancelled", as_json)


@command.command()
@click.argument("task")
@click.option("--accept/--no-accept", "accepted", required=True, help="Was it of use?")
@json_option
def judge(task: str, accepted: bool, as_json: bool) -> None:
    """Say whether what came of a task was of use: its worth is reckoned by that."""
    given = Judgement(accepted)
    judged = call(lambda server: server.post(f"tasks/{task}/judge", Task, given))
    if as_json:
        emit(judged)
    else:
        click.echo(f"{judged.id} is {'accepted' if accepted else 'not accepted'}.")


@command.command()
@click.argument("task")
@click.argument("text")
@json_option
def rework(task: str, text: str, as_json: bool) -> None:
    """Have it done again, with TEXT to be different, from what it made the first time."""
    again = call(lambda server: server.post(f"tasks/{task}/rework", Task, Rework(text)))
    if as_json:
        emit(again)
        return
    click.echo(again.id)


@command.command()
@click.argument("what", type=click.Choice(["pause", "start"]))
@json_option
def switch(what: str, as_json: bool) -> None:
    """The one switch: pause all workers at once, or start them again."""
    told = call(lambda server: server.post("workers/switch", Switch, Switch(what == "pause")))
    if as_json:
        emit(told)
    else:
        click.echo("All workers are paused." if told.off else "All workers go on.")


def _named(paths: tuple[Path, ...]) -> dict[str, str]:
    """The files of `paths` by the names they get; those of a folder are all taken."""
    named: dict[str, str] = {}
    for path in paths:
        inside = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else []
        for file in inside or [path]:
            if file.is_dir():
                raise click.UsageError(f"There is no file in '{file}'.")
            if file.name in named:
                raise click.UsageError(f"Two files have the name '{file.name}'.")
            named[file.name] = str(file.resolve())
    return named


def _document(shown: TaskShown) -> dict[str, Any]:
    """One flat document, as scripts read it."""
    task = shown.task
    fields = {name: getattr(task, name) for name in Task.__struct_fields__}
    return {
        **fields,
        "steps": shown.steps,
        "effects": shown.effects,
        "approvals": shown.approvals,
        "deliverables": shown.deliverables,
    }


def _show(shown: TaskShown, *, steps: bool = True) -> None:
    task = shown.task
    click.secho(f"{task.id}  {task.worker}  {task.state}", bold=True)
    if task.reason:
        click.echo(f"  {printable(task.reason)}")
    click.echo(f"  {_line(task.text)}")
    if steps:
        for step in shown.steps:
            click.echo(f"{step.position:>3}  {_step(step)}")
    for effect in shown.effects:
        if effect.effect != "read":
            click.echo(f"  {effect.state:>9}  {effect.tool}  {effect.key}")
    for approval in shown.approvals:
        if approval.state == "open":
            click.echo(f"  waits for you: basket task approve {approval.id}")
            click.echo(f"    {approval.tool} {_line(approval.arguments)} ({approval.why})")
    for path in shown.deliverables:
        click.echo(f"  {printable(path)}")
    tokens = f"{task.input_tokens} tokens in, {task.output_tokens} out"
    click.echo(f"  {task.steps} steps, {tokens}, cost {format_nano(task.cost, task.currency)}")


def _step(step: LoggedEntry) -> str:
    entry = step.entry
    took = seconds(step.duration_ms / 1000)
    if isinstance(entry, Planned):
        return f"plan: {', '.join(each.id for each in entry.steps)}"
    if isinstance(entry, Called):
        told = f"failed: {entry.error}" if entry.error else entry.text
        return f"{entry.step}: {entry.tool} ({took}) {_line(told)}"
    told = f"of no use: {entry.error}" if entry.error else entry.text
    return f"{entry.step}: model ({took}) {_line(told)}"


def _line(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
