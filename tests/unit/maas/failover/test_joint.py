"""The seam of a continued answer: no fragment twice, none missing, however the text is cut."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from secondbasket.errors import UpstreamBroken
from secondbasket.maas.failover.joint import Joint, anchor_of

DELIVERED = "The harbour was quiet. Two boats lay at the pier, and on the third a man mended his n"
REST = "ets. He looked up."

# Few letters, so that repetitions are the rule; words and lines, so that there are seams.
texts = st.text(st.sampled_from('ab "\n.`'), max_size=60) | st.text(max_size=60)
written = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=30).map(" ".join)
delivered_texts = (texts | written).filter(str.strip)


def joined(delivered: str, continuation: str, cuts: list[int] | None = None) -> str:
    """What a client reads after `delivered`, the continuation coming in pieces."""
    joint = Joint(delivered)
    places = sorted({min(cut, len(continuation)) for cut in cuts or ()})
    pieces = [
        continuation[start:end]
        for start, end in zip([0, *places], [*places, len(continuation)], strict=True)
    ]
    return "".join(map(joint.feed, pieces)) + joint.flush()


cuts = st.lists(st.integers(0, 200), max_size=8)


@settings(deadline=None)
@given(delivered_texts, texts | written, cuts)
@example("ha ", "ha ha", [1])
@example("0, 0, 0, 0, 0, ", "0, 0]", [2, 3])
def test_what_was_asked_for_again_is_taken_out_exactly(
    delivered: str, rest: str, cuts: list[int]
) -> None:
    tail = delivered[len(delivered.rstrip()) :]
    assert joined(delivered, anchor_of(delivered) + tail + rest, cuts) == rest


@settings(deadline=None)
@given(delivered_texts, texts | written, cuts, st.data())
def test_an_earlier_start_is_taken_out_as_well(
    delivered: str, rest: str, cuts: list[int], data: st.DataObject
) -> None:
    asked = len(delivered.rstrip()) - len(anchor_of(delivered))
    start = data.draw(st.integers(0, asked))
    assert joined(delivered, delivered[start:] + rest, cuts) == rest


@settings(deadline=None)
@given(delivered_texts, texts | written, cuts)
def test_a_continuation_that_repeats_nothing_is_left_alone(
    delivered: str, rest: str, cuts: list[int]
) -> None:
    assume(
        not any(rest[i : i + 1] and rest[i:].startswith(anchor_of(delivered)) for i in range(130))
    )
    assume(not any(delivered.rstrip().endswith(rest[i:j].strip()) and rest[i:j].strip()
                   for i in range(20) for j in range(i + 12, len(rest) + 1)))  # fmt: skip
    assert joined(delivered, rest, cuts) == rest


@settings(deadline=None)
@given(delivered_texts, texts | written, cuts, cuts)
def test_the_cuts_never_matter(
    delivered: str, continuation: str, some: list[int], others: list[int]
) -> None:
    def outcome(places: list[int]) -> str | type[UpstreamBroken]:
        try:
            return joined(delivered, continuation, places)
        except UpstreamBroken as error:
            return type(error)

    assert outcome(some) == outcome(others)


@pytest.mark.parametrize(
    ("opening", "ending"),
    [
        ("", ""),
        ("\n\n", ""),
        ("…", ""),
        ("... ", ""),
        ("Sorry about that! Here is the rest of it:\n\n", ""),
        ("Of course, the text goes on like this: ", ""),
        ('"', '"'),
        ("„", "“"),
        ("Continuing from where I stopped:\n\n“", "”"),
        ("```\n", "\n```"),
        ("```text\n", "```"),
    ],
)
@pytest.mark.parametrize("again", [anchor_of(DELIVERED), DELIVERED])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_wrapping_of_models_is_taken_off(
    opening: str, ending: str, again: str, size: int
) -> None:
    continuation = opening + again + REST + ending
    got = joined(DELIVERED, continuation, list(range(0, 200, size)))
    assert got.rstrip("\n") == REST


def test_a_closing_quote_that_the_text_needs_stays() -> None:
    delivered = 'She turned around in the doorway and said, "I never wanted any of th'
    again = anchor_of(delivered)
    assert joined(delivered, f'"{again}is."') == 'is."'
    assert joined(delivered, f'"{again}is." He left."') == 'is." He left.'


def test_white_space_at_the_seam_comes_once() -> None:
    again = anchor_of(DELIVERED)
    assert joined(DELIVERED + "\n\n", f"{again}\n\nNext") == "Next"
    assert joined(DELIVERED + "\n\n", f"{again}\nNext") == "Next"
    assert joined(DELIVERED + "\n", f"{again}\n\n  Next") == "\n  Next"
    assert joined(DELIVERED, f"{again} next") == " next"


def test_the_last_few_words_are_taken_out_only_where_they_tell() -> None:
    assert joined(DELIVERED, "third a man mended his nets.") == "ets."
    assert joined(DELIVERED, "his nets.") == "his nets.", "too few to be sure"
    song = "Row, row, row your boat, gently down the stream. Row, row, row your boat, "
    assert joined(song, "row your boat, and on.") == "row your boat, and on.", "a refrain"


def test_it_says_whether_the_seam_is_proven() -> None:
    proven, open_, unproven = Joint(DELIVERED), Joint(DELIVERED), Joint(DELIVERED)
    proven.feed(anchor_of(DELIVERED) + REST)
    open_.feed("on the third")
    unproven.feed(REST)
    unproven.flush()
    assert (proven.verified, open_.verified, unproven.verified) == (True, None, False)


def test_it_hands_on_as_soon_as_the_seam_is_found() -> None:
    joint = Joint(DELIVERED)
    assert joint.feed(anchor_of(DELIVERED)) == ""
    assert joint.feed("ets") == "ets"
    assert joint.feed(". He") == ". He"


def test_it_does_not_hold_back_what_cannot_be_a_seam() -> None:
    joint = Joint(DELIVERED)
    assert joint.feed("x" * 120) == ""
    assert joint.feed("xyz") == "x" * 121 + "yz"


def test_where_cutting_may_be_wrong_it_refuses_to_join() -> None:
    with pytest.raises(UpstreamBroken):
        joined(DELIVERED, f"I lost the thread.\n\n{anchor_of(DELIVERED)}{REST}")
    with pytest.raises(UpstreamBroken):
        joined(DELIVERED, anchor_of(DELIVERED)[:20])


@settings(deadline=None)
@given(delivered_texts)
def test_the_anchor_is_the_end_and_occurs_once(delivered: str) -> None:
    anchor, core = anchor_of(delivered), delivered.rstrip()
    assert core.endswith(anchor)
    assert core.find(anchor) == len(core) - len(anchor)


def test_the_anchor_is_short_and_begins_with_a_word() -> None:
    assert anchor_of(DELIVERED) == "pier, and on the third a man mended his n"
    assert anchor_of("好" * 500 + "。今天" * 20) != ""
    assert len(anchor_of("ha " * 5000)) < 1000
    assert anchor_of(" \n") == ""
