"""Killed -9 at every boundary: nothing is lost, nothing is done twice, nobody has to help."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from secondbasket.core.task import Order
from secondbasket.stores.database import Database
from tests.integration.apps.tasks.crews import ADMIN, USER, Trace, office
from tests.integration.apps.tasks.night import POINTS

WORKER = """---
name: poster
role: poster of letters
tools: [post.letter]
autonomy: {default: act}
plan:
  - id: letters
    each: "['one', 'two', 'three']"
    tool: post.letter
    arguments: {text: "{{ task.text }} {{ item }}"}
---
"""


def start(url: str, home: Path, point: str, nth: int) -> subprocess.Popen[bytes]:
    order = [sys.executable, "-m", "tests.integration.apps.tasks.night", url, str(home), point]
    return subprocess.Popen([*order, str(nth)], stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("point", POINTS)
async def test_a_task_survives_a_kill(
    database: Database, database_url: str, tmp_path: Path, point: str
) -> None:
    unused = Trace("post.letter", tmp_path / "posted")
    async with office(
        database, tmp_path, [unused], workers={"poster": WORKER}, working=False
    ) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        with start(database_url, tmp_path, point, 2 if "claim" not in point else 1) as first:
            first.wait(60)
        began = time.monotonic()
        with start(database_url, tmp_path, "-", 0) as second:
            assert second.wait(60) == 0
        assert time.monotonic() - began < 20
        shown = await place.board.show(ADMIN, task.id)
        assert shown.task.state == "done", shown.task
        lines = (tmp_path / "posted").read_text().splitlines()
        assert [line.partition(" ")[2] for line in lines] == [
            "hello one",
            "hello two",
            "hello three",
        ]
        assert Counter(each.state for each in shown.effects) == {"done": 3}
        assert len({line.split()[0] for line in lines}) == 3
        assert [each.position for each in shown.steps] == [0, 1, 2, 3]
