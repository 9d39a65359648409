"""What every detector must do, ours and others': subclass `DetectorContract`."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Detector
from secondbasket.core.reading import Reading

_SIZE = 100_000
_SECONDS = 0.25  # a hundred thousand characters, on a slow and busy machine
_FILLER = "The quarterly report is on the shared drive, as agreed in the last meeting. "
# Texts made to keep a reader busy: long rows, nothing but separators, beginnings without an end.
_HOSTILE = (
    *("0", "1234567890", "a", "@", "a@", "@a.b ", "+", "+1 ", "-", ".", " ", "\n", "\\", "\\u0034"),
    *("12 ", "1-1-", "99.", "4111 ", "DE89 3704 0044 0532 0130 01 ", "DE893704004405320130 "),
    *("key=", "token:", "password is ", "sk-", "eyJ", "-----BEGIN ", "://a:", '"', "(", "\u0661"),
    *("\ufb03", "\u200b", "é"),
)


class DetectorCase(msgspec.Struct, frozen=True, kw_only=True):
    """A detector, texts that each hold one of what it looks for, and texts that hold none."""

    detector: Detector
    examples: tuple[str, ...]
    harmless: tuple[str, ...]


class DetectorContract:
    """Override the fixture `case`."""

    @pytest.fixture
    def case(self) -> DetectorCase:
        raise NotImplementedError

    def test_it_says_what_it_finds(self, case: DetectorCase) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", case.detector.name)
        assert case.detector.data_class > DataClass.PUBLIC
        assert case.examples
        assert case.harmless

    def test_it_finds_each_example(self, case: DetectorCase) -> None:
        missed = [text for text in case.examples if case.detector.count(Reading(text)) < 1]
        assert missed == []

    def test_it_finds_nothing_where_there_is_none(self, case: DetectorCase) -> None:
        found = [text for text in case.harmless if case.detector.count(Reading(text))]
        assert found == []
        assert case.detector.count(Reading("")) == 0
        assert case.detector.count(Reading(_FILLER * 100)) == 0

    def test_it_finds_an_example_wherever_it_stands(self, case: DetectorCase) -> None:
        for text in case.examples:
            for around in (
                f"{_FILLER * 50}{text}",
                f"{text} {_FILLER * 50}",
                f"See below:\n{text}\nRegards",
                f"({text})",
                json.dumps({"to": {"note": f"see:\n{text}\n"}}),
                json.dumps({"to": {"note": f"Grüße: {text}"}}),
                f"\u200b{text}\u200b",
            ):
                assert case.detector.count(Reading(around)) >= 1, around[-200:]

    def test_it_counts_what_it_finds(self, case: DetectorCase) -> None:
        text = case.examples[0]
        two = f"{text}\n{_FILLER}\n{text}\n"
        assert case.detector.count(Reading(two)) == 2 * case.detector.count(Reading(text))

    def test_full_width_text_is_read_as_any_other(self, case: DetectorCase) -> None:
        wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
        for text in case.examples:
            assert case.detector.count(Reading(text.translate(wide))) >= 1, text

    def test_it_keeps_and_tells_nothing_of_the_text(
        self,
        case: DetectorCase,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        for text in case.examples:
            case.detector.count(Reading(text))
            kept = [repr(value) for value in getattr(case.detector, "__dict__", {}).values()]
            assert not any(text in each for each in kept)
        assert caplog.text == ""
        assert capfd.readouterr() == ("", "")

    def test_threads_may_share_it(self, case: DetectorCase) -> None:
        texts = [*case.examples, *case.harmless] * 20
        with ThreadPoolExecutor(4) as threads:
            counted = list(threads.map(lambda text: case.detector.count(Reading(text)), texts))
        assert counted == [case.detector.count(Reading(text)) for text in texts]

    @pytest.mark.parametrize("piece", _HOSTILE)
    def test_no_text_keeps_it_busy(self, case: DetectorCase, piece: str) -> None:
        text = (piece * (_SIZE // len(piece) + 1))[:_SIZE]
        assert _seconds(case.detector, text) < _SECONDS

    def test_pieces_of_examples_do_not_keep_it_busy(self, case: DetectorCase) -> None:
        for example in case.examples:
            for piece in (example, example[:-1], example[: len(example) // 2], f"{example} "):
                text = (piece * (_SIZE // max(1, len(piece)) + 1))[:_SIZE]
                assert _seconds(case.detector, text) < _SECONDS, piece


def _seconds(detector: Detector, text: str) -> float:
    """The least of three: what other programs take of the machine is not the detector's time."""
    taken = []
    for _ in range(3):
        reading = Reading(text)
        began = time.thread_time()
        detector.count(reading)
        taken.append(time.thread_time() - began)
        if taken[-1] < _SECONDS:
            break
    return min(taken)
