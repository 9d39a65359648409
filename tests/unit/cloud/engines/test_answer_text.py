"""Text as it comes: whole characters only, and stop texts that no fragment gives away."""

from hypothesis import given
from hypothesis import strategies as st

from secondbasket.cloud.engines.answer_text import AnswerText, beginning_at_end


def shown(pieces: list[bytes], stops: list[str]) -> tuple[list[str], bool]:
    text = AnswerText(stops)
    fragments = [text.feed(piece) for piece in pieces]
    return [*fragments, text.rest()], text.stopped


def test_text_without_stops_comes_as_it_is() -> None:
    assert shown([b"The", b" dog"], []) == (["The", " dog", ""], False)


def test_a_character_waits_for_its_last_byte() -> None:
    parrot = "🦜".encode()
    assert shown([parrot[:1], parrot[1:3], parrot[3:] + b"!"], []) == (["", "", "🦜!", ""], False)


def test_half_a_character_at_the_end_is_not_shown() -> None:
    assert shown([b"a", "é".encode()[:1]], []) == (["a", "", ""], False)


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert shown([b"a\xffb"], []) == (["a\ufffdb", ""], False)


def test_a_stop_text_over_several_tokens_is_held_back_from_its_first_letter() -> None:
    fragments, stopped = shown([b"yes EN", b"D", b"OF", b" more"], ["ENDOF"])
    assert fragments == ["yes ", "", "", "", ""]
    assert stopped


def test_the_earliest_of_several_stop_texts_counts() -> None:
    assert shown([b"one two three"], ["three", "two"])[0][0] == "one "
    assert shown([b"abcd"], ["cd", "bc"])[0][0] == "a"


def test_what_only_began_like_a_stop_text_is_shown() -> None:
    assert shown([b"E", b"N", b"Dless"], ["ENDOF"]) == (["", "", "ENDless", ""], False)
    assert shown([b"the EN"], ["ENDOF"]) == (["the ", "EN"], False)


def test_nothing_is_shown_after_a_stop() -> None:
    assert shown([b"a.b", b"c"], ["."]) == (["a", "", ""], True)


def test_an_empty_stop_text_stops_nothing() -> None:
    assert shown([b"abc"], [""]) == (["abc", ""], False)


def test_the_longest_end_that_begins_a_needle() -> None:
    assert beginning_at_end("xaba", ["abac"]) == 3
    assert beginning_at_end("xabac", ["abac"]) == 0
    assert beginning_at_end("", ["a"]) == 0


@given(
    st.text("abé🦜", max_size=30),
    st.lists(st.text("abé🦜", min_size=1, max_size=4), max_size=3),
    st.data(),
)
def test_however_it_is_cut_the_same_is_shown(
    whole: str, stops: list[str], data: st.DataObject
) -> None:
    encoded = whole.encode()
    cuts = data.draw(st.lists(st.integers(0, len(encoded)), max_size=6).map(sorted))
    pieces = [encoded[a:b] for a, b in zip([0, *cuts], [*cuts, len(encoded)], strict=True)]
    fragments, stopped = shown(pieces, stops)
    # A stop text that is met later in a piece than another may begin earlier: it is the text up
    # to some stop text, and none is in what is shown.
    told = "".join(fragments)
    assert whole.startswith(told)
    assert stopped == any(stop in whole for stop in stops)
    assert not any(stop in told for stop in stops)
    if not stopped:
        assert told == whole
