"""What somebody tells memory: the statement, what it rests on, and when it holds."""

from typing import Literal

import msgspec

from secondbasket.core.clock import parse, timestamp
from secondbasket.core.data_class import DataClass
from secondbasket.errors import InvalidRequest

Kind = Literal["fact", "episode", "procedure", "preference"]
"""What is so; what happened; how something is done; how somebody wants it."""

KINDS: tuple[Kind, ...] = ("fact", "episode", "procedure", "preference")
SOURCE_KINDS = ("task", "document", "person", "message")
COMPANY = ""
"""The worker of a memory that belongs to all of them."""

MOST_TEXT = 2_000
MOST_TERM = 200
MOST_ID = 200
MOST_BASES = 32


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something told.

    `subject`, `predicate` and `object` say it as data: a fact has all three,
    the other kinds may. `text` is the sentence; a fact without one is its three
    terms. `sources` are what this one telling rests on, each as KIND:ID with a
    kind of `SOURCE_KINDS`: where one of them is erased, the telling is.
    `derived_from` are ids of memories that it was made of. `worker` is whose it
    is, `COMPANY` everybody's. Moments are RFC 3339; without `valid_from` it
    holds from when it is told. `several`: the subject can have more than one
    such object, so that another one contradicts nothing. `confidence` is above
    0, at most 1.
    """

    kind: Kind
    sources: tuple[str, ...]
    text: str = ""
    subject: str = ""
    predicate: str = ""
    object: str = ""
    derived_from: tuple[str, ...] = ()
    worker: str = COMPANY
    data_class: str = DataClass.INTERNAL.label
    valid_from: str | None = None
    valid_until: str | None = None
    confidence: float = 0.7
    several: bool = False

    @property
    def structured(self) -> bool:
        """Does it say what of what? Then another object for the same contradicts it."""
        return bool(self.subject and self.predicate)

    @property
    def meaning(self) -> str:
        """What its vector is made of: the terms where it has them, however the sentence puts it."""
        return meaning_of(self.sentence, self.subject, self.predicate, self.object)

    @property
    def sentence(self) -> str:
        return self.text or " ".join(filter(None, (self.subject, self.predicate, self.object)))


class Correction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is right in place of what is kept; a field that is None stays. `by` is the person."""

    by: str
    text: str | None = None
    subject: str | None = None
    predicate: str | None = None
    object: str | None = None


def meaning_of(sentence: str, *terms: str) -> str:
    return " ".join(terms) if all(terms) else sentence


def checked(told: Statement) -> Statement:
    """`told` with its texts stripped and its moments as `timestamp` writes them.

    Raises InvalidRequest naming the field that is wrong.
    """
    fields = {
        name: getattr(told, name).strip() for name in ("text", "subject", "predicate", "object")
    }
    for name, value in fields.items():
        most = MOST_TEXT if name == "text" else MOST_TERM
        if len(value) > most:
            raise _wrong(name, f"{name} has {len(value)} characters of at most {most}")
        if "\0" in value:
            raise _wrong(name, f"{name} holds a NUL character")
    if told.kind == "fact" and not all(fields[n] for n in ("subject", "predicate", "object")):
        raise _wrong("subject", "a fact needs a subject, a predicate and an object")
    if bool(fields["subject"]) != bool(fields["predicate"]):
        raise _wrong("predicate", "a subject needs a predicate, and a predicate a subject")
    if fields["subject"] and not fields["object"]:
        raise _wrong("object", "a subject and a predicate need an object")
    if not told.sources:
        raise _wrong("sources", "a memory needs at least one source")
    if len(told.sources) + len(told.derived_from) > MOST_BASES:
        raise _wrong("sources", f"a memory rests on at most {MOST_BASES} things")
    if not 0 < told.confidence <= 1:
        raise _wrong("confidence", f"confidence {told.confidence} is not above 0 and at most 1")
    if len(told.worker) > MOST_ID:
        raise _wrong("worker", f"a worker's name has at most {MOST_ID} characters")
    begins = moment_of("valid_from", told.valid_from)
    ends = moment_of("valid_until", told.valid_until)
    if begins is not None and ends is not None and ends <= begins:
        raise _wrong("valid_until", "valid_until is not after valid_from")
    return msgspec.structs.replace(
        told,
        **fields,
        sources=tuple(sorted({source_of(each) for each in told.sources})),
        derived_from=tuple(sorted(set(told.derived_from))),
        data_class=class_of(told.data_class).label,
        valid_from=begins,
        valid_until=ends,
    )


def source_of(text: str) -> str:
    """`text` as a source is written. Raises InvalidRequest."""
    kind, _, name = text.strip().partition(":")
    if kind not in SOURCE_KINDS or not name.strip() or len(text) > MOST_ID or "\0" in text:
        kinds = ", ".join(SOURCE_KINDS)
        raise _wrong(
            "source", f"{text[:60]!r} is no source: write KIND:ID, the kind being one of {kinds}"
        )
    return f"{kind}:{name.strip()}"


def class_of(label: str) -> DataClass:
    """Raises InvalidRequest."""
    try:
        return DataClass.parse(label)
    except ValueError as exc:
        raise _wrong("data_class", str(exc)) from exc


def is_person(source: str) -> bool:
    return source.startswith("person:")


def moment_of(name: str, text: str | None) -> str | None:
    """`text` as `timestamp` writes it, None for None. Raises InvalidRequest."""
    if text is None:
        return None
    try:
        return timestamp(parse(text))
    except ValueError as exc:
        raise _wrong(name, f"{name} is {text[:40]!r}, not an RFC 3339 moment") from exc


def _wrong(param: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"This cannot be remembered: {what}.", param=param)
