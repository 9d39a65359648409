"""The sandbox, tried by programs that want out of it; and what is said where there is none."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from secondbasket.apps.tools import bubblewrap, sandbox
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.tool import NeverHappened, ToolCall, ToolOutcome
from secondbasket.errors import OutcomeUnknown, ToolFailed
from tests.grounds import no_session
from tests.sandboxes import needs_sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks" / "tsk_1"
    folder.mkdir(parents=True)
    (tmp_path / "tasks" / "tsk_2").mkdir()
    (tmp_path / "tasks" / "tsk_2" / "secret.txt").write_text("the neighbour's secret")
    return folder


def call_of(folder: Path, key: str = "eff_1", **arguments: Any) -> ToolCall:
    return ToolCall(key=key, task="tsk_1", worker="w", arguments=arguments, folder=folder)


async def python(folder: Path, code: str, key: str = "eff_1", **settings: Any) -> ToolOutcome:
    run, _ = sandbox.create(ToolGround(session=no_session, settings=settings, programs=folder))
    return await run.call(call_of(folder, key, code=code))


async def shell(folder: Path, command: str, key: str = "eff_1", **settings: Any) -> ToolOutcome:
    _, run = sandbox.create(ToolGround(session=no_session, settings=settings, programs=folder))
    return await run.call(call_of(folder, key, command=command))


@needs_sandbox
class TestWork:
    async def test_a_program_runs_in_the_tasks_folder(self, folder: Path) -> None:
        (folder / "in.csv").write_text("a,b\n1,2\n3,4\n")
        outcome = await python(
            folder,
            "import csv, os\n"
            "rows = list(csv.DictReader(open('in.csv')))\n"
            "os.makedirs('out', exist_ok=True)\n"
            "open('out/sum.txt', 'w').write(str(sum(int(row['b']) for row in rows)))\n"
            "print('done', os.getcwd(), os.environ['HOME'])\n",
        )
        assert outcome.text == "done /task /task"
        assert outcome.files == ("out/sum.txt",)
        assert (folder / "out" / "sum.txt").read_text() == "6"
        assert outcome.data["status"] == 0

    async def test_our_packages_are_there_and_files_of_the_task_can_be_imported(
        self, folder: Path
    ) -> None:
        (folder / "mine.py").write_text("ANSWER = 42\n")
        outcome = await python(folder, "import mine, openpyxl, numpy\nprint(mine.ANSWER)")
        assert outcome.text == "42", outcome.text

    async def test_what_goes_wrong_is_told(self, folder: Path) -> None:
        outcome = await python(folder, "print('before')\nraise ValueError('no such column')")
        assert outcome.text.startswith("before\n[errors]\n")
        assert "line 2, in <module>" in outcome.text
        assert "raise ValueError('no such column')" in outcome.text
        assert outcome.text.endswith("[Exit status 1.]")

    async def test_a_shell_command_runs(self, folder: Path) -> None:
        outcome = await shell(folder, "printf 'b\\na\\n' | sort > s.txt; cat s.txt; exit 3")
        assert outcome.text == "a\nb\n[Exit status 3.]"
        assert outcome.files == ("s.txt",)
        assert (await shell(folder, "true", "eff_2")).text == "[Exit status 0.]"

    async def test_the_environment_is_empty(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PROVIDER_KEY", "sk-secret")
        outcome = await shell(folder, "env")
        names = {line.partition("=")[0] for line in outcome.text.splitlines()}
        assert names <= {"PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}

    async def test_output_is_bounded_while_it_runs(self, folder: Path) -> None:
        outcome = await python(
            folder, "import sys\nfor _ in range(800): sys.stdout.write('x' * 65536)\nprint('end')"
        )
        assert len(outcome.text) < 64 * 1024
        assert "bytes left out" in outcome.text
        assert outcome.text.rstrip().endswith("end")

    async def test_the_same_call_runs_once(self, folder: Path) -> None:
        for _ in range(2):
            outcome = await shell(folder, "echo line >> log.txt; cat log.txt")
            assert outcome.text == "line"
        assert (folder / "log.txt").read_text() == "line\n"
        assert (await shell(folder, "echo line >> log.txt; cat log.txt", "eff_2")).text == (
            "line\nline"
        )

    async def test_a_run_that_was_cut_off_is_not_begun_again(self, folder: Path) -> None:
        _, run = sandbox.create(ToolGround(session=no_session, settings={}, programs=folder))
        call = call_of(folder, command="echo begun > log.txt; sleep 30")
        assert isinstance(await run.reconcile(call), NeverHappened)
        with anyio.move_on_after(3):
            await run.call(call)
        assert (folder / "log.txt").exists()
        assert await run.reconcile(call) is None
        (folder / "log.txt").unlink()
        with pytest.raises(OutcomeUnknown):
            await run.call(call)
        assert not (folder / "log.txt").exists()


@needs_sandbox
class TestEscapes:
    @pytest.mark.parametrize(
        "code",
        [
            "import socket; socket.create_connection(('127.0.0.1', {port}), 2)",
            "import socket; socket.create_connection(('8.8.8.8', 53), 2)",
            "import socket; socket.getaddrinfo('example.org', 80)",
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{socket}')",
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0abstract-{port}')",
            "open('/etc/shadow').read()",
            "open('/etc/passwd').read()",
            "import os; os.chdir('/root'); open('.bashrc').read()",
            "open('{neighbour}').read()",
            "open('../tsk_2/secret.txt').read()",
            "open('/proc/1/environ').read()",
            "open('/proc/1/mem', 'r+b').write(b'x')",
            "import os; os.kill(1, 9); open('/nothing')",
            "import os; os.kill({pid}, 9)",
            "open('/usr/bin/new', 'w').write('x')",
            "open('/new', 'w').write('x')",
            "open('/run/sandbox_init.py', 'a').write('x')",
            "open('/dev/new', 'w').write('x')",
            "open('/etc/new', 'w').write('x')",
            "open('/task/.basket/new', 'w').write('x')",
            "open('/opt/packages/new.py', 'w').write('x')",
            "import os; os.mknod('/task/disk', 0o60666, os.makedev(8, 0))",
            "import os; os.setuid(0)",
            (
                "import os; os.unshare(os.CLONE_NEWUSER)"
                " if hasattr(os, 'unshare') else open('/nothing')"
            ),
            (
                "import ctypes; l = ctypes.CDLL(None, use_errno=True);"
                " assert l.unshare(0x10000000) == 0"
            ),
            (
                "import ctypes; l = ctypes.CDLL(None, use_errno=True);"
                " assert l.mount(b'none', b'/task', b'tmpfs', 0, None) == 0"
            ),
            "import ctypes; l = ctypes.CDLL(None); assert l.ptrace(16, 1, 0, 0) == 0",
            "import ctypes; l = ctypes.CDLL(None, use_errno=True); assert l.chroot(b'/tmp') == 0",
            "import fcntl; fcntl.ioctl(0, 0x5412, b'x')",
        ],
    )
    async def test_a_program_gets_nowhere(self, folder: Path, home: Path, code: str) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        place = home / "admin.sock"
        told = code.format(
            port=port,
            socket=place,
            pid=os.getpid(),
            neighbour=folder.parent / "tsk_2" / "secret.txt",
        )
        with socket.socket(socket.AF_UNIX) as unix, listener:
            unix.bind(str(place))
            unix.listen()
            outcome = await python(folder, told)
        assert outcome.data["status"] == 1, outcome.text
        assert (
            outcome.data["errors"]
            .rstrip()
            .splitlines()[-1]
            .split(":")[0]
            .endswith(("Error", "gaierror", "timeout", "error"))
        ), outcome.text
        assert "secret" not in outcome.data["output"]

    async def test_it_holds_no_rights(self, folder: Path) -> None:
        outcome = await shell(folder, "grep -E '^(Cap|NoNewPrivs|Uid)' /proc/self/status; ls /proc")
        assert "CapEff:\t0000000000000000" in outcome.text
        assert "CapBnd:\t0000000000000000" in outcome.text
        assert "NoNewPrivs:\t1" in outcome.text
        assert "Uid:\t1000" in outcome.text
        processes = [name for name in outcome.text.split() if name.isdigit() and len(name) < 7]
        assert len(processes) < 12

    async def test_a_link_that_it_leaves_is_not_followed_by_us(self, folder: Path) -> None:
        from secondbasket.apps.tools import files

        await shell(folder, f"ln -s /etc/shadow a; ln -s {folder.parent}/tsk_2 b")
        tools = files.create(ToolGround(session=no_session, settings={}, programs=folder))
        read = next(tool for tool in tools if tool.facts.name == "files.read")
        for path in ("a", "b/secret.txt"):
            with pytest.raises(ToolFailed):
                await read.call(call_of(folder, path=path))

    async def test_it_cannot_forge_what_is_noted_of_a_call(self, folder: Path) -> None:
        await shell(folder, "true", "eff_0")
        outcome = await shell(folder, "ls -A .basket; rm -rf .basket; mv .basket x", "eff_2")
        assert outcome.data["output"] == ""
        assert len(list((folder / ".basket").iterdir())) == 2


@needs_sandbox
class TestLimits:
    async def test_time(self, folder: Path) -> None:
        began = time.monotonic()
        outcome = await python(folder, "print('a', flush=True)\nwhile True: pass", seconds=1)
        assert time.monotonic() - began < 6
        assert outcome.text == "a\n[It was ended: it took longer than 1 s.]"

    @pytest.mark.parametrize(
        "code",
        [
            "x = bytearray(900 * 2**20)\nprint(len(x))",
            (
                "import os\nfor _ in range(8):\n  if os.fork() == 0:\n    x = b'x' * (60 * 2**20)\n"
                "    import time; time.sleep(20)\nimport time; time.sleep(20)"
            ),
        ],
    )
    async def test_memory(self, folder: Path, code: str) -> None:
        outcome = await python(folder, code, memory_mib=200, seconds=10)
        assert "MemoryError" in outcome.text or "more than 200 MiB" in outcome.text

    async def test_a_fork_bomb_goes_off_within(self, folder: Path) -> None:
        began = time.monotonic()
        outcome = await python(
            folder, "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", seconds=5
        )
        assert time.monotonic() - began < 12
        assert outcome.data["ended"] in ("processes", "time", "memory")
        assert _running_in_sandboxes() == 0

    async def test_disk(self, folder: Path) -> None:
        outcome = await shell(folder, "head -c 9000000 /dev/zero > big", file_mib=2)
        assert (folder / "big").stat().st_size <= 2 * 2**20
        assert outcome.data["status"] != 0
        outcome = await shell(
            folder,
            "i=0; while true; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); done",
            "eff_2",
            folder_mib=20,
            seconds=20,
        )
        assert outcome.data["ended"] == "folder"
        for path in ("/tmp", "/dev/shm"):
            outcome = await shell(
                folder,
                f"head -c 90000000 /dev/zero > {path}/x || wc -c {path}/x",
                f"e{path}",
                file_mib=500,
            )
            assert "67108864" in outcome.text, outcome.text

    @pytest.mark.parametrize(
        "hide",
        [
            "os.mkdir('d'); f = os.open('d', os.O_RDONLY); os.chmod('d', 0); os.fchdir(f)",
            "[(os.mkdir('d' * 200), os.chdir('d' * 200)) for _ in range(30)]",
        ],
    )
    async def test_what_is_hidden_counts_too(self, folder: Path, hide: str) -> None:
        outcome = await python(folder, f"import os, time\n{hide}\ntime.sleep(8)", seconds=10)
        assert outcome.data["ended"] == "folder"

    async def test_nothing_survives_the_call(self, folder: Path) -> None:
        outcome = await shell(
            folder,
            "(setsid sh -c 'trap \"\" TERM HUP; while :; do date > alive; sleep 0.1; done' &)"
            " ; nohup sleep 300 & sleep 0.3; echo gone",
        )
        assert outcome.text == "gone"
        await anyio.sleep(0.3)
        (folder / "alive").unlink()
        await anyio.sleep(0.5)
        assert not (folder / "alive").exists()
        assert _running_in_sandboxes() == 0

    async def test_nothing_survives_a_cancelled_call(self, folder: Path) -> None:
        with anyio.move_on_after(2):
            await shell(folder, "while :; do date > alive; sleep 0.05; done")
        assert (folder / "alive").exists()
        (folder / "alive").unlink()
        await anyio.sleep(0.5)
        assert not (folder / "alive").exists()

    async def test_nothing_survives_the_server(self, folder: Path) -> None:
        """The process that called is killed: the whole tree goes with it."""
        program = (
            "import anyio, sys; from pathlib import Path;"
            "from secondbasket.apps.tools import sandbox;"
            "from secondbasket.apps.tools.ground import ToolGround;"
            "from secondbasket.core.tool import ToolCall;"
            "f = Path(sys.argv[1]);"
            "_, run = sandbox.create(ToolGround(session=None, settings={}, programs=f));"
            "anyio.run(run.call, ToolCall(key='k', task='t', worker='w', folder=f,"
            " arguments={'command': 'while :; do date > alive; sleep 0.05; done'}))"
        )
        caller = subprocess.Popen(  # noqa: ASYNC220 - to be killed as others are
            [sys.executable, "-c", program, str(folder)]
        )
        try:
            for _ in range(200):
                if (folder / "alive").exists():
                    break
                await anyio.sleep(0.05)
            assert (folder / "alive").exists()
        finally:
            caller.send_signal(signal.SIGKILL)
            caller.wait(10)
        await anyio.sleep(0.3)
        (folder / "alive").unlink()
        await anyio.sleep(0.5)
        assert not (folder / "alive").exists()
        assert _running_in_sandboxes() == 0


def _running_in_sandboxes() -> int:
    """Processes of this machine that run as a sandbox's first or beside it."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        count += b"sandbox_init.py" in command or command.startswith(b"sleep\x00300")
    return count


class TestNone:
    async def test_without_bubblewrap_nothing_runs(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bubblewrap, "_PROGRAMS", str(folder))
        with pytest.raises(ToolFailed, match="bubblewrap is not installed") as caught:
            await shell(folder, "touch ran")
        assert "apt-get install bubblewrap" in caught.value.hint
        assert not (folder / "ran").exists()

    @pytest.mark.parametrize(
        ("script", "told"),
        [
            ("echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "No permissions"),
            ("echo 'bwrap: Unknown option --disable-userns' >&2; exit 1", "Unknown option"),
            ("echo '{}'", "trial run went wrong"),
            ("exec sleep 0", "trial run went wrong"),
        ],
    )
    async def test_a_bubblewrap_that_cannot_is_not_believed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
    ) -> None:
        """A trial is run, and what it says counts: not that a program of the name is there."""
        programs = folder.parent / "programs"
        programs.mkdir()
        (programs / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "bwrap").chmod(0o755)
        monkeypatch.setattr(bubblewrap, "_PROGRAMS", str(programs))
        with pytest.raises(ToolFailed, match="nothing runs without it") as caught:
            await shell(folder, "touch ran")
        assert told in caught.value.message
        assert "user namespaces" in caught.value.hint
        assert not (folder / "ran").exists()
        assert isinstance(
            await sandbox.create(ToolGround(session=no_session, settings={}, programs=folder))[
                1
            ].reconcile(call_of(folder, command="touch ran")),
            NeverHappened,
        )

    @needs_sandbox
    def test_a_user_without_namespaces_is_refused(self, folder: Path) -> None:
        """The kernel's own no: namespaces are forbidden to a child of ours, which then asks."""
        program = (
            "import anyio, sys; from pathlib import Path;"
            "from secondbasket.apps.tools import sandbox;"
            "from secondbasket.apps.tools.ground import ToolGround;"
            "from secondbasket.core.tool import ToolCall;"
            "from secondbasket.errors import ToolFailed;"
            "f = Path(sys.argv[1]);"
            "_, run = sandbox.create(ToolGround(session=None, settings={}, programs=f));"
            "c = ToolCall(key='k', task='t', worker='w', folder=f,"
            " arguments={'command': 'touch ran'});\n"
            "try: anyio.run(run.call, c)\n"
            "except ToolFailed as e: print(e.message)"
        )
        inner = f'echo 0 > /proc/sys/user/max_user_namespaces && exec {sys.executable} -c "$1" $2'
        if os.getuid() != 0 or shutil.which("unshare") is None:
            pytest.skip("only root can forbid namespaces to its children")
        told = subprocess.run(
            ["unshare", "--user", "--map-root-user", "sh", "-c", inner, "sh", program, folder],
            check=False,
            capture_output=True,
            text=True,
        )
        assert "There is no sandbox here" in told.stdout, told.stderr
        assert not (folder / "ran").exists()
