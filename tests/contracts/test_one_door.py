"""Nothing outside egress/ opens a connection, read from the source of every module.

What no reading can see (native code, libraries that dial on their own) is seen
at run time: `tests/acceptance/test_every_connection.py`.
"""

import ast
from pathlib import Path

import pytest

import secondbasket

ROOT = Path(secondbasket.__file__).parent
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

CLIENT_LIBRARIES = frozenset(
    """
    _socket ftplib grpc http.client httpcore httpcore2 httpx httpx2 imaplib nntplib paramiko poplib
    requests smtplib ssl telnetlib urllib.request urllib3 uvloop.loop websockets xmlrpc.client
    """.split()
)
DIALLING = frozenset(
    """
    BaseConnector ClientSession HTTPConnection HTTPSConnection TCPConnector UnixConnector
    connect_ex connect_tcp connect_unix create_connection create_connected_udp_socket
    create_datagram_endpoint create_udp_socket create_unix_connection fromfd getaddrinfo
    gethostbyname gethostbyaddr open_connection open_unix_connection sendmsg sendto sock_connect
    socket socketpair urlopen urlretrieve
    """.split()
)
# By these, code could come to a dialling call without its name, or have another program dial.
ROUND_ABOUT = frozenset(
    """
    CDLL Popen PyDLL __import__ check_call check_output eval exec execl execv execve execvp execvpe
    fork forkpty import_module open_process popen posix_spawn posix_spawnp run_process
    """.split()
)
ROUND_ABOUT_MODULES = frozenset(("cffi", "ctypes", "importlib", "multiprocessing", "subprocess"))

# What a module outside egress/ may still use, and why it opens no connection with it.
EXCEPTIONS = {
    # prctl: the kernel ends a tool server with us; and that server, which the settings name.
    "apps/tools/mcp/keeper.py": {"CDLL", "ctypes", "posix_spawnp"},
    "apps/tools/mcp/stdio.py": {"open_process"},
    # A child that reads documents, and the reader of one kind in it, by the kind's name.
    "apps/documents/reader.py": {"open_process", "subprocess"},
    "apps/documents/reader_child.py": {"import_module", "importlib"},
    # A module of cli/ for each command that it lists.
    "cli/main.py": {"import_module", "importlib"},
    # What the system says of its processors, from a program of the system.
    "chips/probes/cpu.py": {"subprocess"},
    # Only says where the system keeps its certificates.
    "cli/checks.py": {"ssl"},
    # prctl: the kernel ends the engine with its parent.
    "cloud/engines/lifeline.py": {"CDLL", "ctypes"},
    # openvino_genai, once what would report of it is barred.
    "cloud/engines/openvino_model.py": {"import_module", "importlib"},
    # Listening sockets only.
    "cloud/engines/onnx_child.py": {"socket"},
    "cloud/engines/openvino_child.py": {"socket"},
    "server/listen.py": {"socket"},
    "server/serve.py": {"socket"},
    # The engines: children whose connections are seen at run time.
    "cloud/process.py": {"open_process"},
    "testing/engines.py": {"open_process"},
    # A child that matches patterns and schemas, and resolves no reference to elsewhere.
    "maas/parity/examiner.py": {"open_process", "subprocess"},
    # Ourselves, to sign with a key that the server never holds.
    "ledger/signing_process.py": {"run_process"},
    # The sandbox, which has no network, and what is started in it.
    "apps/tools/bubblewrap.py": {"run_process"},
    "apps/tools/sandbox_init.py": {"CDLL", "ctypes", "execv", "fork"},
    # A child that asks a database, through drivers that the design names as an exception.
    "apps/tools/sql.py": {"run_process"},
    # Types of the client that it is handed, and its errors.
    "models/sources/hub.py": {"httpx2"},
    # pip's child process, a named exception of the design.
    "models/sources/pypi.py": {"open_process", "subprocess"},
    # The modules of python-stdnum, by the names of countries.
    "policy/detectors/national_id.py": {"import_module", "importlib"},
}


def _annotations(tree: ast.Module) -> set[int]:
    """The nodes that only say of what type something is."""
    found: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
    return {id(inner) for each in found if each is not None for inner in ast.walk(each)}


def _imported(node: ast.AST) -> set[str]:
    """Modules and names that an import brings in, whatever it calls them."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        names = {alias.name for alias in node.names}
        return {node.module, *names, *(f"{node.module}.{name}" for name in names)}
    return set()


def _named(node: ast.AST) -> set[str]:
    """What a node refers to, be it called or only handed on, and what getattr is asked for."""
    if isinstance(node, ast.Attribute):
        # Of a module, or of something that has such a method; a field called 'socket' is neither.
        inner = node.value.id if isinstance(node.value, ast.Name) else ""
        return {node.attr} if node.attr != "socket" or inner == "socket" else set()
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return {node.id} - {"socket"}
    if isinstance(node, ast.Call) and node.args:
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called in ("attrgetter", "getattr", "methodcaller", "__import__"):
            return {str(each.value) for each in node.args if isinstance(each, ast.Constant)}
    return set()


def uses(source: str) -> set[str]:
    """What `source` could connect with: libraries, dialling names, and roads round both."""
    tree = ast.parse(source)
    types = _annotations(tree)
    found: set[str] = set()
    for node in ast.walk(tree):
        imported = _imported(node)
        found |= imported & (CLIENT_LIBRARIES | ROUND_ABOUT_MODULES | DIALLING | ROUND_ABOUT)
        if id(node) not in types:
            found |= _named(node) & (DIALLING | ROUND_ABOUT)
    return found


@pytest.mark.parametrize(
    "module", [module for module in MODULES if not module.startswith("egress/")]
)
def test_a_module_opens_no_connection(module: str) -> None:
    found = uses((ROOT / module).read_text())
    assert found == EXCEPTIONS.get(module, set())


def test_the_exceptions_are_still_needed() -> None:
    assert set(EXCEPTIONS) <= set(MODULES)


@pytest.mark.parametrize(
    "source",
    [
        "import httpx",
        "from urllib import request",
        "from urllib.request import urlopen as fetch",
        "async def f():\n await asyncio.open_connection('a', 1)",
        "with aiohttp.ClientSession() as s: pass",
        "socket.socket().connect(('a', 1))",
        "from socket import socket as plug",
        "import _socket",
        "from asyncio import open_connection as dial",
        "dial = asyncio.get_running_loop().create_connection",
        "make = aiohttp.ClientSession\nmake()",
        "run(loop.sock_connect, place)",
        "getattr(loop, 'create_connection')(protocol, 'a', 1)",
        "operator_call = methodcaller('open_connection', 'a', 1)",
        "__import__('socket')",
        "importlib.import_module(name)",
        "import ctypes",
        "from ctypes import CDLL as library",
        "import subprocess\nsubprocess.run(['curl', 'http://a'])",
        "import subprocess as children",
        "await anyio.run_process(['curl'])",
        "eval(text)",
        "os.execv('/usr/bin/curl', ['curl'])",
    ],
)
def test_a_side_door_would_be_seen(source: str) -> None:
    assert uses(source if not source.startswith("await") else f"async def f():\n {source}")


@pytest.mark.parametrize(
    "source",
    [
        "def f(session: aiohttp.ClientSession) -> socket.socket: ...",
        "self.socket = socket",
        "re.compile('a')",
        "getattr(row, 'name')",
    ],
)
def test_what_dials_nowhere_is_left_alone(source: str) -> None:
    assert uses(source) == set()
