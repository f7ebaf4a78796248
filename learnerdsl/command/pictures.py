"""Draw paths, losses and schedules with matplotlib."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerdsl.command.curves import Curve
from learnerdsl.command.paths import SURFACES, Path

LOWEST = 1e-12
"""Lowest loss that is drawn: below it, one is at the minimum but for rounding."""


def of_paths(paths: Sequence[Path]) -> Figure:
    """Return a picture with a row for each surface: the paths, and the losses over the steps."""
    problems = list(dict.fromkeys(path.problem for path in paths))
    figure = Figure(figsize=(10, 4 * len(problems)), layout="constrained", dpi=120)
    axes = figure.subplots(len(problems), 2, squeeze=False)
    for (left, right), problem in zip(axes, problems, strict=True):
        own = [path for path in paths if path.problem == problem]
        _surface(left, problem)
        for number, path in enumerate(own):
            label = path.name if np.isnan(path.lr) else f"{path.name}, lr={path.lr:g}"
            style: Any = {"color": f"C{number}", "label": label}
            left.plot(*path.points.T, marker=".", markersize=3, linewidth=1, **style)
            right.plot(_shown(path.losses), linewidth=1.5, **style)
        right.set(title=f"loss on {problem}", xlabel="update")
        right.set_yscale("log")
        right.set_ylim(bottom=max(LOWEST, right.get_ylim()[0]))
        right.grid(alpha=0.3)
        right.legend()
    return figure


def _shown(losses: np.ndarray) -> np.ndarray:
    """Return losses without those that cannot be drawn."""
    return np.where(np.isfinite(losses), losses, np.nan)


def _surface(axis: Any, problem: str) -> None:
    """Draw the lines of equal loss."""
    surface = SURFACES[problem]
    (left, right), (low, high) = surface.view
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
    loss = surface.loss(np.array([x, y]))
    axis.contourf(x, y, np.log1p(loss - loss.min()), levels=24, cmap="Greys", alpha=0.5)
    axis.plot(*surface.start, "k*", markersize=9)
    axis.set(title=problem, xlim=(left, right), ylim=(low, high))


def of_curves(curves: Sequence[Curve]) -> Figure:
    """Return a picture of schedules over the updates."""
    figure = Figure(figsize=(8, 4), layout="constrained", dpi=120)
    axis = figure.subplots()
    for curve in curves:
        axis.plot(np.arange(1, len(curve.values) + 1), curve.values, label=curve.text)
    axis.set(xlabel="update", ylabel="value")
    axis.grid(alpha=0.3)
    axis.legend()
    return figure
