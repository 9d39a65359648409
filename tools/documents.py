"""Are the documents sound: do links lead somewhere, do the examples at least parse?

Run as ``python -m tools.documents``. That the examples *work* is a test's business
(tests/acceptance/test_documents.py), which runs every block marked ``runnable``.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from markdown_it import MarkdownIt

from tools.locks import ROOT


class Block(NamedTuple):
    """A fenced block: its file, first line, language, other words of the fence, and text."""

    path: Path
    line: int
    language: str
    marks: frozenset[str]
    text: str

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """The shell commands: all of a `sh` block, the `$ ` lines of a `console` block."""
        if self.language == "sh":
            return [self.text]
        return [command for command, _ in transcript(self.text)]


def documents() -> list[Path]:
    """Every Markdown file of the repository that people read."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("design/**/*.md")])


def blocks(path: Path) -> Iterator[Block]:
    for token in MarkdownIt().parse(path.read_text()):
        if token.type == "fence" and token.map:
            language, *marks = token.info.split() or [""]
            yield Block(path, token.map[0] + 1, language, frozenset(marks), token.content)


def transcript(text: str) -> list[tuple[str, str]]:
    """A console block as (command, output) pairs; a trailing backslash continues a command."""
    pairs: list[tuple[str, str]] = []
    continued = False
    for line in text.splitlines():
        if continued:
            command, output = pairs[-1]
            pairs[-1] = (f"{command}\n{line.removeprefix('> ')}", output)
        elif line.startswith("$ "):
            pairs.append((line.removeprefix("$ "), ""))
        elif pairs:
            command, output = pairs[-1]
            pairs[-1] = (command, f"{output}{line}\n")
            continue
        continued = line.endswith("\\")
    return pairs


def check_block(block: Block) -> str | None:
    """Why the example cannot be right, or None."""
    try:
        if block.language in {"sh", "console"}:
            for command in block.commands():
                subprocess.run(
                    ["bash", "-n"], input=command, text=True, check=True, capture_output=True
                )
        elif block.language == "python":
            compile(block.text, block.place, "exec")
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
    except subprocess.CalledProcessError as exc:
        return f"{block.place}: {exc.stderr.strip()}"
    except (SyntaxError, ValueError) as exc:
        return f"{block.place}: {exc}"
    return None


def anchors(path: Path) -> set[str]:
    """The fragment of every heading, as the common Markdown renderers make them."""
    tokens = MarkdownIt().parse(path.read_text())
    titles = [
        tokens[position + 1].content
        for position, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_links(path: Path) -> Iterator[str]:
    """Links to files or headings that are not there."""
    for token in MarkdownIt().parse(path.read_text()):
        for child in token.children or []:
            target = str(child.attrs.get("href") or child.attrs.get("src") or "")
            if not target or re.match(r"[a-z]+:", target):
                continue
            file, _, fragment = unquote(target).partition("#")
            aim = (path.parent / file).resolve() if file else path
            if not aim.exists():
                yield f"{path.relative_to(ROOT)}: link to {target}, which does not exist"
            elif fragment and aim.suffix == ".md" and fragment not in anchors(aim):
                yield f"{path.relative_to(ROOT)}: {target} has no such heading"


_SOURCES = ROOT / "src" / "secondbasket"
_PLACE = re.compile(r"[a-z_]+(?:/[a-z_]+)*(?:/|\.py)")


def check_places(path: Path) -> Iterator[str]:
    """Files and folders of the package that a page names in `code` and that are not there."""
    for token in MarkdownIt().parse(path.read_text()):
        for child in token.children or []:
            name = child.content
            if child.type != "code_inline" or not _PLACE.fullmatch(name):
                continue
            if not (_SOURCES / name).exists() and not (ROOT / name).exists():
                yield f"{path.relative_to(ROOT)}: names {name}, which does not exist"


def check_all() -> list[str]:
    problems = [problem for path in documents() for problem in check_links(path)]
    for path in documents():
        if path.name != "CHANGELOG.md":  # it tells of what once was
            problems.extend(check_places(path))
    for path in documents():
        problems.extend(filter(None, map(check_block, blocks(path))))
    return problems


if __name__ == "__main__":
    if found := check_all():
        sys.exit("\n".join(found))
