"""What hides nothing from a person hides nothing, and a form is found exactly where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.reading import Reading


@pytest.mark.parametrize(
    "written",
    [
        "４１１１ １１１１",
        "𝟜𝟙𝟙𝟙 𝟙𝟙𝟙𝟙",
        "٤١١١ ١١١١",
        "४१११ ११११",
        "4111\u00a01111",
        "4111\u20091111",
        "41\u200b11 11\u2060\ufeff11",
        "4\u00ad111 1\u202e111",
        "4111\\n1111",
        "4111\\u0020\\u0031111",
        "①".replace("①", "4111 1111"),
    ],
)
def test_spelling_is_undone(written: str) -> None:
    assert "4111 1111" in Reading(written).text


def test_dashes_of_every_kind_are_one() -> None:
    assert Reading("1\u20102\u20113\u20134\u20145\u22126").text == "1-2-3-4-5-6"


def test_a_long_ligature_stays_short() -> None:
    assert len(Reading("\ufdfa" * 1000).text) == 1000


def test_lone_surrogates_are_read_past() -> None:
    reading = Reading("\ud800 4111 \udfff")
    assert b"4111" in reading.ascii


def test_bytes_and_characters_keep_step() -> None:
    reading = Reading("Grüße an\tÄnne\n12")
    assert len(reading.text) == len(reading.ascii) == len(reading.lower) == len(reading.shape)
    assert reading.shape == b"AA??A AA ?AAA 99"


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("078-05-1120", [0]),
        ("(078-05-1120).", [1]),
        ("a 078-05-1120, 078-05-1121", [2, 15]),
        ("id-078-05-1120", [3]),
        ("x078-05-1120", []),
        ("078-05-11200", []),
        ("1-078-05-1120", []),
        ("078-05-1120-7", []),
        ("078-05-1120-B", []),
        ("078-05-1120.", [0]),
        ("078-05-1120.5", []),
        ("/078-05-1120/edit", [1]),
    ],
)
def test_a_form_is_found_where_it_stands_alone(text: str, starts: list[int]) -> None:
    assert list(Reading(text).find(b"999-99-9999")) == starts


@pytest.mark.parametrize(
    ("text", "length", "together"),
    [
        ("DE89 3704 0044", 12, "DE8937040044"),
        ("DE89-3704.0044 x", 12, "DE8937040044"),
        ("DE89 3704 00445", 12, ""),
        ("DE89 3704", 12, ""),
        ("DE89 (3704) 0044", 12, ""),
    ],
)
def test_letters_and_digits_are_read_together(text: str, length: int, together: str) -> None:
    assert Reading(text).compact(0, length) == together


forms = st.text("9A .-/", min_size=1, max_size=14).map(str.encode)
texts = st.text("12ab .-/(_,", max_size=60) | st.just("(" + "1" * 25 + "(")


@given(
    st.lists(st.one_of(texts, forms.map(bytes.decode)), max_size=6),
    forms | st.sampled_from([b"999 99 9999", b"99999999 9 AA9", b"999999 99999", b"999999A999A"]),
    st.sampled_from(["", " "]),
)
def test_a_short_cut_misses_nothing(pieces: list[str], form: bytes, between: str) -> None:
    """Where `may_have` says no, the form is nowhere."""
    spelled = [form.decode().replace("9", "1"), *pieces, form.decode(), "."]
    reading = Reading(between.join(spelled))
    if form in reading.shape and (form.strip(b"A") or b"9" in form):
        stands_alone = [
            start
            for start in range(len(reading.shape))
            if reading.shape.startswith(form, start)
            and reading.begins(start)
            and reading.ends(start + len(form))
        ]
        if stands_alone:
            assert reading.may_have(form)
            assert list(reading.find(form))[:1] == stands_alone[:1]
