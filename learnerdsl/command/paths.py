"""Follow rules on surfaces of two weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.command.names import find_rule
from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError

RATES = tuple(float(f"{m}e{e}") for e in range(-5, 1) for m in (1, 3))
"""The grid of rates, from 1e-5 to 3."""


@dataclass(frozen=True)
class Surface:
    """A loss of two weights.

    Attributes:
        start: where paths begin.
        view: lowest and highest value of both weights in a picture.
        loss: the loss of weights (2, ...).
        gradient: its gradient.
        curvature: the diagonal of its matrix of second derivatives.
    """

    start: tuple[float, float]
    view: tuple[tuple[float, float], tuple[float, float]]
    loss: Callable[[np.ndarray], Any]
    gradient: Callable[[np.ndarray], np.ndarray]
    curvature: Callable[[np.ndarray], np.ndarray]


def _rosenbrock(w: np.ndarray) -> Any:
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def _slope_of_rosenbrock(w: np.ndarray) -> np.ndarray:
    away = w[1] - w[0] ** 2
    return np.array([-2 * (1 - w[0]) - 400 * w[0] * away, 200 * away])


SURFACES = {
    "rosenbrock": Surface(
        (-1.2, 1.0),
        ((-1.8, 1.8), (-0.8, 2.2)),
        _rosenbrock,
        _slope_of_rosenbrock,
        lambda w: np.array([2 - 400 * w[1] + 1200 * w[0] ** 2, 200.0]),
    ),
    "valley": Surface(
        (-3.0, 0.6),
        ((-3.5, 3.5), (-1.2, 1.2)),
        lambda w: (w[0] ** 2 + 100 * w[1] ** 2) / 2,
        lambda w: np.array([w[0], 100 * w[1]]),
        lambda w: np.array([1.0, 100.0]),
    ),
    "saddle": Surface(
        (-1.5, 0.001),
        ((-2.0, 2.0), (-2.0, 2.0)),
        lambda w: (1 + w[0] ** 2 - w[1] ** 2) / 2 + w[1] ** 4 / 8,
        lambda w: np.array([w[0], -w[1] + w[1] ** 3 / 2]),
        lambda w: np.array([1.0, -1 + 1.5 * w[1] ** 2]),
    ),
}
"""Name -> surface; the lowest loss is 0. The curvatures of the valley differ a hundredfold."""


@dataclass(frozen=True)
class Path:
    """The path of a rule on a surface.

    Attributes:
        name: of the rule.
        problem: name of the surface.
        lr: the rate; NaN for rules without one.
        points: the weights (steps + 1, 2), from the start on.
        losses: the loss at each of them.
    """

    name: str
    problem: str
    lr: float
    points: np.ndarray
    losses: np.ndarray

    @property
    def reached(self) -> float:
        """The mean of the last tenth of the losses: the last one alone may be a lucky swing."""
        return float(self.losses[-max(1, len(self.losses) // 10) :].mean())

    def described(self) -> dict[str, Any]:
        """Return the path as JSON can write it."""
        return {
            "name": self.name,
            "problem": self.problem,
            "lr": None if math.isnan(self.lr) else self.lr,
            "points": self.points.tolist(),
            "losses": self.losses.tolist(),
            "reached": self.reached,
        }


def followed(name: str, problem: str, steps: int, lr: float | None) -> Path:
    """Return the path of a rule.

    Args:
        name: of a rule, as on the command line.
        problem: name of a surface.
        steps: number of updates.
        lr: its rate; None for that of `RATES` with the lowest `reached`.

    Raises:
        LearnerError: the rule cannot be found, or its updates need what surfaces do not have.
    """
    rule = find_rule(name)
    has_rate = "lr" in map(str, rule.trace().hyperparameters)
    if not has_rate:
        return _path(rule, name, problem, steps, math.nan)
    rates = RATES if lr is None else (lr,)
    paths = [_path(rule, name, problem, steps, rate) for rate in rates]
    return min(paths, key=lambda path: np.nan_to_num(path.reached, nan=np.inf))


def _path(rule: UpdateRule, name: str, problem: str, steps: int, lr: float) -> Path:
    surface = SURFACES[problem]
    weights = np.array(surface.start)
    # Two weights as a matrix of one row, for rules of matrices.
    arguments: dict[str, Any] = {} if math.isnan(lr) else {"lr": lr}
    learner = rule([weights.reshape(1, 2)], **arguments)
    needed = list(map(str, rule.trace().extras))
    points = np.empty((steps + 1, 2))
    points[0] = weights
    with np.errstate(all="ignore"):  # a rate that is too high leads to infinity
        for number in range(steps):
            extras = _extras(name, needed, surface, weights)
            learner.update([surface.gradient(weights).reshape(1, 2)], **extras)
            points[number + 1] = weights
        losses = np.array([surface.loss(point) for point in points], float)
    return Path(name, problem, lr, points, losses)


def _extras(name: str, needed: list[str], surface: Surface, weights: np.ndarray) -> dict[str, Any]:
    """Return the inputs of an update besides the gradient."""
    known: dict[str, Callable[[], Any]] = {
        "loss": lambda: float(surface.loss(weights)),
        "hessian_diag": lambda: [surface.curvature(weights).reshape(1, 2)],
    }
    for extra in needed:
        if extra not in known:
            msg = f"{name} cannot be drawn by this command: its updates need {extra} as well."
            raise HyperparameterError(msg)
    return {extra: known[extra]() for extra in needed}
