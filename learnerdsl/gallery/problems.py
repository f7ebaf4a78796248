"""Define the problems of the gallery: losses with gradients, in NumPy and float64."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A loss to make small, from a start that depends on a seed.

    Attributes:
        name: a short name.
        title: a heading.
        sentence: what is hard about it.
        steps: number of updates of a run.
        start: takes a random generator; returns the parameters to begin with.
        sample: takes a random generator and the number of the update, from 1; returns what the
            gradient of this update is computed from, or None.
        gradient: takes parameters and a sample; returns loss and gradients.
        loss: takes parameters and the number of the update; returns the loss without noise, which
            learners are judged by.
        lowest: the lowest loss that can be reached.
        every: the loss is computed after every so many updates.
    """

    name: str
    title: str
    sentence: str
    steps: int
    start: Callable[[np.random.Generator], Parameters]
    sample: Callable[[np.random.Generator, int], Any]
    gradient: Callable[[Parameters, Any], tuple[float, Parameters]]
    loss: Callable[[Parameters, int], float]
    lowest: float = 0.0
    every: int = 1


def _nothing(rng: np.random.Generator, k: int) -> None:
    """Return the sample of a problem without noise."""


def _rotation(size: int) -> np.ndarray:
    """Return an orthogonal matrix, always the same for a size."""
    return np.linalg.qr(np.random.default_rng(size).normal(size=(size, size)))[0]


def _narrow_valley() -> Problem:
    """Return a quadratic form of condition number 10,000, not aligned with the axes."""
    size = 20
    turned = _rotation(size)
    matrix = turned * np.logspace(-4, 0, size) @ turned.T

    def gradient(p: Parameters, sample: Any) -> tuple[float, Parameters]:
        slope = matrix @ p["x"]
        return 0.5 * float(p["x"] @ slope), {"x": slope}

    return Problem(
        "valley",
        "Ill-conditioned quadratic",
        "A valley in 20 dimensions, whose steepest direction is 10,000 times as curved as its "
        "flattest one, and which is not aligned with the axes.",
        500,
        lambda rng: {"x": rng.normal(size=size) * 3},
        _nothing,
        gradient,
        lambda p, k: gradient(p, None)[0],
    )


def rosenbrock(x: Any, y: Any) -> Any:
    """Return Rosenbrock's function, (1 - x)**2 + 100 (y - x**2)**2, lowest at (1, 1)."""
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def _rosenbrock() -> Problem:
    """Return Rosenbrock's function, from places around (-1.2, 1)."""

    def gradient(p: Parameters, sample: Any) -> tuple[float, Parameters]:
        x, y = p["x"]
        slope = np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])
        return float(rosenbrock(x, y)), {"x": slope}

    return Problem(
        "rosenbrock",
        "Rosenbrock's function",
        "A curved valley with a flat floor: (1 - x)² + 100 (y - x²)².",
        1000,
        lambda rng: {"x": np.array([-1.2, 1.0]) + rng.normal(size=2) * 0.1},
        _nothing,
        gradient,
        lambda p, k: float(rosenbrock(*p["x"])),
    )


def _noise() -> Problem:
    """Return a quadratic form whose gradients have noise of heavy tails."""
    curvature = np.logspace(-1, 0, 30)

    def gradient(p: Parameters, sample: Any) -> tuple[float, Parameters]:
        slope = curvature * p["x"]
        return 0.5 * float(p["x"] @ slope), {"x": slope + sample}

    return Problem(
        "noise",
        "Noise with heavy tails",
        "A round bowl; the noise of its gradients has Student's distribution with 2 degrees of "
        "freedom, so single gradients are far off.",
        500,
        lambda rng: {"x": rng.normal(size=30) * 3},
        lambda rng, k: rng.standard_t(2, size=30),
        gradient,
        lambda p, k: 0.5 * float(p["x"] @ (curvature * p["x"])),
    )


def _sparse() -> Problem:
    """Return least squares with features of which most are rare."""
    size, batch = 60, 8
    share = 1 / np.arange(1, size + 1)
    target = np.random.default_rng(5).normal(size=size)

    def sample(rng: np.random.Generator, k: int) -> np.ndarray:
        return (rng.random((batch, size)) < share).astype(float)

    def gradient(p: Parameters, x: np.ndarray) -> tuple[float, Parameters]:
        error = x @ (p["x"] - target)
        return 0.5 * float(error @ error) / batch, {"x": x.T @ error / batch}

    def loss(p: Parameters, k: int) -> float:
        away = p["x"] - target
        mean = float(share @ away)
        return 0.5 * (mean**2 + float((share * (1 - share)) @ away**2))

    return Problem(
        "sparse",
        "Sparse gradients",
        "Least squares with features that appear with probability 1, 1/2, 1/3 and so on: most "
        "gradients of rare features are zero.",
        500,
        lambda rng: {"x": rng.normal(size=size)},
        sample,
        gradient,
        loss,
    )


def _plateau() -> Problem:
    """Return a bowl in a plain, where gradients are tiny far from the minimum."""

    def gradient(p: Parameters, sample: Any) -> tuple[float, Parameters]:
        x = p["x"]
        return float(np.sum(x * x / (1 + x * x))), {"x": 2 * x / (1 + x * x) ** 2}

    return Problem(
        "plateau",
        "Plateau",
        "A hole in a plain, x²/(1 + x²) in each of 10 dimensions, from a place where the gradient "
        "is 400 times smaller than at the steepest place.",
        500,
        lambda rng: {"x": rng.choice([-1.0, 1.0], 10) * rng.uniform(8, 12, 10)},
        _nothing,
        gradient,
        lambda p, k: gradient(p, None)[0],
    )


def _saddle() -> Problem:
    """Return a function with a saddle, near which a run begins."""
    size = 5

    def gradient(p: Parameters, sample: Any) -> tuple[float, Parameters]:
        x, y = p["x"], p["y"]
        value = 0.5 * float(x @ x) + float(np.sum(y**4 / 4 - y**2 / 2))
        return value, {"x": x.copy(), "y": y**3 - y}

    return Problem(
        "saddle",
        "Saddle",
        "x²/2 - y²/2 + y⁴/4 in five pairs of dimensions; runs begin close to the saddle, where the "
        "gradient along y is about 0.00001.",
        300,
        lambda rng: {"x": rng.normal(size=size), "y": rng.normal(size=size) * 1e-5},
        _nothing,
        gradient,
        lambda p, k: gradient(p, None)[0],
        lowest=-0.25 * size,
    )


def _drift() -> Problem:
    """Return a bowl whose minimum moves all the time."""
    size = 10
    phases = np.linspace(0, np.pi, size)

    def gradient(p: Parameters, k: int) -> tuple[float, Parameters]:
        away = p["x"] - np.sin(2 * np.pi * k / 200 + phases)
        return 0.5 * float(away @ away), {"x": away}

    return Problem(
        "drift",
        "Moving minimum",
        "A round bowl whose minimum runs in a circle, once in 200 updates: who follows it must not "
        "slow down.",
        600,
        lambda rng: {"x": rng.normal(size=size) * 2},
        lambda rng, k: k,
        gradient,
        lambda p, k: gradient(p, k)[0],
    )


def _classes() -> Problem:
    """Return logistic regression on features of very different sizes, in minibatches."""
    count, size, batch = 400, 20, 20
    rng = np.random.default_rng(8)
    scales = np.logspace(-1, 1, size)
    x = rng.normal(size=(count, size)) * scales
    logits = x @ (rng.normal(size=size) / scales)
    y = (rng.random(count) < 1 / (1 + np.exp(-3 * logits))).astype(float)

    def gradient(p: Parameters, rows: Any) -> tuple[float, Parameters]:
        z = x[rows] @ p["w"][:, 0] + p["b"][0]
        losses = np.logaddexp(0, z) - y[rows] * z
        error = (0.5 * (1 + np.tanh(0.5 * z)) - y[rows]) / len(z)
        return float(losses.mean()), {"w": (x[rows].T @ error)[:, None], "b": error.sum()[None]}

    return Problem(
        "classes",
        "Logistic regression",
        "Two classes, 20 features whose sizes differ by a factor of 100, minibatches of 20.",
        600,
        lambda rng: {"w": rng.normal(size=(size, 1)) * 0.1, "b": np.zeros(1)},
        lambda rng, k: rng.integers(0, count, batch),
        gradient,
        lambda p, k: gradient(p, slice(None))[0],
        lowest=_minimum_of_classes(x, y),
        every=10,
    )


def _minimum_of_classes(x: np.ndarray, y: np.ndarray) -> float:
    """Return the lowest loss of logistic regression, by Newton's method."""
    data = np.hstack([x, np.ones((len(x), 1))])
    w = np.zeros(data.shape[1])
    for _ in range(30):
        share = 0.5 * (1 + np.tanh(0.5 * (data @ w)))
        hessian = (data.T * (share * (1 - share))) @ data
        w -= np.linalg.solve(hessian + 1e-12 * np.eye(len(w)), data.T @ (share - y))
    z = data @ w
    return float(np.mean(np.logaddexp(0, z) - y * z))


def _network() -> Problem:
    """Return a network of two layers that is to tell two spirals apart, in minibatches."""
    count, hidden, batch = 200, 24, 20
    turn = np.linspace(0.5, 3, count // 2) * np.pi
    arm = np.stack([np.cos(turn), np.sin(turn)], 1) * turn[:, None] / (3 * np.pi)
    x = np.concatenate([arm, -arm]) * 2
    y = np.repeat([1.0, 0.0], count // 2)

    def start(rng: np.random.Generator) -> Parameters:
        return {
            "w1": rng.normal(size=(2, hidden)),
            "b1": rng.normal(size=hidden) * 0.1,
            "w2": rng.normal(size=(hidden, hidden)) / np.sqrt(hidden),
            "b2": np.zeros(hidden),
            "w3": rng.normal(size=(hidden, 1)) / np.sqrt(hidden),
        }

    def gradient(p: Parameters, rows: Any) -> tuple[float, Parameters]:
        one = np.tanh(x[rows] @ p["w1"] + p["b1"])
        two = np.tanh(one @ p["w2"] + p["b2"])
        z = (two @ p["w3"])[:, 0]
        losses = np.logaddexp(0, z) - y[rows] * z
        error = ((0.5 * (1 + np.tanh(0.5 * z)) - y[rows]) / len(z))[:, None]
        back_two = error @ p["w3"].T * (1 - two * two)
        back_one = back_two @ p["w2"].T * (1 - one * one)
        return float(losses.mean()), {
            "w1": x[rows].T @ back_one,
            "b1": back_one.sum(0),
            "w2": one.T @ back_two,
            "b2": back_two.sum(0),
            "w3": two.T @ error,
        }

    return Problem(
        "network",
        "Small network",
        "Two spirals to tell apart, by a network of two hidden layers of 24, in minibatches of 20.",
        1000,
        start,
        lambda rng, k: rng.integers(0, count, batch),
        gradient,
        lambda p, k: gradient(p, slice(None))[0],
        every=10,
    )


PROBLEMS = {
    problem.name: problem
    for problem in (
        _narrow_valley(),
        _rosenbrock(),
        _noise(),
        _sparse(),
        _plateau(),
        _saddle(),
        _drift(),
        _classes(),
        _network(),
    )
}
"""The problems by name, in the order of the pages."""
