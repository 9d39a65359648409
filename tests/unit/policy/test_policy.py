"""A class is only ever raised, by whoever has a say."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.errors import PluginError
from secondbasket.policy.classification import Finding
from secondbasket.policy.policy import Policy, load_detectors
from secondbasket.policy.texts import Texts
from tests.sensitive import EXAMPLES

PUBLIC, INTERNAL, CONFIDENTIAL, SECRET = DataClass


class Word:
    """Finds a word: a detector of a few lines, as others may write one."""

    def __init__(self, name: str, data_class: DataClass) -> None:
        self.name = name
        self.data_class = data_class

    def count(self, reading: Reading) -> int:
        return reading.text.count(self.name)


DETECTORS = (Word("rice", CONFIDENTIAL), Word("salt", SECRET))
classes = st.sampled_from(DataClass)


def test_without_anything_to_say_the_default_holds() -> None:
    classified = Policy().classify(Texts("hello"), {})
    assert classified.data_class is INTERNAL
    assert classified.raised_by == ("default",)
    assert classified.findings == ()


def test_the_highest_of_all_sources_wins_and_is_named() -> None:
    policy = Policy(detectors=DETECTORS)
    classified = policy.classify(Texts("rice, rice"), {"key": PUBLIC, "header": INTERNAL})
    assert classified.data_class is CONFIDENTIAL
    assert classified.raised_by == ("detectors",)
    assert classified.findings == (Finding("rice", CONFIDENTIAL, 2),)
    assert policy.classify(Texts("rice"), {"project": SECRET}).raised_by == ("project",)


def test_a_detector_may_raise_to_another_class_or_be_switched_off() -> None:
    raised = Policy(detectors=DETECTORS, classes={"rice": SECRET}).classify(Texts("rice"), {})
    assert raised.data_class is SECRET
    off = Policy(detectors=DETECTORS, classes={"rice": None}).classify(Texts("rice"), {})
    assert off.data_class is INTERNAL
    assert off.findings == ()


def test_parts_that_cannot_be_read_count_as_the_setting_says() -> None:
    texts = Texts("look at this", ("image_url",))
    assert Policy(detectors=DETECTORS).classify(texts, {}).data_class is CONFIDENTIAL
    lower = Policy(detectors=DETECTORS, unread_class=PUBLIC).classify(texts, {})
    assert lower.data_class is INTERNAL
    assert lower.unread == ("image_url",)


def test_without_detectors_nothing_is_looked_at() -> None:
    policy = Policy(default_class=PUBLIC)
    assert not policy.looks
    assert policy.classify(Texts(EXAMPLES["iban"][0], ("file",)), {}).data_class is PUBLIC


@given(
    st.dictionaries(st.sampled_from(["key", "project", "header"]), classes),
    st.dictionaries(st.sampled_from(["key", "project", "header"]), classes),
    st.text(st.sampled_from("abc ")),
    st.sampled_from(["", "rice", "salt", "rice and salt"]),
    classes,
    st.booleans(),
)
def test_a_class_is_never_lowered(
    floor: Mapping[str, DataClass],
    more: Mapping[str, DataClass],
    before: str,
    found: str,
    default: DataClass,
    media: bool,
) -> None:
    """Neither by one more voice, nor by more text, nor by a part that cannot be read."""
    policy = Policy(detectors=DETECTORS, default_class=default)
    classified = policy.classify(Texts(before), floor)
    raised = {
        name: max(floor.get(name, PUBLIC), more.get(name, PUBLIC)) for name in {**floor, **more}
    }
    longer = Texts(f"{before} {found}", ("file",) if media else ())
    assert policy.classify(longer, raised).data_class >= classified.data_class
    assert classified.data_class >= max([default, *floor.values()])


@pytest.mark.parametrize(("name", "texts"), EXAMPLES.items())
def test_every_installed_detector_raises_what_it_finds(name: str, texts: tuple[str, ...]) -> None:
    policy = Policy(detectors=load_detectors().values())
    classified = policy.classify(Texts(f"Please note {texts[0]} for our files."), {})
    assert classified.data_class >= CONFIDENTIAL
    assert name in {finding.kind for finding in classified.findings}
    assert texts[0] not in repr(classified)


def test_a_number_broken_over_two_parts_is_still_one() -> None:
    policy = Policy(detectors=load_detectors().values())
    classified = policy.classify(Texts("4111 1111\n1111 1111"), {})
    assert [finding.kind for finding in classified.findings] == ["payment_card"]


@pytest.mark.parametrize("length", [0, 1, 131_000, 131_072, 131_073, 260_000, 400_000])
def test_a_long_text_is_looked_at_to_its_end(length: int) -> None:
    """In pieces, whose seams hide nothing."""
    policy = Policy(detectors=DETECTORS)
    for at in range(max(0, length - 140_000), length + 1, 40_000):
        text = "x" * at + "rice" + "x" * (length - at)
        found = policy.classify(Texts(text), {}).findings
        assert [(each.kind, 1 <= each.count <= 2) for each in found] == [("rice", True)]


def test_a_detector_that_goes_by_two_names_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "secondbasket.policy.policy.load", lambda _group, names: {names[0]: lambda: DETECTORS[0]}
    )
    with pytest.raises(PluginError, match="calls itself 'rice'"):
        load_detectors()
