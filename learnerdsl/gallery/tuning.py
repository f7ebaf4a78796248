"""Find the best learning rate of a rule on a problem, over a grid that is the same for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.gallery.problems import Problem
from learnerdsl.gallery.runs import Run, train

RATES = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-9, 4))
"""The learning rates that are tried: two for each factor of ten, from 3.16e-5 to 31.6."""

SEEDS = (0, 1, 2, 3, 4)
"""The seeds of each run."""


@dataclass(frozen=True)
class Tuned:
    """The runs of a rule with the best of several learning rates.

    Attributes:
        rate: the rate with the best median score; None if the rule has none, and ran once.
        runs: the runs with that rate, one for each seed.
        scores: rate -> the score of each seed.
    """

    rate: float | None
    runs: tuple[Run, ...]
    scores: dict[float | None, tuple[float, ...]]

    @property
    def score(self) -> float:
        """Return the median score of the best rate."""
        return float(np.median([run.score for run in self.runs]))

    def losses(self, points: int) -> np.ndarray:
        """Return the median loss over the seeds, at `points` places of the run."""
        curves = np.array([(run.losses - run.lowest) / run.scale for run in self.runs])
        places = np.linspace(0, curves.shape[1] - 1, points).round().astype(int)
        return np.median(curves, axis=0)[places]


def tune(
    rule: Any,
    problem: Problem,
    rates: Sequence[float] = RATES,
    seeds: Sequence[int] = SEEDS,
    **hyperparameters: Any,
) -> Tuned:
    """Run a rule with every rate and every seed; all else keeps its default.

    Args:
        rule: the rule.
        problem: the problem.
        rates: values of the hyperparameter `lr`. A rule without it runs once with its defaults.
        seeds: seeds of the runs.
        hyperparameters: other hyperparameters.

    Raises:
        LearnerError: an argument cannot be used.
    """
    traced = rule.trace(shape=(2, 2))
    has_rate = any(symbol.name == "lr" for symbol in traced.hyperparameters)
    runs: dict[float | None, tuple[Run, ...]] = {}
    for rate in rates if has_rate else (None,):
        chosen = hyperparameters if rate is None else {**hyperparameters, "lr": rate}
        runs[rate] = tuple(train(rule, problem, seed, **chosen) for seed in seeds)
    scores = {rate: tuple(run.score for run in own) for rate, own in runs.items()}
    best = min(scores, key=lambda rate: float(np.median(scores[rate])))
    return Tuned(best, runs[best], scores)
