"""A worker's file: Markdown with a typed header between two lines of ``---``, in YAML."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from secondbasket.apps.workers.templates import Templates
from secondbasket.core.data_class import DataClass
from secondbasket.core.worker import PlanStep, Worker
from secondbasket.errors import InvalidRequest

_LONGEST = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_COLLECTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DOCUMENT_TOOLS = "documents."
_STEP = re.compile(r"[a-z][a-z0-9_]{0,40}")
_FENCE = "---"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong in a worker's file. `line` counts from 1 where it is known."""

    where: str
    message: str
    line: int | None = None


class BadWorker(InvalidRequest):
    """`findings` is everything that is wrong with the file."""

    code = "bad_worker"

    def __init__(self, name: str, findings: Sequence[Finding]) -> None:
        told = "; ".join(f"{each.where}: {each.message}" for each in findings)
        super().__init__(
            f"The worker '{name}' is not right: {told}.",
            hint="`basket worker check FILE` lists what is wrong.",
        )
        self.findings = tuple(findings)


def read_worker(name: str, text: str, *, tools: Collection[str] | None = None) -> Worker:
    """The worker that `text` describes, under the `name` of its file without its ending.

    With `tools`, every tool it names must be one of them. Raises BadWorker.
    """
    if len(text) > _LONGEST:
        raise BadWorker(name, [Finding(where="file", message="it is longer than 64 KiB")])
    header, body = _parts(name, text)
    worker = _decoded(name, header)
    worker = msgspec.structs.replace(worker, goals=body.strip())
    if findings := [*_findings(name, worker), *_steps(worker), *_tools(worker, tools)]:
        raise BadWorker(name, findings)
    return worker


def _parts(name: str, text: str) -> tuple[str, str]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].strip() != _FENCE or _FENCE not in (line.strip() for line in lines[1:]):
        message = "it does not begin with a header between two lines of ---"
        raise BadWorker(name, [Finding(where="file", message=message, line=1)])
    end = next(number for number, line in enumerate(lines[1:], 1) if line.strip() == _FENCE)
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :])


def _decoded(name: str, header: str) -> Worker:
    # PyYAML comes with a dependency and takes a while: not before a file is read.
    import yaml  # noqa: PLC0415 - as told

    try:
        told: Any = yaml.load(header, Loader=_bounded(yaml))  # noqa: S506 - a safe one, bounded
        return msgspec.convert(told, Worker)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 2 if exc.problem_mark else None
        message = f"no YAML ({exc.problem})"
        raise BadWorker(name, [Finding(where="header", message=message, line=line)]) from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise BadWorker(name, [Finding(where="header", message="no YAML")]) from exc
    except msgspec.ValidationError as exc:
        message, _, where = str(exc).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or "header"
        finding = Finding(where=field, message=message, line=_line_of(header, field))
        raise BadWorker(name, [finding]) from exc


def _bounded(yaml: Any) -> Any:
    """YAML's safe loader without aliases: nine lines of them make a billion values."""

    # Not the one in C: that knows no hook for aliases.
    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # no types
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()
                raise yaml.MarkedYAMLError(problem="an alias", problem_mark=event.start_mark)
            return super().compose_node(parent, index)

    return Loader


def _line_of(header: str, field: str) -> int | None:
    wanted = re.split(r"[.\[]", field)[0] + ":"
    for number, line in enumerate(header.split("\n"), 2):
        if line.startswith(wanted):
            return number
    return None


def _findings(name: str, worker: Worker) -> list[Finding]:
    found = []
    if worker.name != name:
        found.append(Finding(where="name", message=f"'{worker.name}' is not the file's '{name}'"))
    if not _NAME.fullmatch(worker.name):
        found.append(Finding(where="name", message="write small letters, digits and hyphens"))
    if not worker.goals and not worker.plan:
        found.append(Finding(where="goals", message="it says neither goals nor a plan"))
    try:
        DataClass.parse(worker.data_class)
    except ValueError as exc:
        found.append(Finding(where="data_class", message=str(exc)))
    limits = worker.limits
    if min(limits.tokens, limits.minutes, limits.steps) <= 0 or (limits.money or 0) < 0:
        found.append(Finding(where="limits", message="a limit is above zero"))
    unknown = set(worker.autonomy) - {"default", *worker.tools}
    found += [
        Finding(where=f"autonomy.{tool}", message="this is not one of its tools")
        for tool in sorted(unknown)
    ]
    found += _knowledge(worker)
    for position, schedule in enumerate(worker.schedules):
        found += _schedule(f"schedules[{position}]", schedule.cron, schedule.time_zone)
    return found


def _knowledge(worker: Worker) -> list[Finding]:
    found = [
        Finding(where="knowledge", message=f"'{each[:80]}' is no name of a collection")
        for each in worker.knowledge
        if not _COLLECTION.fullmatch(each)
    ]
    if worker.knowledge and not any(t.startswith(_DOCUMENT_TOOLS) for t in worker.tools):
        message = "none of its tools searches documents; add documents.search"
        found.append(Finding(where="knowledge", message=message))
    return found


def _schedule(where: str, cron: str, time_zone: str) -> list[Finding]:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - as for croniter

    from croniter import croniter  # noqa: PLC0415 - only with one

    found = []
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        found.append(Finding(where=f"{where}.cron", message=f"'{cron}' is no cron time"))
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"'{time_zone}' is no time zone; write one such as Europe/Berlin"
        found.append(Finding(where=f"{where}.time_zone", message=message))
    return found


def _steps(worker: Worker) -> list[Finding]:
    found: list[Finding] = []
    seen: set[str] = set()
    for position, step in enumerate(worker.plan):
        where = f"plan[{position}]"
        if not _STEP.fullmatch(step.id) or step.id in seen:
            message = f"'{step.id}' is no name of its own, in small letters and underscores"
            found.append(Finding(where=f"{where}.id", message=message))
        found += [
            Finding(where=f"{where}.{field}", message=problem)
            for field, problem in _wrong_step(step)
        ]
        found += [
            Finding(where=f"{where}.checks", message=f"there is no step '{check.of}' up to here")
            for check in step.checks
            if check.kind != "written" and check.of not in {"", step.id, *seen}
        ]
        seen.add(step.id)
    return found


def _wrong_step(step: PlanStep) -> list[tuple[str, str]]:
    wrong = []
    if step.tool and step.ask:
        wrong.append(("ask", "a step is done by a tool or by an answer, not by both"))
    if not (step.tool or step.ask or step.goal):
        wrong.append(("goal", "it says neither a tool nor what to ask nor a goal"))
    templates = Templates()
    for field, value in (("arguments", step.arguments), ("ask", step.ask)):
        wrong += [(field, problem) for problem in templates.problems(value)]
    if step.each and (problem := templates.wrong_expression(step.each)):
        wrong.append(("each", problem))
    return wrong


def _tools(worker: Worker, known: Collection[str] | None) -> list[Finding]:
    own = set(worker.tools)
    found = [
        Finding(where=f"plan[{position}].tool", message=f"'{step.tool}' is not one of its tools")
        for position, step in enumerate(worker.plan)
        if step.tool and step.tool not in own
    ]
    if known is not None:
        found += [
            Finding(where="tools", message=f"there is no tool '{tool}' here")
            for tool in worker.tools
            if tool not in known
        ]
    return found
