"""A scripted month: a thousand events as a company's workers see them, and what is true at its end.

Deterministic. Every value is used once, so that what was erased can be looked
for everywhere by it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from bench.phrases import PEOPLE, SEEN, SUBJECTS, SUPPLIERS, Phrases
from secondbasket.apps.memory.statement import Kind
from secondbasket.core.clock import timestamp

EVENTS = 1_000
_BEGIN = datetime(2026, 10, 1, 7, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """Something that happens. `says` names what a telling says, None where it is not worth keeping.

    For 'correct', `line` is the fact to put right and `object` the right value;
    for 'erase', `source` is what goes.
    """

    at: str
    what: Literal["tell", "correct", "erase"]
    source: str
    kind: Kind = "fact"
    text: str = ""
    subject: str = ""
    predicate: str = ""
    object: str = ""
    prompt: str = ""
    says: str | None = None
    line: tuple[str, str] | None = None


@dataclass
class _Held:
    """One value of a line, and who told it."""

    value: str
    sources: list[str]


@dataclass
class Truth:
    """What is so: the values of each line in their order, and everything that was erased."""

    lines: dict[tuple[str, str], list[_Held]] = field(default_factory=dict)
    sayings: dict[str, set[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    told: dict[str, list[str]] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    ever: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def present(self) -> dict[tuple[str, str], str]:
        return {line: held[-1].value for line, held in self.lines.items() if held}

    def gone(self) -> set[str]:
        """Values that nobody is left to tell."""
        left = {held.value for values in self.lines.values() for held in values}
        left |= {value for value, sources in self.sayings.items() if sources}
        left.update(self.wrong)
        return {value for source in self.erased for value in self.told[source]} - left

    def values(self, line: tuple[str, str]) -> set[str]:
        """Every value that was told of a line, erased and wrong ones too."""
        return self.ever.get(line, set())

    def superseded(self) -> set[tuple[str, str]]:
        return {line for line, held in self.lines.items() if len(held) > 1}

    def note(self, event: Event) -> None:
        if event.what == "erase":
            self.erased.append(event.source)
            for line, values in self.lines.items():
                for held in values:
                    held.sources = [each for each in held.sources if each != event.source]
                self.lines[line] = [held for held in values if held.sources]
            for sources in self.sayings.values():
                sources.discard(event.source)
            return
        if event.says is None:
            return
        self.told.setdefault(event.source, []).append(event.object or event.says)
        if event.line is None:
            self.sayings.setdefault(event.says, set()).add(event.source)
            return
        self.ever.setdefault(event.line, set()).add(event.object)
        values = self.lines.setdefault(event.line, [])
        if event.what == "correct":
            self.wrong.append(values.pop().value)
        if values and values[-1].value == event.object:
            values[-1].sources.append(event.source)
        elif values and _by_person(values[-1].sources) and not _by_person([event.source]):
            return  # a person's word yields to a person's only
        else:
            values.append(_Held(event.object, [event.source]))


def _by_person(sources: list[str]) -> bool:
    return any(each.startswith("person:") for each in sources)


class Month:
    """`events` in their order; `truth` is what they leave behind. `count` events, 1,000 for all."""

    def __init__(self, count: int = EVENTS, *, phrases: Phrases = SEEN, seed: int = 2026) -> None:
        self._phrases = phrases
        self._chance = random.Random(seed)
        self._number = 10_000
        self._serial = 0
        self.truth = Truth()
        """What is so after all events."""
        self.events: list[Event] = []
        self._moments = self._clock(count)
        self._said: list[tuple[Kind, tuple[str, ...], str]] = []
        while len(self.events) < count:
            self._next()

    def _clock(self, count: int) -> Iterator[str]:
        step = timedelta(days=30) / count
        return (timestamp(_BEGIN + step * number) for number in range(2 * count))

    def _next(self) -> None:
        kinds = {
            self._new_fact: 30,
            self._repeat_fact: 17,
            self._change_fact: 11,
            self._correct_fact: 2,
            self._erase: 5,
            self._new_saying: 9,
            self._repeat_saying: 6,
            self._courtesy: 11,
            self._restated: 4,
            self._chatter: 6,
            self._secret: 2,
        }
        make = self._chance.choices(list(kinds), list(kinds.values()))[0]
        event = make()
        if event is not None:
            self.events.append(event)
            self.truth.note(event)

    def _source(self) -> str:
        self._serial += 1
        kind = self._chance.choice(("message", "message", "document", "task"))
        # Documents tell several things, messages one.
        number = self._serial if kind != "document" else self._serial // 12
        return f"{kind}:{kind[0]}{number:05d}"

    def _n(self) -> str:
        self._number += self._chance.randint(3, 9)
        return str(self._number)

    def _fill(self, text: str) -> str:
        return text.format(
            p=self._chance.choice(PEOPLE), q=self._chance.choice(SUPPLIERS), n=self._n()
        )

    def _new_fact(self) -> Event | None:
        group = self._chance.choice(list(self._phrases.about))
        subject = self._chance.choice(SUBJECTS[group])
        predicate = self._chance.choice(self._phrases.about[group])[0]
        if self.truth.lines.get((subject, predicate)):
            return self._repeat_fact()
        return self._fact(subject, predicate, self._value(predicate))

    def _repeat_fact(self) -> Event | None:
        line = self._any_line()
        return None if line is None else self._fact(*line, self.truth.present()[line], again=True)

    def _change_fact(self) -> Event | None:
        line = self._any_line()
        return None if line is None else self._fact(*line, self._value(line[1]))

    def _correct_fact(self) -> Event | None:
        line = self._any_line()
        if line is None:
            return None
        value = self._value(line[1])
        return Event(
            at=next(self._moments),
            what="correct",
            source=f"person:{self._chance.choice(PEOPLE)}",
            object=value,
            says=value,
            line=line,
        )

    def _erase(self) -> Event | None:
        told = [each for each in self.truth.told if each not in self.truth.erased]
        messages = [each for each in told if not each.startswith("person:")]
        if not messages:
            return None
        return Event(at=next(self._moments), what="erase", source=self._chance.choice(messages))

    def _new_saying(self) -> Event:
        groups: tuple[tuple[Kind, tuple[tuple[str, ...], ...]], ...] = (
            ("episode", self._phrases.episodes),
            ("preference", self._phrases.preferences),
            ("procedure", self._phrases.procedures),
        )
        kind, rows = self._chance.choices(groups, (5, 3, 2))[0]
        ways = self._chance.choice(rows)
        slots = {
            "p": self._chance.choice(PEOPLE),
            "q": self._chance.choice(SUPPLIERS),
            "n": self._n(),
        }
        self._said.append((kind, tuple(way.format(**slots) for way in ways), slots["n"]))
        return self._saying(*self._said[-1], way=0)

    def _repeat_saying(self) -> Event | None:
        if not self._said:
            return None
        kind, ways, says = self._chance.choice(self._said)
        if not self.truth.sayings[says]:
            return None  # it was erased: who tells it again says something new
        return self._saying(kind, ways, says, way=self._chance.randrange(len(ways)))

    def _saying(self, kind: Kind, ways: tuple[str, ...], says: str, *, way: int) -> Event:
        return self._told(kind=kind, text=ways[way], says=says)

    def _courtesy(self) -> Event:
        kind: Kind = self._chance.choice(("episode", "preference", "episode"))
        return self._told(kind=kind, text=self._fill(self._chance.choice(self._phrases.courtesies)))

    def _restated(self) -> Event:
        slots = {"p": self._chance.choice(PEOPLE), "q": self._chance.choice(SUPPLIERS)}
        at = self._chance.randrange(len(self._phrases.asked))
        prompt, text = (
            self._phrases.asked[at].format(**slots),
            self._phrases.restated[at].format(**slots),
        )
        return self._told(kind="episode", text=text, prompt=prompt)

    def _chatter(self) -> Event:
        return self._told(kind="episode", text=self._chance.choice(self._phrases.chatter))

    def _secret(self) -> Event:
        return self._told(
            kind="episode", text=self._fill(self._chance.choice(self._phrases.secrets))
        )

    def _any_line(self) -> tuple[str, str] | None:
        lines = list(self.truth.present())
        return self._chance.choice(lines) if lines else None

    def _about(self, predicate: str) -> tuple[str, tuple[str, ...], tuple[str, ...], str]:
        return next(
            each for group in self._phrases.about.values() for each in group if each[0] == predicate
        )

    def _value(self, predicate: str) -> str:
        return self._about(predicate)[3].format(n=self._n())

    def _fact(self, subject: str, predicate: str, value: str, *, again: bool = False) -> Event:
        _, ways, others, _ = self._about(predicate)
        text = self._chance.choice(ways).format(s=subject, o=value)
        said = predicate
        if again:
            spellings = (
                predicate,
                f"the {predicate}",
                predicate.title(),
                f"has {predicate}",
                *others,
            )
            said = self._chance.choice(spellings)
            subject_said = self._chance.choice((subject, subject.upper(), f"the {subject}"))
        else:
            subject_said = subject
        return self._told(
            kind="fact",
            text=text,
            subject=subject_said,
            predicate=said,
            object=value,
            says=value,
            line=(subject, predicate),
        )

    def _told(
        self,
        *,
        kind: Kind,
        text: str,
        subject: str = "",
        predicate: str = "",
        object: str = "",  # noqa: A002 - the field's own name
        prompt: str = "",
        says: str | None = None,
        line: tuple[str, str] | None = None,
    ) -> Event:
        return Event(
            at=next(self._moments),
            what="tell",
            source=self._source(),
            kind=kind,
            text=text,
            subject=subject,
            predicate=predicate,
            object=object,
            prompt=prompt,
            says=says,
            line=line,
        )
