"""Every shell block that a document marks `runnable` does what the document shows.

The blocks of one page run in order in one shell against the running product. What a page shows is
compared by shape: identifiers, digests and numbers differ from run to run, words do not. An `…` in
a shown line stands for anything, a line of nothing else for any number of lines.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import BASKET, Running, environment, running
from tools.documents import blocks, documents, transcript

_DEFAULT = {"SECONDBASKET_ENGINE_SECOND": "openvino"}
_PAGES = [path for path in documents() if any("runnable" in block.marks for block in blocks(path))]
_PATH = f"{Path(BASKET).parent}:{os.environ['PATH']}"
# The machine that the shown output was taken on.
_CHIP = "Intel(R) Xeon(R) Processor"
_MARK = "--- done "


@pytest.fixture(scope="module")
def server(stocked_module_home: Path) -> Iterator[Running]:
    """The product as it comes, its second engine included."""
    with running(stocked_module_home, settings=_DEFAULT) as product:
        yield product


def _commands(page: Path) -> Iterator[tuple[str, str]]:
    for block in blocks(page):
        if "runnable" not in block.marks:
            continue
        if block.language == "python":
            yield f"{sys.executable} - <<'END'\n{block.text}\nEND", "…"
        else:
            yield from transcript(block.text)


def _shape(text: str) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r" \(\d+ from cache\)", "", text)
    text = re.sub(r"\b[a-z]+_[0-9a-z]{26}\b", "ID", text)
    text = re.sub(r"sk-basket-[\w.-]+", "KEY", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "DIGEST", text)
    text = re.sub(r"\d[\d.,:]*", "0", text)
    return re.sub(r"[ \t─-]+", " ", text)


def _shows(shown: str, told: str) -> bool:
    lines = [_shape(line).strip() for line in shown.strip().splitlines()]
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\s*\n"
        for line in lines
    )
    actual = "".join(f"{_shape(line).strip()}\n" for line in told.strip().splitlines())
    return re.fullmatch(pattern, actual) is not None


def test_shapes_forget_numbers_and_keep_words() -> None:
    assert _shows("3 tokens, 1.25 s\n", "41 tokens, 0.3 s\n")
    assert not _shows("3 tokens\n", "3 bananas\n")
    assert _shows("first\n…\nlast\n", "first\na\nb\nlast\n")
    assert not _shows("first\nlast\n", "first\na\nlast\n")
    assert _shows("Paris…\n", "Paris is a town.\n")


def test_the_readme_has_examples_that_run() -> None:
    assert "README.md" in {page.name for page in _PAGES}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_work_as_shown(page: Path, server: Running, tmp_path: Path) -> None:
    address = f"127.0.0.1:{server.port}"
    local_key = (server.home / "secrets" / "local.key").read_text().strip()
    pairs = list(_commands(page))
    script = "".join(
        f"{command.replace('127.0.0.1:8400', address)}\necho '{_MARK}'$?\n" for command, _ in pairs
    )
    shell = subprocess.run(
        ["bash"],
        input=script,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env=environment(server.home, **_DEFAULT, BASKET_KEY=local_key, NO_COLOR="1", PATH=_PATH),
        timeout=300,
        check=True,
    )
    output = shell.stdout.replace(address, "127.0.0.1:8400")
    for chip in server.basket("chips"):
        output = output.replace(chip["name"], _CHIP)
    told = output.split(_MARK)
    outputs = [told[0], *(part.partition("\n")[2] for part in told[1:-1])]
    statuses = [part.partition("\n")[0] for part in told[1:]]
    for (command, shown), output, status in zip(pairs, outputs, statuses, strict=True):
        assert status == "0", f"$ {command}\n{output}"
        assert _shows(shown, output), f"$ {command}\nshown:\n{shown}\ntold:\n{output}"
