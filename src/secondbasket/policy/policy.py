"""The policy in force: what a request counts as, and who may see it. Pure, and slow for long texts.

A class is only ever raised: nothing that is found, said or configured takes a
request below what something else has asked for.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points

from secondbasket.core.data_class import DataClass
from secondbasket.core.plugins import load
from secondbasket.core.ports import Detector, UpstreamFacts
from secondbasket.core.reading import Reading
from secondbasket.errors import PluginError
from secondbasket.policy.classification import Classification, Finding
from secondbasket.policy.rules import Rule, Rules
from secondbasket.policy.texts import Texts
from secondbasket.policy.verdict import Verdict

_GROUP = "secondbasket.detectors"
_LONGEST_HOLD = 0.001
_PIECE, _OVERLAP = 131_072, 2_048


def load_detectors() -> dict[str, Detector]:
    """Every installed detector, by name. Raises PluginError where one cannot be loaded.

    Unlike a chip's probe, none is left out: what it would have found would go unseen.
    """
    names = sorted({entry.name for entry in entry_points(group=_GROUP)})
    detectors: dict[str, Detector] = {
        name: create() for name, create in load(_GROUP, names).items()
    }
    for name, detector in detectors.items():
        # The settings know it by the one name, its findings by the other.
        if detector.name != name:
            raise PluginError(
                f"The detector {name!r} calls itself {detector.name!r}.",
                hint="Its entry point and its name must be the same: tell its author.",
            )
    return detectors


class Policy:
    """`classes` says what a detector's findings raise a text to, where not to its own class;
    None switches it off. `default_class` is what every request counts as at least,
    `unread_class` one with parts that cannot be read. Without `detectors` nothing is looked at.
    """

    def __init__(
        self,
        *,
        rules: Iterable[Rule] = (),
        detectors: Iterable[Detector] = (),
        classes: Mapping[str, DataClass | None] | None = None,
        default_class: DataClass = DataClass.INTERNAL,
        unread_class: DataClass = DataClass.CONFIDENTIAL,
    ) -> None:
        self._rules = Rules(rules)
        self._default_class = default_class
        self._unread_class = unread_class
        given = classes or {}
        self._detectors = tuple(
            (detector, data_class)
            for detector in detectors
            if (data_class := given.get(detector.name, detector.data_class)) is not None
        )

    @property
    def looks(self) -> bool:
        """Does it look at texts at all?"""
        return bool(self._detectors)

    def classify(self, texts: Texts, floor: Mapping[str, DataClass]) -> Classification:
        """`floor` maps those who speak for the request ('key' …) to the least they allow."""
        sources = {"default": self._default_class, **floor}
        findings = self._look(texts.text) if texts.text and self._detectors else ()
        if findings:
            sources["detectors"] = max(finding.data_class for finding in findings)
        if texts.unread and self._detectors:
            sources["unread parts"] = self._unread_class
        return Classification(
            data_class=max(sources.values()),
            sources=sources,
            findings=findings,
            unread=texts.unread,
        )

    def judge(self, data_class: DataClass, facts: UpstreamFacts) -> Verdict:
        """May an upstream see data of this class? Microseconds; ask it before every attempt."""
        return self._rules.judge(data_class, facts)

    def _look(self, text: str) -> tuple[Finding, ...]:
        counts = dict.fromkeys((detector.name for detector, _ in self._detectors), 0)
        began = time.perf_counter()
        for piece in _pieces(text):
            reading = Reading(piece)
            for detector, _ in self._detectors:
                counts[detector.name] += detector.count(reading)
                if time.perf_counter() - began > _LONGEST_HOLD:
                    time.sleep(0)  # in a worker thread: lets the event loop have the interpreter
                    began = time.perf_counter()
        return tuple(
            Finding(detector.name, data_class, counts[detector.name])
            for detector, data_class in self._detectors
            if counts[detector.name]
        )


def _pieces(text: str) -> Iterator[str]:
    """`text` in pieces that overlap: one step over all of a book would hold up everybody else.

    What lies in an overlap is counted twice.
    """
    for start in range(0, max(1, len(text) - _OVERLAP), _PIECE - _OVERLAP):
        yield text[start : start + _PIECE]
