"""The pictures of `docs/precision.md`, as SVG files that are the same in every run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.learning import FLOAT32, LEARNERS, Runs, curves_of, number_type
from learnerdsl.interpret.codecs import decode, encode
from learnerdsl.learners import sgd
from learnerdsl.storage import STORAGES

STYLES: Mapping[str, tuple[str, str]] = {
    FLOAT32.name: ("black", "-"),
    "bf16 nearest": ("tab:red", "-"),
    "bf16 nearest, bf16 states": ("tab:orange", "--"),
    "bf16 stochastic": ("tab:blue", "-"),
    "bf16 stochastic, bf16 states": ("tab:cyan", "--"),
    "kahan": ("tab:green", "--"),
    "split8": ("tab:olive", ":"),
    "split16": ("tab:purple", ":"),
    "8-bit states": ("tab:pink", "-."),
    "8-bit states, stochastic": ("tab:brown", "-."),
}
"""Precision -> colour and dashes."""


def save(figure: Figure, path: Path) -> None:
    """Write a picture without a date, and with text as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.name}):
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    # matplotlib leaves spaces at the ends of lines.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
    print(f"wrote {path}")


def draw_learning(runs: Runs, path: Path) -> None:
    """Draw the loss while training: a row for each model, a column for each learner."""
    tasks = list(dict.fromkeys(key[0] for key in runs))
    figure = Figure(figsize=(12, 6.2), layout="constrained")
    axes = figure.subplots(len(tasks), len(LEARNERS), squeeze=False)
    lines: dict[str, Any] = {}
    for row, task in zip(axes, tasks, strict=True):
        for own, learner in zip(row, LEARNERS, strict=True):
            curves = curves_of(runs, task, learner)
            for name, curve in curves:
                colour, dashes = STYLES[name]
                x = (np.arange(len(curve)) + 0.5) / len(curve)
                lines[name] = own.plot(x, curve, dashes, color=colour, lw=1.3, label=name)[0]
            best = dict(curves)[FLOAT32.name]
            # A learner that diverges in one precision must not hide the others.
            own.set_ylim(0.95 * min(best), 1.1 * max(best))
            own.set_title(f"{learner}, {task}", fontsize=10)
            own.grid(alpha=0.2)
            own.tick_params(labelsize=8)
        row[0].set_ylabel("loss, mean of the seeds", fontsize=9)
    for own in axes[-1]:
        own.set_xlabel("part of the training", fontsize=9)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=5, fontsize=9)
    save(figure, path)


def draw_rounding(path: Path) -> None:
    """Draw a weight that 400 equal small updates should move by 0.04, in five precisions."""
    gradient, updates = 1e-4, 400
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        FLOAT32.name: ("float32", {}),
        "bf16 nearest": ("bfloat16", {}),
        "bf16 stochastic": ("bfloat16", {"rounding": "stochastic"}),
        "split8": ("bfloat16", {"master": "split8"}),
    }
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, (dtype, choices) in kinds.items():
        weights = np.ones(1000, number_type(dtype))
        learner = sgd([weights], lr=1.0, **choices)
        steps = np.full(weights.shape, -gradient).astype(weights.dtype)
        shown = []
        for _ in range(updates + 1):
            shown.append([float(weights[0]), float(weights.astype(np.float32).mean())])
            learner.update([steps])
        first, mean = np.transpose(shown)
        colour, dashes = STYLES[name]
        axes.plot(first, dashes, color=colour, lw=1.3, label=name)
        if name == "bf16 stochastic":
            axes.plot(mean, "--", color="tab:cyan", lw=1.3, label="its mean over 1,000 weights")
    axes.set(xlabel="updates of 0.0001", ylabel="a weight that starts at 1", ylim=(0.995, 1.045))
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=9)
    save(figure, path)


def draw_errors(path: Path) -> None:
    """Draw the largest relative error of storing a value, by its size in its block."""
    sizes = np.geomspace(1e-7, 1, 141)
    rng = np.random.default_rng(0)
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in ("bfloat16", "float16", "int8", "uint8"):
        storage = STORAGES[name]
        errors = []
        for size in sizes:
            values = (size * rng.uniform(0.7, 1.4, 256)).astype(np.float32)
            values[0] = 1  # the largest of the block
            stored, scales = encode(storage, values)
            error = np.abs(decode(storage, stored, scales) - values)[1:] / values[1:]
            errors.append(max(float(error.max()), 1e-5))
        axes.loglog(sizes, errors, lw=1.3, label=name)
    axes.set(xlabel="value / largest value of its block", ylabel="largest relative error")
    axes.set_ylim(1e-4, 2)
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=9)
    save(figure, path)
