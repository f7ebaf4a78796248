"""Draw the curve of a schedule as SVG."""

from learnerdsl.cards.content import Curve

_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 10, 470, 130
_WIDTH, _HEIGHT = 480, 156


def svg(curve: Curve) -> str:
    """Return a curve as an SVG image with its range on both axes."""
    low, high = min(curve.values), max(curve.values)
    span = high - low or 1.0
    first, last = curve.steps[0], curve.steps[-1]

    def x(step: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (step - first) / ((last - first) or 1)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * ((value - low) / span if high > low else 0.5)

    points = " ".join(
        f"{x(step):.1f},{y(value):.1f}"
        for step, value in zip(curve.steps, curve.values, strict=True)
    )
    name = f"values from {low:.4g} to {high:.4g}, from step {first} to step {last}"
    parts = [
        f'<svg class="ld-curve" role="img" aria-label="{name}" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        f'<path class="ld-axes" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>',
        f'<polyline points="{points}"/>',
        *_marks(curve, x, y),
        _label(_LEFT - 6, y(high) + 4, "end", high),
        *([_label(_LEFT - 6, y(low) + 4, "end", low)] if high > low else []),
        _label(_LEFT, _BOTTOM + 18, "start", first),
        _label(_RIGHT, _BOTTOM + 18, "end", last),
        "</svg>",
    ]
    return "".join(parts)


def _label(x: float, y: float, anchor: str, number: float) -> str:
    text = f"{number:,}" if isinstance(number, int) else f"{number:.4g}"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _marks(curve: Curve, x: object, y: object) -> list[str]:
    """Return a point at the marked step, if it is in the picture."""
    if curve.marked not in curve.steps or not callable(x) or not callable(y):
        return []
    value = curve.values[curve.steps.index(curve.marked)]
    return [f'<circle cx="{x(curve.marked):.1f}" cy="{y(value):.1f}" r="4"/>']
