"""How well small models learn in each precision; run by `python -m benchmarks.precision learning`.

Every learner has its default hyperparameters, and every precision the same data in the same order.
So the differences between precisions stand beside those between seeds, which change the first
weights and the order of the data.
"""

import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import learnerdsl as ld
from benchmarks.small_models import Task, Weights, characters, digits
from learnerdsl import learners

EIGHT_BITS = {
    "adamw": {"m": "int8", "v": "uint8"},
    "lamb": {"m": "int8", "v": "uint8"},
    "prodigy": {"m": "int8", "v": "uint8"},
}
"""Learner -> the states that 8 bits suit: means of gradients, and means of their squares."""

LEARNERS = ("adamw", "sgd", "lamb", "prodigy")
POINTS = 30
"""Points of a curve; each is the mean loss of as many minibatches."""

EVALUATED = 4096
"""Examples, spread over all of them, on which the final loss is measured."""


@dataclass(frozen=True)
class Precision:
    """A way to store parameters and states.

    Attributes:
        name: what the tables call it.
        dtype: number type of parameters and gradients.
        choices: arguments of the learner.
        states: "" for float32, a number type for all states, or "8 bits" for `EIGHT_BITS`.
        is_expected: whether it should learn as float32 does.
    """

    name: str
    dtype: str
    choices: Mapping[str, Any]
    states: str = ""
    is_expected: bool = True

    def arguments(self, learner: str) -> dict[str, Any] | None:
        """The arguments of a learner; None if it has no states to store in this way."""
        if not self.states:
            return dict(self.choices)
        if learner == "sgd":
            return None
        states = EIGHT_BITS[learner] if self.states == "8 bits" else self.states
        return {**self.choices, "states": states}


STOCHASTIC = {"rounding": "stochastic"}
FLOAT32 = Precision("float32", "float32", {})
PRECISIONS = (
    FLOAT32,
    Precision("bf16 nearest", "bfloat16", {}, is_expected=False),
    Precision("bf16 nearest, bf16 states", "bfloat16", {}, "bfloat16", is_expected=False),
    Precision("bf16 stochastic", "bfloat16", STOCHASTIC),
    Precision("bf16 stochastic, bf16 states", "bfloat16", STOCHASTIC, "bfloat16"),
    Precision("kahan", "bfloat16", {"master": "kahan"}),
    Precision("split8", "bfloat16", {"master": "split8"}),
    Precision("split16", "bfloat16", {"master": "split16"}),
    Precision("8-bit states", "float32", {}, "8 bits"),
    Precision("8-bit states, stochastic", "float32", STOCHASTIC, "8 bits"),
)


@dataclass(frozen=True)
class Run:
    """The trainings of a learner in one precision, one for each seed.

    Attributes:
        final: loss after the last update, for each seed.
        curve: mean loss of the minibatches of each part of the training, over all seeds.
    """

    final: list[float]
    curve: list[float]

    @property
    def mean(self) -> float:
        """Mean final loss."""
        return statistics.fmean(self.final)

    @property
    def spread(self) -> float:
        """Standard deviation of the final loss between seeds."""
        return statistics.stdev(self.final) if len(self.final) > 1 else 0.0


Runs = dict[tuple[str, str, str], Run]
"""(task, learner, precision) -> trainings."""


def in_float32(weights: Weights) -> Weights:
    """The weights as a model computes with them."""
    return {name: array.astype(np.float32, copy=False) for name, array in weights.items()}


def train(
    task: Task, learner: str, precision: Precision, seed: int, steps: int
) -> tuple[float, list[float]]:
    """Train a new model; returns its final loss and the loss of every minibatch."""
    rng = np.random.default_rng(seed)
    dtype = number_type(precision.dtype)
    weights = {name: array.astype(dtype) for name, array in task.start(rng).items()}
    arguments = precision.arguments(learner)
    updates = getattr(learners, learner)(weights, seed=seed, **(arguments or {}))
    gradients = {name: np.empty_like(array) for name, array in weights.items()}
    losses = []
    for _ in range(steps):
        batch = rng.integers(len(task.labels), size=task.batch)
        loss, found = task.gradients(in_float32(weights), task.inputs[batch], task.labels[batch])
        for name, array in gradients.items():
            array[...] = found[name]
        updates.update(gradients)
        losses.append(loss)
    chosen = np.linspace(0, len(task.labels) - 1, min(EVALUATED, len(task.labels))).astype(int)
    final, _ = task.gradients(in_float32(weights), task.inputs[chosen], task.labels[chosen])
    return final, losses


def number_type(name: str) -> Any:
    """The NumPy dtype with a name; bfloat16 is that of ml_dtypes."""
    import ml_dtypes

    return ml_dtypes.bfloat16 if name == "bfloat16" else np.dtype(name)


def train_all(seeds: int, share: float) -> Runs:
    """Train every model by every learner in every precision.

    Args:
        seeds: trainings of each.
        share: part of the updates to do.
    """
    from threadpoolctl import threadpool_limits  # scikit-learn, which has the digits, brings it

    ld.set_num_threads(1)  # the models are too small for more
    runs: Runs = {}
    with threadpool_limits(1):
        for task in (digits(), characters()):
            steps = max(POINTS, round(share * task.steps) // POINTS * POINTS)
            for learner in LEARNERS:
                start = time.perf_counter()
                for precision in PRECISIONS:
                    if precision.arguments(learner) is not None:
                        key = task.name, learner, precision.name
                        runs[key] = train_seeds(task, learner, precision, seeds, steps)
                print(f"{task.name}, {learner}: {time.perf_counter() - start:.0f} s", flush=True)
    return runs


def train_seeds(task: Task, learner: str, precision: Precision, seeds: int, steps: int) -> Run:
    """Train a model once for each seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a loss may become infinite
        each = [train(task, learner, precision, seed, steps) for seed in range(seeds)]
    losses = np.reshape([own for _, own in each], (seeds, POINTS, -1))
    return Run([final for final, _ in each], losses.mean(axis=(0, 2)).tolist())


def verdict(run: Run, reference: Run) -> str:
    """How the final loss stands to that of float32, in standard deviations of its seeds."""
    distance = (run.mean - reference.mean) / max(reference.spread, 1e-12)
    word = "as float32" if distance <= 1 else "worse"
    return f"{word} ({distance:+.1f})"


def print_runs(runs: Runs) -> None:
    """Print the table of final losses as Markdown, and what is not as expected."""
    names = [precision.name for precision in PRECISIONS]
    print("\nFinal loss, mean ± standard deviation between seeds; in brackets the distance from")
    print("float32 in standard deviations of float32")
    surprises = []
    for task in dict.fromkeys(key[0] for key in runs):
        print(f"\n| {task} | {' | '.join(LEARNERS)} |\n|---|{'---|' * len(LEARNERS)}")
        for name, precision in zip(names, PRECISIONS, strict=True):
            cells = []
            for learner in LEARNERS:
                run = runs.get((task, learner, name))
                reference = runs[task, learner, FLOAT32.name]
                cells.append("-" if run is None else cell(run, reference))
                if run and precision.is_expected and verdict(run, reference).startswith("worse"):
                    surprises.append(f"{task}, {learner}, {name}: {cells[-1]}")
            print(f"| {name} | {' | '.join(cells)} |")
    print("\nWorse than float32 by more than a standard deviation, though not expected to be:")
    print("\n".join(f"  {line}" for line in surprises) or "  none")


def cell(run: Run, reference: Run) -> str:
    """A run in the table."""
    text = f"{run.mean:.4f} ± {run.spread:.4f}"
    return text if run is reference else f"{text} ({verdict(run, reference)})"


def curves_of(runs: Runs, task: str, learner: str) -> Sequence[tuple[str, list[float]]]:
    """(name of the precision, curve) of every precision of a learner on a task."""
    return [(key[2], run.curve) for key, run in runs.items() if key[:2] == (task, learner)]
