"""Draw the paths of learners on a map of Rosenbrock's function."""

import io

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from learnerdsl import learners
from learnerdsl.gallery import PROBLEMS, train
from learnerdsl.gallery.problems import rosenbrock
from website.results import results

SHOWN = (
    *("sgd", "momentum_sgd", "nesterov", "rprop"),
    *("adagrad", "rmsprop", "adadelta", "adam"),
    *("adamax", "adabelief", "lion", "yogi"),
    *("cautious_adamw", "ademamix", "prodigy", "schedule_free_adamw"),
)
INK = "#808890"
"""A grey that can be read on white and on black."""


def paths() -> bytes:
    """Return a PNG with the path of each of some learners, with its best rate."""
    figure = Figure(figsize=(11, 11))
    for axes, name in zip(figure.subplots(4, 4, sharex=True, sharey=True).flat, SHOWN, strict=True):
        _map(axes)
        _path(axes, name)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, transparent=True)
    return buffer.getvalue()


def _map(axes) -> None:
    """Draw lines of equal height, and a star at the minimum."""
    x, y = np.linspace(-2.0, 2.0, 121), np.linspace(-1.0, 3.0, 121)
    heights = np.log10(rosenbrock(*np.meshgrid(x, y)) + 0.1)
    axes.contourf(x, y, heights, 12, cmap="bone", alpha=0.35)
    axes.plot(1, 1, "*", color="#f2a900", markersize=11, zorder=5)
    axes.tick_params(colors=INK, labelsize=7)
    for spine in axes.spines.values():
        spine.set_color(INK)


def _path(axes, name: str) -> None:
    """Draw the path of a learner, from dark to bright."""
    rate = results()["learners"][name]["rosenbrock"]["rate"]
    seen: list[np.ndarray] = []
    arguments = {} if rate is None else {"lr": rate}
    problem = PROBLEMS["rosenbrock"]
    run = train(
        getattr(learners, name), problem, watch=lambda p: seen.append(p["x"].copy()), **arguments
    )
    points = np.clip(np.array(seen), -5, 5)
    lines = np.stack([points[:-1], points[1:]], axis=1)
    drawn = LineCollection(list(lines), cmap="plasma", linewidths=1.6)
    drawn.set_array(np.sqrt(np.arange(len(lines))))
    axes.add_collection(drawn)
    axes.plot(*points[0], "o", color=INK, markersize=4)
    axes.set(xlim=(-2, 2), ylim=(-1, 3))
    axes.set_title(f"{name}  {run.losses[-1]:.0e}", fontsize=9, color=INK)
