"""Server-sent events survive being cut anywhere on their way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.errors import UpstreamBroken
from secondbasket.wires.sse import DONE, MAX_EVENT_BYTES, EventDecoder, encode_event

payloads = st.lists(
    st.text(st.characters(blacklist_characters="\r\n", codec="utf-8"), min_size=1).map(str.encode),
    max_size=8,
)


@given(payloads, st.data())
def test_events_come_out_whole_however_the_bytes_are_cut(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(encode_event, sent))
    decoder, received = EventDecoder(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        received += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert received == sent
    assert not decoder.pending


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_carriage_returns_comments_and_many_lines(size: int) -> None:
    stream = (
        b": ping\r\n\r\nevent: x\r\ndata: one\r\ndata: two\r\nid: 7\r\n\r\ndata:three\n\n" + DONE
    )
    decoder, received = EventDecoder(), []
    for start in range(0, len(stream), size):
        received += decoder.feed(stream[start : start + size])
    assert received == [b"one\ntwo", b"three", b"[DONE]"]


def test_a_stream_cut_inside_an_event_is_pending() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b'data: {"a":1}\n') == []
    assert decoder.pending


def test_an_event_without_end_is_refused() -> None:
    decoder = EventDecoder()
    block = b"data: " + b"x" * (1 << 20)
    with pytest.raises(UpstreamBroken):
        for _ in range(MAX_EVENT_BYTES // len(block) + 2):
            decoder.feed(block)
