"""The front of `basket`: quick, complete, and clear about what went wrong."""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from secondbasket.cli import key, main
from secondbasket.cli.main import COMMANDS, basket
from secondbasket.errors import HomeInUse
from tests.running import BASKET, environment

HEAVY = ("aiohttp", "alembic", "fastapi", "pydantic", "sqlalchemy", "starlette", "uvicorn")


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    """`main` narrows the umask of its process, which here is everybody's."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(basket)
    for name in basket.list_commands(context):
        command = basket.get_command(context, name)
        assert command is not None
        yield name, command


def run(*arguments: str, home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASKET, *arguments],
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_loads_no_command_and_nothing_heavy() -> None:
    program = (
        "import json, sys\n"
        "from secondbasket.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stderr)
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []
    ours = {name for name in loaded if name.startswith("secondbasket.cli.")}
    assert ours == {"secondbasket.cli.main"}
    for section, names in COMMANDS.items():
        assert f"{section}:" in done.stdout
        for name, summary in names.items():
            assert f"{name} " in done.stdout
            assert summary in done.stdout


def test_help_is_there_at_once(home: Path) -> None:
    def once() -> float:
        started = time.perf_counter()
        assert run("--help", home=home).returncode == 0
        return time.perf_counter() - started

    assert min(once() for _ in range(5)) <= 0.3


def test_the_list_says_what_each_command_says_of_itself() -> None:
    summaries = {name: summary for names in COMMANDS.values() for name, summary in names.items()}
    assert {name: command.get_short_help_str(200) for name, command in commands()} == summaries


def test_every_command_and_option_explains_itself() -> None:
    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                yield from walk(f"{name} {inner.name}", inner)

    for top in commands():
        for name, command in walk(*top):
            assert command.help, name
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    assert parameter.help, f"{name} {parameter.name}"


def test_an_error_is_one_line_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise HomeInUse("The home is in use.", hint="Stop it.")

    monkeypatch.setattr(main.basket, "main", fail)
    with pytest.raises(SystemExit) as ended:
        main.main([])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["Error: The home is in use.", "  Stop it."]


def test_an_error_in_words_of_others_does_not_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise HomeInUse("Provider: \x1b]0;gone\x07\x9b2J", hint="\u202edo this")

    monkeypatch.setattr(main.basket, "main", fail)
    with pytest.raises(SystemExit):
        main.main([])
    said = capsys.readouterr().err.splitlines()
    assert said == ["Error: Provider:  ]0;gone  2J", "   do this"]


def test_what_a_command_writes_is_for_its_owner_alone(home: Path) -> None:
    assert run("key", "list", home=home).returncode == 0
    written = [path for path in home.rglob("*") if path.is_file()]
    assert home / "secondbasket.db" in written
    assert [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_an_interrupted_command_ends_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.basket, "main", interrupt)
    with pytest.raises(SystemExit) as ended:
        main.main([])
    assert ended.value.code == 130


def test_an_unknown_command_is_not_understood(home: Path) -> None:
    done = run("modle", home=home)
    assert done.returncode == 2
    assert "modle" in done.stderr


def test_a_settings_typo_stops_any_command_and_is_named(home: Path) -> None:
    (home / "basket.toml").write_text("[server]\nprot = 1\n")
    done = run("key", "list", home=home)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"'server.prot' ({home}/basket.toml:2)" in done.stderr
    assert "Did you mean 'server.port'?" in done.stderr
    (home / "basket.toml").unlink()
    done = run("settings", home=home, SECONDBASKET_SERVER_PROT="1")
    assert done.returncode == 1
    assert "SECONDBASKET_SERVER_PORT" in done.stderr


def test_settings_show_value_and_origin_and_mask_what_holds_a_password(home: Path) -> None:
    (home / "basket.toml").write_text("[engine]\nslots = 2\n")
    done = run(
        "settings",
        "--json",
        home=home,
        SECONDBASKET_SERVER_PORT="8401",
        SECONDBASKET_DATABASE_URL="postgresql://user:hunter2@db/basket",
    )
    shown = json.loads(done.stdout)
    assert shown["home"] == str(home)
    rows = {row["key"]: row for row in shown["settings"]}
    assert (rows["server.port"]["value"], rows["server.port"]["origin"]) == (
        8401,
        "variable SECONDBASKET_SERVER_PORT",
    )
    assert (rows["engine.slots"]["value"], rows["engine.slots"]["origin"]) == (
        2,
        f"{home}/basket.toml:2",
    )
    assert rows["server.host"]["origin"] == "default"
    assert all(row["variable"] and row["description"] for row in rows.values())
    assert "hunter2" not in done.stdout
    people = run("settings", home=home)
    assert "server.port = 8400" in people.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "a", "--budget", "much"], "not an amount"),
        (["--name", "a", "--budget", "1e400000"], "not an amount"),
        (["--name", "a", "--expires", "soon"], "neither a span"),
        (["--name", "a", "--role", "root"], "root"),
        ([], "--name"),
    ],
)
def test_what_a_key_cannot_have_is_refused_before_anything_starts(
    arguments: list[str], said: str
) -> None:
    done = CliRunner().invoke(key.command, ["create", *arguments])
    assert done.exit_code == 2
    assert said in done.output
