"""Draw curves as SVG that follows the colours of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 220, 130
LEFT, TOP, RIGHT, BOTTOM = 34, 22, 8, 18


@dataclass(frozen=True)
class Curve:
    """A curve of a panel.

    Attributes:
        name: what it shows.
        values: its values, at places from the start to the end of a run.
        style: the class of CSS that gives it a colour.
    """

    name: str
    values: Sequence[float]
    style: str


def panel(title: str, curves: Sequence[Curve], low: float, high: float) -> str:
    """Return a small drawing of curves of log10 of a loss.

    Args:
        title: what it shows.
        curves: the curves; the last one is drawn on top.
        low: the lowest value of the axis.
        high: the highest.
    """
    inner = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(k: int, count: int, value: float) -> str:
        x = LEFT + inner[0] * k / (count - 1)
        y = TOP + inner[1] * (high - min(max(value, low), high)) / (high - low)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="panel">',
        f"<title>{title}: {', '.join(curve.name for curve in curves)}</title>",
        f'<text x="{LEFT}" y="14" class="head">{title}</text>',
    ]
    for tick in range(int(low), int(high) + 1, 2):
        y = TOP + inner[1] * (high - tick) / (high - low)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = "1" if tick == 0 else f"10<tspan dy='-3' font-size='6'>{tick}</tspan>"
        parts.append(f'<text x="{LEFT - 4}" y="{y + 3:.1f}" text-anchor="end">{text}</text>')
    for curve in curves:
        points = " ".join(place(k, len(curve.values), v) for k, v in enumerate(curve.values))
        parts.append(f'<polyline class="{curve.style}" points="{points}"/>')
    return "".join(parts) + "</svg>"
