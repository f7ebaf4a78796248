"""Train learners on the problems of the gallery."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.errors import RuleError
from learnerdsl.gallery.problems import Parameters, Problem

EXTRAS = ("loss", "hessian_diag")
"""Inputs of an update that the gallery can give besides gradients."""

TOO_FAR = 1e6
"""A run ends where its loss is this many times that of the start."""


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        losses: the loss at the start, and after every `problem.every` updates, where the next one
            begins; infinite from where the run diverged.
        scale: the loss of the start, above the lowest.
        lowest: the lowest loss that can be reached.
    """

    losses: np.ndarray
    scale: float
    lowest: float

    @property
    def score(self) -> float:
        """Return log10 of the mean loss of the last tenth of a run, the start's loss being 1.

        Both are above the lowest loss. It is between -10, and 1 for a run that diverged.
        """
        last = self.losses[-max(1, len(self.losses) // 10) :]
        left = (float(np.mean(last)) - self.lowest) / self.scale
        return float(np.log10(np.clip(left, 1e-10, 10.0)))


def refusal(rule: Any, problem: Problem) -> str:
    """Return why a rule cannot be run on a problem; empty if it can be."""
    for array in problem.start(np.random.default_rng(0)).values():
        try:
            traced = rule.trace(shape=array.shape)
        except RuleError as error:
            return str(error)
        missing = [extra.name for extra in traced.extras if extra.name not in EXTRAS]
        if missing:
            return f"it needs {missing[0]}"
    return ""


def train(
    rule: Any,
    problem: Problem,
    seed: int = 0,
    watch: Callable[[Mapping[str, np.ndarray]], None] | None = None,
    **hyperparameters: Any,
) -> Run:
    """Run a rule on a problem, in float64.

    Rules that average the weights are judged by `learner.evaluation_parameters()`. Rules that need
    `hessian_diag` get Hutchinson's estimate, from differences of gradients.

    Args:
        rule: the rule.
        problem: the problem.
        seed: of the start, the samples, and random numbers of the rule.
        watch: is called with the parameters before every update and after the last one.
        hyperparameters: hyperparameters of the rule.

    Raises:
        LearnerError: an argument cannot be used.
    """
    rng = np.random.default_rng(seed)
    params = problem.start(rng)
    learner = rule(params, seed=seed, **hyperparameters)
    traced = rule.trace(shape=(2, 2))
    inputs = _Inputs(problem, {extra.name for extra in traced.extras}, seed)
    losses = np.full(problem.steps // problem.every + 1, np.inf)
    losses[0] = problem.loss(params, 1)
    scale = losses[0] - problem.lowest
    with np.errstate(all="ignore"):
        for k in range(1, problem.steps + 1):
            if watch is not None:
                watch(params)
            value, gradients = problem.gradient(params, sample := problem.sample(rng, k))
            learner.update(gradients, **inputs.of(params, sample, value, gradients))
            if k % problem.every:
                continue
            judged = params if traced.evaluation is None else learner.evaluation_parameters()
            loss = problem.loss(judged, k + 1)  # what the next gradient belongs to
            if not loss - problem.lowest <= TOO_FAR * scale:
                break
            losses[k // problem.every] = loss
        if watch is not None:
            watch(params)
    return Run(losses, float(scale), problem.lowest)


class _Inputs:
    """The inputs of an update besides the gradients."""

    def __init__(self, problem: Problem, names: set[str], seed: int) -> None:
        self._problem = problem
        self._names = names
        self._rng = np.random.default_rng(seed + 1)

    def of(self, p: Parameters, sample: Any, loss: float, gradients: Parameters) -> dict[str, Any]:
        """Return input name -> value for one update."""
        found: dict[str, Any] = {}
        if "loss" in self._names:
            found["loss"] = loss
        if "hessian_diag" in self._names:
            found["hessian_diag"] = self._hessian_diagonal(p, sample, gradients)
        return found

    def _hessian_diagonal(self, p: Parameters, sample: Any, gradients: Parameters) -> Parameters:
        """Return Hutchinson's estimate z * Hz, with signs z, from a difference of gradients."""
        width = 1e-5
        signs = {name: self._rng.choice([-1.0, 1.0], x.shape) for name, x in p.items()}
        moved = {name: x + width * signs[name] for name, x in p.items()}
        _, there = self._problem.gradient(moved, sample)
        return {name: z * (there[name] - gradients[name]) / width for name, z in signs.items()}
