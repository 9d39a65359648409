"""Tell, contradict, correct, forget, erase and recall in any order: what is present answers, and
what was erased is nowhere."""

import asyncio
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, delete, select

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.statement import Correction
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.policy.classification import Classification
from secondbasket.stores.database import Database
from secondbasket.stores.schema import memories as table
from secondbasket.stores.schema import memory_vectors, memory_words, metadata
from tests.integration.apps.memory.test_memories import fact
from tests.integration.apps.memory.test_removal import contents

SUBJECTS = ("heron", "otter", "lynx")
SOURCES = ("message:m1", "document:d1", "task:t1")


class Remembering(RuleBasedStateMachine):
    """The model: for each subject its values in their order, and for each value who told it."""

    url: ClassVar[str]
    embedder: ClassVar[object]

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.database = Database(self.url)
        self.runner.run(self.database.migrate())
        self.runner.run(self.database.write(_empty))
        decisions: list[Decision] = []

        async def classify(text: str, data_class: DataClass) -> Classification:
            return Classification(data_class=data_class, sources={})

        self.memories = Memories(
            self.database,
            classify=classify,
            record=decisions.append,
            embedder=self.embedder,  # type: ignore[arg-type]  # scripted, and of the same shape
        )
        self.lines: dict[str, list[tuple[str, set[str]]]] = {}
        self.said: set[str] = set()
        self.wrong: dict[str, tuple[set[str], str]] = {}
        self.number = 0

    def word(self) -> str:
        self.number += 1
        return f"value{self.number:04d}"

    @rule(subject=st.sampled_from(SUBJECTS), source=st.sampled_from(SOURCES))
    def tell(self, subject: str, source: str) -> None:
        """Something new of it: what was known ends, where no person said it."""
        value = self.word()
        kept = self.runner.run(self.memories.remember(fact(subject, "code", value, source)))
        values = self.lines.setdefault(subject, [])
        if values and any(each.startswith("person:") for each in values[-1][1]):
            assert kept.outcome == "contested"
        else:
            assert kept.outcome == ("superseded" if values else "kept")
            values.append((value, {source}))
            self.said.add(value)

    @rule(subject=st.sampled_from(SUBJECTS), source=st.sampled_from(SOURCES))
    def repeat(self, subject: str, source: str) -> None:
        if values := self.lines.get(subject):
            told = fact(f"the {subject.upper()}", "has code", values[-1][0], source)
            assert self.runner.run(self.memories.remember(told)).outcome == "merged"
            values[-1][1].add(source)

    @rule(subject=st.sampled_from(SUBJECTS), person=st.sampled_from(["person:a", "person:b"]))
    def correct(self, subject: str, person: str) -> None:
        if values := self.lines.get(subject):
            wrong, sources = values.pop()
            value = self.word()
            memory_id = self.find(subject)
            correction = Correction(by=person, object=value)
            self.runner.run(self.memories.correct(memory_id, correction))
            values.append((value, {person}))
            self.wrong[wrong] = (sources, subject)
            self.said.add(value)

    @rule(subject=st.sampled_from(SUBJECTS))
    def forget(self, subject: str) -> None:
        if self.lines.get(subject):
            self.runner.run(self.memories.forget(self.find(subject)))
            self.lines[subject] = []
            for value in [each for each, (_, about) in self.wrong.items() if about == subject]:
                del self.wrong[value]

    @rule(source=st.sampled_from([*SOURCES, "person:a", "person:b"]))
    def erase(self, source: str) -> None:
        self.runner.run(self.memories.erase(source))
        for subject, values in self.lines.items():
            for _, sources in values:
                sources.discard(source)
            self.lines[subject] = [each for each in values if each[1]]
        for sources, _ in self.wrong.values():
            sources.discard(source)

    def find(self, subject: str) -> str:
        (present,) = self.about(subject)
        return present[1]

    def about(self, subject: str) -> list[tuple[str, str]]:
        found = self.runner.run(self.memories.recall(f"{subject} code", limit=50))
        return [
            (each.memory.object, each.memory.id)
            for each in found
            if each.memory.subject.casefold().endswith(subject)
        ]

    @invariant()
    def what_is_present_answers_and_nothing_else(self) -> None:
        if hasattr(self, "lines"):
            for subject, values in self.lines.items():
                expected = [values[-1][0]] if values else []
                assert [value for value, _ in self.about(subject)] == expected

    @invariant()
    def what_nobody_tells_any_more_is_nowhere(self) -> None:
        if hasattr(self, "lines"):
            left = {value for values in self.lines.values() for value, _ in values}
            left |= {value for value, (sources, _) in self.wrong.items() if sources}
            held = self.runner.run(self.database.read(contents))
            assert {value for value in self.said if value in held} <= left

    @invariant()
    def both_indexes_hold_memories_only(self) -> None:
        if hasattr(self, "lines"):
            ids, indexed = self.runner.run(self.database.read(_ids))
            assert indexed <= ids

    def teardown(self) -> None:
        if hasattr(self, "lines"):
            self.database.close()
            self.runner.close()


def _empty(connection: Connection) -> None:
    for each in metadata.sorted_tables:
        connection.execute(delete(each))


def _ids(connection: Connection) -> tuple[set[str], set[str]]:
    indexed = {
        *connection.scalars(select(memory_words.c.memory_id)),
        *connection.scalars(select(memory_vectors.c.memory_id)),
    }
    return set(connection.scalars(select(table.c.id))), indexed


@pytest.mark.parametrize("by", ["words", "words and vectors"])
def test_memory_answers_what_is_so_whatever_happens_in_whatever_order(
    database_url: str, by: str, request: pytest.FixtureRequest
) -> None:
    embedder = request.getfixturevalue("counting") if by != "words" else None
    machine = type("RememberingHere", (Remembering,), {"url": database_url, "embedder": embedder})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
