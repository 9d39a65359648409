"""The timeline of a drill as an SVG picture: who answered in each second, and the cut."""

from collections.abc import Iterator, Mapping

from secondbasket.core.drill import DrillReport, Second

WIDTH = 860
_HEIGHT = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 56, 12, 34
_PLOT_WIDTH = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT = _HEIGHT - _TOP - _BOTTOM
_LABEL = 'role="img" aria-label="Requests that ended in each second, by who answered them"'

_UPSTREAM_COLOURS = ("#2f6f8f", "#d98f2b", "#6a8f3c", "#7a5aa6", "#3aa394", "#a65a7a")
_FAILED_COLOUR = "#c0392b"
_REFUSED_COLOUR = "#8a8f98"
_SWITCH_COLOUR = "#1b1f24"


def colours(report: DrillReport) -> dict[str, str]:
    """A colour for each upstream, and for what was not answered."""
    names = [part.upstream for part in report.upstreams]
    used = {name: _UPSTREAM_COLOURS[at % len(_UPSTREAM_COLOURS)] for at, name in enumerate(names)}
    if report.failed:
        used["failed"] = _FAILED_COLOUR
    if report.refused_by_policy:
        used["refused by policy"] = _REFUSED_COLOUR
    return used


def timeline(report: DrillReport) -> str:
    """The picture, from our own numbers alone: no name of anybody's is in it."""
    seconds = max(len(report.timeline), 1)
    most = max((_total(each) for each in report.timeline), default=1) or 1
    slowest = max((each.ms for each in report.switch_times), default=0.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {_HEIGHT}" {_LABEL}>',
        *_shade(report, seconds),
        *_axes(seconds, most, slowest),
        *_bars(report, seconds, most),
        *_dots(report, seconds, slowest),
        "</svg>",
    ]
    return "".join(parts)


def _x(at: float, seconds: int) -> float:
    return _LEFT + _PLOT_WIDTH * min(at, seconds) / seconds


def _y(part: float) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - part)


def _shade(report: DrillReport, seconds: int) -> Iterator[str]:
    if report.cut_from is None or report.cut_until is None:
        return
    left, right = _x(report.cut_from, seconds), _x(report.cut_until, seconds)
    yield (
        f'<rect x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{_PLOT_HEIGHT}"'
        ' fill="#f3d9d5"/>'
        f'<text x="{left + 4:.1f}" y="{_TOP + 12}" fill="#8a3027">cut</text>'
    )


def _axes(seconds: int, most: int, slowest: float) -> Iterator[str]:
    floor = _y(0)
    yield f'<path d="M{_LEFT} {_TOP}V{floor}H{WIDTH - _RIGHT}" fill="none" stroke="#888"/>'
    for count in sorted({0, most // 2, most}):
        y = _y(count / most) + 4
        yield f'<text x="{_LEFT - 6}" y="{y:.1f}" text-anchor="end">{count}</text>'
    step = max(1, round(seconds / 10))
    for at in range(0, seconds + 1, step):
        yield f'<text x="{_x(at, seconds):.1f}" y="{floor + 15}" text-anchor="middle">{at} s</text>'
    if slowest:
        for part in (0.5, 1.0):
            yield (
                f'<text x="{WIDTH - _RIGHT + 6}" y="{_y(part) + 4:.1f}">'
                f"{slowest * part:.0f} ms</text>"
            )


def _bars(report: DrillReport, seconds: int, most: int) -> Iterator[str]:
    used = colours(report)
    width = max(1.0, _PLOT_WIDTH / seconds - 1)
    for second in report.timeline:
        below = 0
        for name, count in _shares(second).items():
            top = _y((below + count) / most)
            yield (
                f'<rect x="{_x(second.at, seconds):.1f}" y="{top:.1f}" width="{width:.1f}"'
                f' height="{_y(below / most) - top:.1f}" fill="{used.get(name, _SWITCH_COLOUR)}"/>'
            )
            below += count


def _dots(report: DrillReport, seconds: int, slowest: float) -> Iterator[str]:
    for each in report.switch_times:
        yield (
            f'<circle cx="{_x(each.at, seconds):.1f}" cy="{_y(each.ms / slowest):.1f}" r="3.5"'
            f' fill="white" stroke="{_SWITCH_COLOUR}" stroke-width="1.5"/>'
        )


def _shares(second: Second) -> Mapping[str, int]:
    counts = {
        **second.answered_by,
        "refused by policy": second.refused_by_policy,
        "failed": second.failed,
    }
    return {name: count for name, count in counts.items() if count}


def _total(second: Second) -> int:
    return sum(_shares(second).values())
