"""Python and shell programs, in the sandbox and nowhere else."""

from collections.abc import Sequence

import msgspec
from anyio import to_thread

from secondbasket.apps.tools.bubblewrap import PACKAGES, PYTHON, Bubblewrap, Limits, Ran
from secondbasket.apps.tools.folder import INSIDE, Entry, Folder
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.marks import read_mark, write_mark
from secondbasket.apps.tools.options import read_options, refused
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import OutcomeUnknown, ToolFailed

_LONGEST_PROGRAM = 64 * 1024
_LONGEST_COMMAND = 32 * 1024
_MOST_ENTRIES = 10_000
_AFTER_SECONDS = 30.0
_RUN_PROGRAM = (
    "import runpy, sys;"
    f" sys.path[:0] = [{INSIDE!r}];"
    f" sys.path.append({PACKAGES!r});"
    " sys.argv = ['program.py'];"
    " runpy.run_path('/tmp/program.py', run_name='__main__')"
)
_WHERE = "without network, in the task's folder, which is all that it can write to"


class _Mark(msgspec.Struct, frozen=True):
    """A call was begun; `outcome` once it has ended."""

    outcome: ToolOutcome | None = None


class _SandboxTool:
    """What both tools share: a run that is noted before it begins and once it has ended."""

    def __init__(self, sandbox: Bubblewrap) -> None:
        self._sandbox = sandbox

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
        mark = await to_thread.run_sync(read_mark, Folder(call.folder), call.key, _Mark)
        return NeverHappened() if mark is None else mark.outcome

    async def _ran_once(
        self, call: ToolCall, command: Sequence[str], program: str = ""
    ) -> ToolOutcome:
        known = await self.reconcile(call)
        if isinstance(known, ToolOutcome):
            return known
        if known is None:
            raise OutcomeUnknown(
                "The program was begun before and did not end.",
                hint="Files of this task may have been written; look at them.",
            )
        await self._sandbox.prove(call.folder)
        folder = Folder(call.folder)
        before, _ = await to_thread.run_sync(folder.entries, _MOST_ENTRIES)
        await to_thread.run_sync(write_mark, folder, call.key, _Mark())
        ran = await self._sandbox.run(call.folder, command, program=program)
        after, _ = await to_thread.run_sync(folder.entries, _MOST_ENTRIES)
        outcome = _outcome(ran, self._sandbox.limits, _changed(before, after))
        await to_thread.run_sync(write_mark, folder, call.key, _Mark(outcome))
        return outcome

    def _facts(self, name: str, description: str, argument: str, about: str) -> ToolFacts:
        limits = self._sandbox.limits
        return ToolFacts(
            name=name,
            description=f"{description} {_WHERE}; at most {limits.seconds:g} s,"
            f" {limits.memory_mib} MiB of memory and {limits.processes} processes.",
            parameters={
                "type": "object",
                "properties": {argument: {"type": "string", "minLength": 1, "description": about}},
                "required": [argument],
                "additionalProperties": False,
            },
            effect="write",
            from_outside=True,
            confined=True,
            takes_key=True,
            limit_seconds=2 * limits.seconds + _AFTER_SECONDS,
        )


class RunPython(_SandboxTool):
    """`python.run`. What a program prints may come out of any file it read."""

    def __init__(self, sandbox: Bubblewrap) -> None:
        super().__init__(sandbox)
        self.facts = self._facts(
            "python.run",
            "Run a Python program",
            "code",
            "The program; what it prints is the result.",
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        code = _text(call.arguments["code"], _LONGEST_PROGRAM)
        return await self._ran_once(call, (PYTHON, "-I", "-B", "-c", _RUN_PROGRAM), code)


class RunShell(_SandboxTool):
    """`shell.run`: a command for the system's own shell."""

    def __init__(self, sandbox: Bubblewrap) -> None:
        super().__init__(sandbox)
        self.facts = self._facts(
            "shell.run", "Run a shell command", "command", "The command, as /bin/sh reads it."
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        command = _text(call.arguments["command"], _LONGEST_COMMAND)
        return await self._ran_once(call, ("/bin/sh", "-c", command))


def create(ground: ToolGround) -> Sequence[Tool]:
    """The family. That there is no sandbox is told by the first call. Raises SettingsError."""
    limits = read_options("sandbox", ground.settings, Limits)
    for name, amount in msgspec.structs.asdict(limits).items():
        if not 0 < amount <= 1_000_000:
            raise refused(f"tools.sandbox.{name}", "it must be above 0 and at most 1000000")
    sandbox = Bubblewrap(limits)
    return RunPython(sandbox), RunShell(sandbox)


def _text(text: str, longest: int) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise ToolFailed("It has half of a surrogate pair in it.") from exc
    if size > longest or "\0" in text:
        raise ToolFailed(
            f"It has {size} bytes; {longest} are allowed, none of them NUL.",
            hint="Write long data into a file first.",
        )
    return text


def _changed(before: Sequence[Entry], after: Sequence[Entry]) -> tuple[str, ...]:
    known = set(before)
    return tuple(entry.name for entry in after if entry not in known)


def _outcome(ran: Ran, limits: Limits, files: tuple[str, ...]) -> ToolOutcome:
    endings = {
        "exited": f"Exit status {ran.status}.",
        "time": f"It was ended: it took longer than {limits.seconds:g} s.",
        "memory": f"It was ended: it used more than {limits.memory_mib} MiB of memory.",
        "processes": f"It was ended: it had more than {limits.processes} processes.",
        "folder": f"It was ended: the folder held more than {limits.folder_mib} MiB,"
        f" or more than {_MOST_ENTRIES} files.",
    }
    parts = [ran.output.rstrip()]
    if ran.errors.strip():
        parts.append(f"[errors]\n{ran.errors.rstrip()}")
    if ran.ended != "exited" or ran.status != 0 or not any(parts):
        parts.append(f"[{endings[ran.ended]}]")
    return ToolOutcome(
        text="\n".join(part for part in parts if part),
        data={
            "ended": ran.ended,
            "status": ran.status,
            "output": ran.output,
            "errors": ran.errors,
        },
        files=files,
    )
