"""Geometry of the console's charts. Pure: numbers in, positions out; templates draw them."""

from collections.abc import Mapping, Sequence

import msgspec

from secondbasket.core.receipt import Hop

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 12, 28
_MOST_LABELS = 8


class Segment(msgspec.Struct, frozen=True):
    """A part of a bar, in hundredths of the whole."""

    name: str
    x: float
    width: float
    amount: int


class Column(msgspec.Struct, frozen=True):
    """One column of the chart: output tokens stand on input tokens. Lengths in SVG user units."""

    x: float
    width: float
    input_y: float
    input_height: float
    output_y: float
    output_height: float
    name: str
    label: str
    input_tokens: int
    output_tokens: int


class Tick(msgspec.Struct, frozen=True):
    y: float
    text: str


class Chart(msgspec.Struct, frozen=True):
    columns: Sequence[Column]
    ticks: Sequence[Tick]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    base: float = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


class Point(msgspec.Struct, frozen=True):
    """What one column shows. `name` is told in full, `label` stands under the column."""

    name: str
    label: str
    input_tokens: int
    output_tokens: int


def stack(parts: Mapping[str, int], *, whole: int) -> Sequence[Segment]:
    """The parts side by side, as shares of `whole`."""
    segments = []
    x = 0.0
    for name, amount in parts.items():
        width = 100 * amount / whole if whole else 0.0
        segments.append(Segment(name, round(x, 2), round(width, 2), amount))
        x += width
    return segments


def timeline(hops: Sequence[Hop], *, whole: float) -> Sequence[tuple[Hop, Sequence[Segment]]]:
    """Each hop with its place in the time of its request, which took `whole` milliseconds."""
    share = 100 / whole if whole else 0.0
    return [
        (
            hop,
            [
                Segment(
                    hop.outcome,
                    round(min(hop.started_ms * share, 100), 2),
                    # A hop that ended at once is still there to be seen.
                    round(max(hop.duration_ms * share, 0.5), 2),
                    round(hop.duration_ms),
                )
            ],
        )
        for hop in hops
    ]


def columns(points: Sequence[Point]) -> Chart:
    """A column for each point, scaled to a round number at or above the highest."""
    top = round_above(max((p.input_tokens + p.output_tokens for p in points), default=0))
    floor = HEIGHT - _BOTTOM
    scale = (floor - _TOP) / top
    pitch = (WIDTH - _LEFT - _RIGHT) / max(len(points), 1)
    width = max(min(pitch * 0.72, 56), 1)
    every = -(-len(points) // _MOST_LABELS)
    drawn = []
    for position, point in enumerate(points):
        below, above = point.input_tokens * scale, point.output_tokens * scale
        drawn.append(
            Column(
                x=round(_LEFT + pitch * position + (pitch - width) / 2, 2),
                width=round(width, 2),
                input_y=round(floor - below, 2),
                input_height=round(below, 2),
                output_y=round(floor - below - above, 2),
                output_height=round(above, 2),
                name=point.name,
                label=point.label if position % every == 0 else "",
                input_tokens=point.input_tokens,
                output_tokens=point.output_tokens,
            )
        )
    ticks = [
        Tick(round(floor - scale * top * step / 4, 2), short(top * step // 4)) for step in range(5)
    ]
    return Chart(drawn, ticks)


def round_above(number: int) -> int:
    """The least of 4, 8, 12, 20, 40, 80, 120, 200 … that is not below `number`; divides by four."""
    scale = 1
    while True:
        for step in (4, 8, 12, 20):
            if number <= step * scale:
                return step * scale
        scale *= 10


def short(number: int) -> str:
    """12_000 → '12k', 3_500_000 → '3.5M'."""
    for unit, name in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            return f"{number / unit:.1f}".removesuffix(".0") + name
    return str(number)
