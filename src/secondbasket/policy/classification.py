"""What a request counts as, and what made it so."""

from collections.abc import Mapping

import msgspec

from secondbasket.core.data_class import DataClass


class Finding(msgspec.Struct, frozen=True):
    """How often something of a `kind` was found, never what; it raises its text to `data_class`."""

    kind: str
    data_class: DataClass
    count: int


class Classification(msgspec.Struct, frozen=True, kw_only=True):
    """The class of a request is the highest that any of its `sources` gives it.

    `sources` maps 'default', 'key', 'project', 'header', 'detectors' and
    'unread parts', those that have a say, to the class that each asks for;
    'answer' is what was found in the answer so far, before another upstream
    was to go on with it.
    """

    data_class: DataClass
    sources: Mapping[str, DataClass]
    findings: tuple[Finding, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def raised_by(self) -> tuple[str, ...]:
        """The sources without which it would be lower."""
        return tuple(name for name, each in self.sources.items() if each == self.data_class)
