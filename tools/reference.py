"""``make docs``: docs/cli.md from the commands and docs/settings.md from the settings tree.

With ``--check`` nothing is written; a page that is not what it would be is an error.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from secondbasket.cli.main import COMMANDS, basket
from secondbasket.settings.listing import Setting, all_settings, fields_of_tables

DOCS = Path(__file__).parent.parent / "docs"
_GENERATED = "<!-- Written by `make docs`; change the source, not this page. -->"
_WIDTH = 92  # whatever the terminal has


def main() -> None:
    pages = {
        DOCS / "cli.md": "\n".join(cli_page()),
        DOCS / "settings.md": "\n".join(settings_page()),
    }
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.name} is stale: run `make docs`", file=sys.stderr)
        sys.exit(bool(stale))
    for path in stale:
        path.write_text(pages[path])
        print(f"wrote {path.name}")


def cli_page() -> Iterator[str]:
    """The lines of docs/cli.md."""
    yield "# The command line"
    yield ""
    yield _GENERATED
    yield ""
    yield "`--json` prints one JSON document on standard output; progress and remarks go to"
    yield "standard error. A command that fails says why in one line and exits with status 1; one"
    yield "that was not understood exits with 2."
    context = click.Context(basket, info_name="basket", terminal_width=_WIDTH)
    for section, names in COMMANDS.items():
        yield ""
        yield f"## {section}"
        for name in names:
            command = basket.get_command(context, name)
            assert command is not None
            yield from _command(command, name, context)
    yield ""


def _command(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, parent, info_name=name)
    yield ""
    yield f"### {context.command_path}"
    yield ""
    yield "```text"
    yield command.get_help(context)
    yield "```"
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            inner = command.get_command(context, each)
            assert inner is not None
            yield from _command(inner, each, context)


def settings_page() -> Iterator[str]:
    """The lines of docs/settings.md."""
    yield "# Settings"
    yield ""
    yield _GENERATED
    yield ""
    yield "Options of a command beat environment variables, those beat `basket.toml` in the home"
    yield "(`SECONDBASKET_HOME`), and that beats the defaults. `basket settings` shows what is in"
    yield "force and where it came from. A list in a variable is separated by commas, a table is a"
    yield "JSON object, and an empty variable means: not set."
    section = ""
    tables = fields_of_tables()
    for setting in all_settings():
        name = setting.key.partition(".")[0]
        if name != section:
            section = name
            heading = f"{name}.NAME" if name in tables else name
            yield ""
            yield f"## [{heading}]"
        if setting.key in tables:
            if setting.key != name:
                yield ""
                yield f"### [{setting.key}.NAME]"
            yield ""
            yield f"{setting.description} The whole table in one variable: `{setting.variable}`."
            for field in tables[setting.key]:
                yield from _setting(field, variable=False)
        else:
            yield from _setting(setting, variable=True)
    yield ""


def _setting(setting: Setting, *, variable: bool) -> Iterator[str]:
    unit = f" ({setting.unit})" if setting.unit else ""
    default = "" if setting.kind.startswith("required") else f", default {_default(setting)}"
    yield ""
    yield f"**`{setting.key}`** {setting.kind}{unit}{default}"
    if variable:
        yield f"· `{setting.variable}`"
    yield ""
    yield setting.description


def _default(setting: Setting) -> str:
    if setting.default is None:
        return "not set"
    if setting.default == []:
        return "empty"
    if isinstance(setting.default, bool):
        return f"`{str(setting.default).lower()}`"
    return f"`{setting.default}`"


if __name__ == "__main__":
    main()
