"""A scripted month: a thousand events as a company's workers see them, and what is true at its end.

Deterministic. Every value is used once, so that what was erased can be looked
for everywhere by it. The phrases were written before the rules of admission and
likeness were tried on them; design/memory.md has what the first run gave.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from secondbasket.apps.memory.statement import Kind
from secondbasket.core.clock import timestamp

EVENTS = 1_000
_BEGIN = datetime(2026, 10, 1, 7, 0, tzinfo=UTC)

PEOPLE = (
    "Anna Berg", "Bruno Keller", "Carla Rossi", "Dmitri Orlov", "Elif Kaya", "Femke Visser",
    "Georg Huber", "Hanna Lind", "Ivo Novak", "Jana Horak", "Karim Haddad", "Lea Martin",
    "Marek Wolski", "Nora Jansen", "Oskar Dahl", "Petra Vogel", "Rosa Silva", "Sven Aalto",
)  # fmt: skip
SUPPLIERS = (
    "Alpen Stahl", "Baltic Fasteners", "Corvus Coatings", "Delta Hydraulics", "Elbe Castings",
    "Fjord Seals", "Garonne Plastics", "Helvetia Bearings", "Iberia Wire", "Jura Optics",
    "Krona Motors", "Lumen Lamps", "Meuse Chemicals", "Neckar Tools",
)  # fmt: skip
MACHINES = (
    "press 3", "lathe 7", "mill 12", "oven 2", "robot R4", "conveyor B", "paint line 1",
    "compressor 5", "laser cutter 9", "test bench 6",
)  # fmt: skip

# predicate, the ways to say it with {s} and {o}, other names for the predicate, a value of {n}
_ABOUT: dict[str, tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...]] = {
    "person": (
        ("extension", ("{s} can be reached at extension {o}", "the extension of {s} is {o}",
                       "You get {s} on {o}"), ("phone extension", "internal number"), "{n}"),
        ("office", ("{s} sits in {o}", "{s}'s office is {o}", "{o} is where {s} works"),
         ("room", "desk location"), "room B-{n}"),
        ("deputy", ("{o} stands in for {s}", "the deputy of {s} is {o}",
                    "when {s} is away, {o} takes over"), ("substitute", "stand-in"),
         "colleague no. {n}"),
        ("cost centre", ("{s} books on {o}", "{s} is on cost centre {o}"),
         ("cost center", "booking account"), "CC-{n}"),
    ),
    "supplier": (
        ("lead time", ("{s} delivers within {o}", "the lead time of {s} is {o}",
                       "Count on {o} for deliveries from {s}"), ("delivery time",), "{n} hours"),
        ("account number", ("{s} knows us as {o}", "our account number at {s} is {o}"),
         ("customer number", "client number"), "K-{n}"),
        ("discount code", ("orders at {s} carry {o}", "{s} grants us rebate {o}"),
         ("rebate code",), "RB{n}"),
        ("contact", ("at {s} we talk to {o}", "our contact at {s} is {o}"),
         ("contact person",), "agent {n}"),
    ),
    "machine": (
        ("service interval", ("{s} is serviced every {o}", "the service interval of {s} is {o}"),
         ("maintenance interval",), "{n} hours"),
        ("spare part", ("{s} takes spare part {o}", "the filter for {s} is {o}"),
         ("replacement part",), "SP-{n}"),
        ("pressure limit", ("{s} may run at {o} at most", "the pressure limit of {s} is {o}"),
         ("maximum pressure",), "{n} kPa"),
    ),
}  # fmt: skip
_SUBJECTS = {"person": PEOPLE, "supplier": SUPPLIERS, "machine": MACHINES}

# Each row says one thing in several ways. {p} is a person, {q} a supplier, {n} a number.
_EPISODES = (
    ("{q} shipped {n} crates to the wrong plant.",
     "{n} crates from {q} were sent to the wrong plant."),
    ("The audit by {q} found {n} open points.", "{q} found {n} open points in its audit."),
    ("{p} negotiated a price cut of {n} euros with {q}.",
     "A price cut of {n} euros was negotiated with {q} by {p}."),
    ("Order {n} at {q} was cancelled because the drawings were outdated.",
     "Because the drawings were outdated, order {n} at {q} was cancelled."),
    ("The delivery of {q} on truck {n} arrived with broken seals.",
     "Broken seals were found on the delivery of {q} on truck {n}."),
    ("{p} closed complaint {n} after the customer accepted a refund.",
     "Complaint {n} was closed by {p} once the customer had accepted a refund."),
    ("Batch {n} failed the hardness test at {q}.",
     "The hardness test at {q} was failed by batch {n}."),
    ("{p} presented the budget draft {n} to the board.",
     "The board was presented budget draft {n} by {p}."),
)  # fmt: skip
_PREFERENCES = (
    ("{p} wants reports as a table with at most {n} rows.",
     "Reports for {p} should be a table of at most {n} rows."),
    ("{p} prefers to be called before {n} minutes past the hour.",
     "Call {p} before {n} minutes past the hour, as {p} prefers."),
    ("Always send {p} the figures for plant {n} in euros.",
     "The figures for plant {n} should always be sent to {p} in euros."),
    ("{p} never wants attachments larger than {n} kB.",
     "{p} wants attachments never to be larger than {n} kB."),
)  # fmt: skip
_PROCEDURES = (
    ("To release batch {n}, weigh it, photograph the label, then sign the form with {p}.",
     "Batch {n} is released by weighing it, photographing the label, signing the form with {p}."),
    ("Invoices of {q} above {n} euros: check the order, have {p} sign, then pay within the week.",
     "For invoices of {q} above {n} euros check the order, let {p} sign and pay within the week."),
    ("When alarm {n} rings, stop the line, call {p}, and write the shift log.",
     "If alarm {n} rings, the line is stopped, {p} is called and the shift log is written."),
)  # fmt: skip

_COURTESIES = (
    "Good morning!", "Hi there, hope you are well.", "Thanks a lot!",
    "Thank you so much for your help.",
    "Have a great weekend everyone!", "Hello {p}", "Perfect, thanks {p}!", "Kind regards, {p}",
    "See you tomorrow!", "Congratulations!", "Great job, team!", "Ok, sounds good.",
    "You're welcome :)", "Happy birthday, {p}!", "No problem at all.", "Talk to you soon!",
    "Guten Morgen zusammen!", "Vielen Dank und schöne Grüße", "Merci beaucoup !", "lol",
    "That's awesome, well done!", "Hey {p}, how are you doing?", "Enjoy your lunch!",
    "Best wishes for the new year", "Sorry for the late reply.", "Welcome back, {p}!",
    "Cheers!", "Noted, thanks.", "Will do!", "Sure thing.",
)  # fmt: skip
_ASKED = (
    "Please summarise the complaints about {q} and list the three most frequent causes.",
    "Compare the invoices of {q} with the orders and write down every difference.",
    "Draft a reply to {p} about the delayed delivery of {q}.",
    "Can you check whether {q} has sent the certificates for the last quarter?",
    "Prepare the agenda for the meeting with {p} on the budget.",
)
_RESTATED = (
    "The task is to summarise the complaints about {q} and list the most frequent causes.",
    "Compare the invoices of {q} with the orders; write down every difference.",
    "A reply to {p} about the delayed delivery of {q} has to be drafted.",
    "Check whether {q} has sent the certificates for the last quarter.",
    "Prepare the agenda for the meeting with {p} on the budget.",
)
_CHATTER = (
    "I will now look at the file.", "Let me check the invoices first.",
    "The user asked for a summary.", "As an AI language model I cannot open attachments.",
    "Step 2 of 5 completed.", "The tool call returned successfully.", "Working on it…",
    "Here is the summary you asked for.", "I have finished reading the document.",
    "Searching the archive for matches.", "What should I do next?", "Could you send me the list?",
    "Is there anything else I can help with?", "No results.", "I'm going to try again later.",
    "The document was read.", "Now writing the report.", "Plan: read, compare, write.",
    "I could not find anything relevant.", "The user seems happy with the answer.",
    "Waiting for approval.", "Task completed successfully.", "We should probably look into this.",
    "Reading page 3 of 12.", "The answer has been sent.",
)  # fmt: skip
_SECRETS = (
    "The password for the wiki is Kp4-{n}-vX!q", "api_key = sk-live{n}Ab3dE5gH7jK9mN2pQ4rS6tU8",
    "Use ghp_{n}aB3dE5gH7jK9mN2pQ4rS6tU8vW0xY2zA4bC6dE for the repository",
    "The database login is postgres://app:S3cr{n}et@db/orders",
)  # fmt: skip


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

    def __init__(self, count: int = EVENTS, seed: int = 2026) -> None:
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
            self._erase: 2,
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
        group = self._chance.choice(list(_ABOUT))
        subject = self._chance.choice(_SUBJECTS[group])
        predicate = self._chance.choice(_ABOUT[group])[0]
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
            ("episode", _EPISODES),
            ("preference", _PREFERENCES),
            ("procedure", _PROCEDURES),
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
        return self._told(kind=kind, text=self._fill(self._chance.choice(_COURTESIES)))

    def _restated(self) -> Event:
        slots = {"p": self._chance.choice(PEOPLE), "q": self._chance.choice(SUPPLIERS)}
        at = self._chance.randrange(len(_ASKED))
        prompt, text = _ASKED[at].format(**slots), _RESTATED[at].format(**slots)
        return self._told(kind="episode", text=text, prompt=prompt)

    def _chatter(self) -> Event:
        return self._told(kind="episode", text=self._chance.choice(_CHATTER))

    def _secret(self) -> Event:
        return self._told(kind="episode", text=self._fill(self._chance.choice(_SECRETS)))

    def _any_line(self) -> tuple[str, str] | None:
        lines = list(self.truth.present())
        return self._chance.choice(lines) if lines else None

    def _about(self, predicate: str) -> tuple[str, tuple[str, ...], tuple[str, ...], str]:
        return next(each for group in _ABOUT.values() for each in group if each[0] == predicate)

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
