"""The log: lines for people, objects for machines, no cries about what is meant."""

import json
import logging
from collections.abc import Iterator

import pytest

from secondbasket.cli.log import configure


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for library in ("alembic", "uvicorn"):
        logging.getLogger(library).setLevel(logging.NOTSET)


def test_json_is_one_object_a_line_with_the_exception_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "json")
    logging.getLogger("secondbasket.test").info("first %d\nsecond", 1)
    try:
        raise ValueError("the reason")
    except ValueError:
        logging.getLogger("secondbasket.test").exception("it failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["message"]) == ("info", "first 1\nsecond")
    assert first["logger"] == "secondbasket.test"
    assert first["at"].endswith("Z")
    assert "the reason" in second["exception"]


def test_the_level_and_the_libraries_small_talk(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text")
    logging.getLogger("secondbasket.test").debug("a detail")
    logging.getLogger("alembic.runtime").info("small talk")
    logging.getLogger("uvicorn.error").error("ASGI callable returned without completing response.")
    logging.getLogger("uvicorn.error").error("a real error")
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "a real error"
    ]
    configure("debug", "text")
    logging.getLogger("alembic.runtime").warning("worth telling")
    assert "worth telling" in capsys.readouterr().err


def test_lines_for_people_do_not_steer_their_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text")
    logging.getLogger("secondbasket.test").info("said \x1b[2J\x9b\u202e.\nnext")
    assert capsys.readouterr().err.endswith("said  [2J  .\nnext\n")
