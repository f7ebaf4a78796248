"""Writes docs/learners.md: every builtin learner, and how near it is to the library it follows.

`PYTHONPATH=.:tests python -m support.learners_page` writes the page;
tests/learners/test_page.py fails when it is stale.
"""

import inspect
import math
from pathlib import Path

import numpy as np

from learnerdsl import learners
from learnerdsl.expr import RingState, Sides
from support.battery import RULES, follow
from support.families import TRUSTED, UNTRUSTED
from support.families.libraries import run_optax, run_torch
from support.problems import STEPS, hyperparameters, problem

PAGE = Path(__file__).parents[2] / "docs" / "learners.md"

LIBRARIES = {
    "normuon": "pytorch_optimizer.NorMuon",
    "adabound": "pytorch_optimizer.AdaBound",
    "adafactor_bv": "timm.optim.AdafactorBigVision",
    "adagc": "pytorch_optimizer.AdaGC",
    "adahessian": "timm.optim.Adahessian",
    "adai": "pytorch_optimizer.Adai",
    "adam_mini": "pytorch_optimizer.AdamMini",
    "adam_uncorrected": "torch.optim.Adam",
    "adamc": "timm.optim.AdamWLegacy",
    "adamp": "timm.optim.AdamP",
    "adamuon": "timm.optim.Muon",
    "adan": "timm.optim.Adan",
    "adanorm": "pytorch_optimizer.AdaNorm",
    "adapnm": "pytorch_optimizer.AdaPNM",
    "adopt": "optax.contrib.adopt",
    "aida": "pytorch_optimizer.Aida",
    "alig": "pytorch_optimizer.AliG",
    "amos": "pytorch_optimizer.Amos",
    "asgd": "torch.optim.ASGD",
    "came": "came_pytorch.CAME",
    "cautious_adamw": "timm.optim.AdamWLegacy",
    "conda": "pytorch_optimizer.Conda",
    "fira": "pytorch_optimizer.Fira",
    "galore_adamw": "pytorch_optimizer.GaLore",
    "dadapt_adamw": "optax.contrib.dadapt_adamw",
    "diffgrad": "pytorch_optimizer.DiffGrad",
    "dog": "optax.contrib.dog",
    "fadam": "pytorch_optimizer.FAdam",
    "focus": "pytorch_optimizer.FOCUS",
    "l_dog": "optax.scale_by_distance_over_gradients",
    "lamb_timm": "timm.optim.Lamb",
    "laprop": "timm.optim.LaProp",
    "lars_timm": "timm.optim.Lars",
    "mars_adamw": "timm.optim.Mars",
    "mars_lion": "timm.optim.Mars",
    "muon": "torch.optim.Muon",
    "muon_with_adamw": "torch.optim.Muon, AdamW",
    "nadam": "torch.optim.NAdam",
    "nadamw_timm": "timm.optim.NAdamW",
    "noisy_sgd": "optax.noisy_sgd",
    "novograd_timm": "timm.optim.NvNovoGrad",
    "polyak_sgd": "optax.polyak_sgd",
    "prodigy": "optax.contrib.prodigy",
    "psgd_kron": "timm.optim.Kron",
    "qhadam": "qhoptim.pyt.QHAdam",
    "qhm": "qhoptim.pyt.QHM",
    "ranger": "pytorch_optimizer.Ranger",
    "schedule_free_adamw": "schedulefree.AdamWScheduleFree",
    "schedule_free_radam": "schedulefree.RAdamScheduleFree",
    "schedule_free_sgd": "schedulefree.SGDScheduleFree",
    "scion": "pytorch_optimizer.SCION",
    "sgd_keras": "torch.optim.SGD",
    "sgd_sai": "pytorch_optimizer.SGDSaI",
    "sgdp": "timm.optim.SGDP",
    "sgdw": "timm.optim.SGDW",
    "shampoo": "pytorch_optimizer.Shampoo",
    "sm3": "optax.sm3",
    "soap": "pytorch_optimizer.SOAP",
    "sophia": "optax.contrib.sophia",
    "sparse_adam": "torch.optim.SparseAdam",
    "splus": "pytorch_optimizer.SPlus",
    "stable_adamw": "pytorch_optimizer.StableAdamW",
    "stable_spam": "pytorch_optimizer.StableSPAM",
    "lbfgs": "torch.optim.LBFGS",
    "yogi": "optax.yogi",
}
"""The library of a rule, where the runner of its family does not say."""

HEADING = """# The builtin learners

Made from the package by `PYTHONPATH=.:tests python -m support.learners_page`; changes are lost.

Every learner is a rule of a few lines, in `learnerdsl/learners/`, where its docstring says what it
is good for, whose conventions it follows, and where it was published. States are those of a matrix,
with their shape where it is not that of the parameter. Bytes are per element of float32 matrices:
the traffic of an update, and the memory that states take; that of states with fewer values follows,
by what has a value. Passes are those over memory.

The last columns name what judges it. Rules run for 20 steps in float64, with hyperparameters that
change at every step, on gradients of size 1 and 1e-6; the error is the largest difference from the
library's parameters, in parts of the largest movement of their tensor (for the small gradients
beside the rounding of the parameter itself). All rules are held to references written by hand, too.

| learner | hyperparameters | states | traffic | memory | passes | judged by | error |
|---|---|---|---|---|---|---|---|
"""


def library_of(name: str) -> str:
    """The name of the library's learner that judges a rule."""
    if name in LIBRARIES:
        return LIBRARIES[name]
    runner = TRUSTED[name]
    modules = {run_torch: "torch.optim", run_optax: "optax"}
    return f"{runner.keywords.get('module', modules[runner.func])}.{runner.args[0]}"


def worst_error(name: str) -> float:
    """The largest difference from the library, in parts of the movement."""
    worst = 0.0
    for size in (1.0, 1e-6):
        rng, start, sequence = problem(name, size)
        hypers = hyperparameters(name, rng)
        expected = TRUSTED[name](start, sequence, hypers)
        actual = follow(RULES[name], start, sequence, hypers)
        for wanted, got in zip(expected, actual, strict=True):
            for p, a, b in zip(start, wanted, got, strict=True):
                # Small gradients move a parameter by little more than its own rounding.
                rounding = 4 * STEPS * np.spacing(np.abs(a).max()) if size < 1 else 0.0
                movement = np.abs(a - p).max()
                excess = np.abs(a - b).max() - rounding
                worst = max(worst, excess / movement if movement else 0.0)
    return float(worst)


def shown_error(error: float) -> str:
    """An error as the power of ten above it, which does not depend on the machine."""
    return f"1e{max(-15, math.ceil(math.log10(error)))}" if error > 0 else "0"


def description(name: str) -> str:
    """The row of a learner, but for the error."""
    rule = getattr(learners, name)
    traced, plan, cost = rule.trace(), rule.plan(), rule.cost()
    file = Path(inspect.getsourcefile(rule._function) or "").name
    states = dict.fromkeys(state_text(spec.symbol, traced) for spec in traced.states)
    judge = f"`{library_of(name)}`" if name in TRUSTED else "its reference alone"
    cells = [
        f"[`{name}`](../learnerdsl/learners/{file})",
        " ".join(f"`{symbol}`" for symbol in traced.hyperparameters),
        ", ".join(states) or "none",
        str(plan.bytes_per_element),
        _memory(cost),
        str(len(plan.passes)),
        judge,
    ]
    return f"| {' | '.join(cells)} |"


def _memory(cost) -> str:
    """The bytes of states per element, then those of states that have fewer values."""
    others = [f"{n} per {what}" for what, n in cost.other_state_bytes.items()]
    return ", ".join([str(cost.state_bytes_per_element), *others])


def state_text(symbol, rule) -> str:
    """A state with what it ranges over, or that it keeps the value it starts with."""
    if isinstance(symbol, RingState):
        return f"{symbol.name.rpartition('_')[0]} (ring of {symbol.length})"
    notes = [] if symbol.shape == "element" else [_shape(symbol.shape)]
    if any(line.target == symbol == line.expression for line in rule.lines):
        notes.append("kept")
    return f"{symbol} ({', '.join(notes)})" if notes else str(symbol)


def _shape(shape) -> str:
    if isinstance(shape, str):
        return shape
    if isinstance(shape, Sides):
        return " x ".join(map(str, shape))
    return {(0,): "rows", (1,): "cols"}[shape]


def mathematics(name: str) -> str:
    """The section with the formulas of a learner."""
    return f"### {name}\n\n$$\n{getattr(learners, name).latex()}\n$$\n"


def page() -> str:
    """The whole page."""
    rows = []
    for name in learners.__all__:
        error = shown_error(worst_error(name)) if name in TRUSTED else "-"
        rows.append(f"{description(name)} {error} |")
    notes = [f"* `{name}`: {UNTRUSTED[name]}" for name in learners.__all__ if name in UNTRUSTED]
    parts = [HEADING + "\n".join(rows)]
    parts.append("Judged by their references alone:\n\n" + "\n".join(notes))
    parts.append("## Mathematics\n\nFor matrices, where a rule treats other tensors differently.")
    parts += [mathematics(name).rstrip() for name in learners.__all__]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
