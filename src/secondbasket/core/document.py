"""Documents in the words that ingest, search, tools and doors share."""

from typing import Literal

import msgspec

DEFAULT_COLLECTION = "documents"


class Passage(msgspec.Struct, frozen=True):
    """A piece of a document, short enough to be found and cited.

    `place` is where it stands ('page 3', "sheet 'Prices' rows 1-20", 'slide 2',
    'Installation > Linux'); `heading` what stands above it, for search alone.
    """

    place: str
    heading: str
    text: str


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """Documents that are searched together. `data_class` is the label of the class of all that
    they hold, `embedding` the basket that its vectors are of, empty where it has none."""

    name: str
    data_class: str
    embedding: str
    created_at: str
    documents: int = 0
    passages: int = 0


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it was read. `source` is its path, `size` its bytes, `sha256` of them in hex."""

    id: str
    collection: str
    source: str
    sha256: str
    kind: str
    size: int
    passages: int
    added_at: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A passage and where it stands: `position` counts the passages of its document from 0.

    `score` is good for comparing the results of one search, and for nothing else.
    """

    document: str
    collection: str
    source: str
    place: str
    text: str
    score: float
    data_class: str
    position: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found, best first. `by` tells what it was ranked by; where that is words
    alone, `note` says why."""

    found: tuple[Found, ...]
    by: Literal["words and meaning", "words"]
    note: str = ""


class Extract(msgspec.Struct, frozen=True, kw_only=True):
    """Passages of one document, in its order. `next` is the position to go on at, None at the
    end."""

    document: Document
    data_class: str
    passages: tuple[Found, ...]
    next: int | None = None


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was not taken, and why."""

    source: str
    problem: str
    hint: str = ""


class FileRead(msgspec.Struct, frozen=True, kw_only=True):
    """How far an ingest is: `done` files of `total`, the last of them `source`."""

    source: str
    done: int
    total: int


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What an ingest did, in files; `passages` counts those that are new. `skipped` are files of
    kinds that are no documents."""

    collection: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: int = 0
    passages: int = 0
    unreadable: tuple[Unreadable, ...] = ()


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What is gone: the sources, and how many passages, vectors and entries of the word index."""

    collection: str
    sources: tuple[str, ...]
    passages: int
    vectors: int
    words: int
