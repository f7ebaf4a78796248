"""Compare derivatives of a rule by `sympy.diff` with differences of its function."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from learnerdsl.check import inputs as seeded
from learnerdsl.check.comparison import TIMES
from learnerdsl.check.context import Inputs
from learnerdsl.check.judges import Judges
from learnerdsl.check.report import Mismatch
from learnerdsl.check.symbolic import evaluated
from learnerdsl.check.values import WIDE, Precision, Value, precision
from learnerdsl.elementary import FUNCTIONS
from learnerdsl.expr import RingState, RuleSymbol
from learnerdsl.tracing import Rule

_STEP = float(np.finfo(WIDE).eps) ** (1 / 3)
"""Relative step of a central difference: errors of rounding and of truncation are alike."""

_ROUGH = ("abs", "sign", "floor", "ceil")
_SMOOTH = (
    *(sympy.Number, sympy.NumberSymbol, RuleSymbol, sympy.Add, sympy.Mul, sympy.Pow),
    *(row.node for row in FUNCTIONS if row.node is not None and row.name not in _ROUGH),
)


def slopes(judges: Judges, rng: np.random.Generator) -> list[Mismatch]:
    """Return the wrong derivatives of the new values of each tensor whose rule is smooth.

    Args:
        judges: the judges, after some updates.
        rng: source of the random gradient.
    """
    shapes = [p.shape for p in judges.parameters]
    dtype = str(judges.kind.dtype)
    gradients = seeded.gradients(shapes, dtype, rng, 1.0, nonfinite=False)
    extras = seeded.extras(judges.rules, judges.parameters, rng)
    judges.clock["step"] += 1
    every = judges.inputs(gradients, extras)
    judges.clock["step"] -= 1
    found: list[Mismatch] = []
    if not all(map(_is_smooth, judges.rules)):
        return found
    for what in ("parameter", "gradient"):
        differences = _differences(judges, every, what)
        for k, (rule, inputs) in enumerate(zip(judges.rules, every, strict=True)):
            token = precision.set(judges.kind)
            for name, slope in _derivatives(rule, inputs, what):
                difference, error = differences[k][name]
                one = _mismatch(slope, difference, error, judges.kind)
                if one is not None:
                    found.append(
                        Mismatch(
                            update=int(inputs.clock["step"]),
                            dtype=dtype,
                            tensor=k,
                            shape=shapes[k],
                            state=f"d {name} / d {what}",
                            index=one[0],
                            right=one[1],
                            compiled=one[2],
                            oracle=one[2],
                            wrong="both",
                        )
                    )
            precision.reset(token)
    return found


def _is_smooth(rule: Rule) -> bool:
    """Return whether all lines are differentiable everywhere and work element by element."""
    return all(
        isinstance(node, _SMOOTH)
        for line in rule.lines
        for node in sympy.preorder_traversal(line.expression)
    )


def _differences(judges: Judges, every: list[Inputs], what: str) -> list[dict[str, Any]]:
    """Return for each tensor: new value -> its central difference and the error of that.

    The error is the change when the step is halved, plus rounding in the wide type: the bounds of
    the values, scaled by the ratio of the unit roundoffs of the two types.
    """
    found: list[list[dict[str, Any]]] = []
    rounding: list[dict[str, Any]] = []
    share = float(np.finfo(WIDE).eps) / judges.kind.unit
    for part in (1.0, 0.5):
        ends: list[list[dict[str, Value]]] = []
        steps = [
            part * _STEP * np.maximum(np.abs(_array(inputs, what)), 1e-2).astype(WIDE)
            for inputs in every
        ]
        for sign in (1, -1):
            moved = [
                replace(inputs, moved={what: sign * step})
                for inputs, step in zip(every, steps, strict=True)
            ]
            runs = judges.function(moved, judges.options)
            ends.append([run.updated for run in runs])
        found.append(
            [
                {name: (high[name].number - low[name].number) / (2 * step) for name in high}
                for high, low, step in zip(*ends, steps, strict=True)
            ]
        )
        rounding = [
            {name: share * (high[name].bound + low[name].bound) / step for name in high}
            for high, low, step in zip(*ends, steps, strict=True)
        ]
    return [
        {name: (fine[name], np.abs(fine[name] - coarse[name]) + error[name]) for name in fine}
        for coarse, fine, error in zip(*found, rounding, strict=True)
    ]


def _array(inputs: Inputs, what: str) -> np.ndarray:
    return inputs.parameter if what == "parameter" else inputs.gradient


def _derivatives(rule: Rule, inputs: Inputs, what: str) -> Iterator[tuple[str, Value]]:
    """Yield each new value and its derivative, by the chain rule over the lines."""
    symbols: dict[Any, Value] = {
        rule.parameter: Value(inputs.parameter, is_array=True),
        rule.gradient: Value(inputs.gradient, is_array=True),
    }
    for hyper in rule.hyperparameters:
        symbols[hyper] = Value(inputs.hyperparameters[hyper.name])
    for symbol in (spec.symbol for spec in rule.states):
        state = inputs.states[symbol.name]
        symbols[symbol] = Value(state, is_array=symbol.shape not in ("tensor", "model"))
    for symbol in rule.extras:
        is_array = symbol.shape not in ("tensor", "model")
        symbols[symbol] = Value(inputs.extras[symbol.name], is_array=is_array)
    clock = {name: Value(number) for name, number in inputs.clock.items()}
    sizes = {s: Value(float(inputs.parameter.size)) for s in _free(rule) if str(s) == "size"}
    symbols |= {s: clock[str(s)] for s in _free(rule) if str(s) in clock and s not in symbols}
    symbols |= sizes
    of = rule.parameter if what == "parameter" else rule.gradient
    slopes_of: dict[Any, Value] = {of: Value(1.0)}
    for line in rule.lines:
        total = Value(0.0)
        for symbol in sorted(line.expression.free_symbols & set(slopes_of), key=str):
            partial = evaluated(sympy.diff(line.expression, symbol), symbols)
            total = total + partial * slopes_of[symbol]
        symbols[line.value] = evaluated(line.expression, symbols)
        slopes_of[line.value] = total
        if line.target is not line.value and line.target != line.value:
            yield _name(rule, line.target), total


def _name(rule: Rule, target: Any) -> str:
    """Return the name of a target after the update; for a ring, of its newest value."""
    if isinstance(target, RingState):
        return f"{target.name.rpartition('_')[0]}_1"
    return "parameter" if target == rule.parameter else str(target)


def _free(rule: Rule) -> set[Any]:
    return set().union(*(line.expression.free_symbols for line in rule.lines))


def _mismatch(
    slope: Value, difference: Any, error: Any, kind: Precision
) -> tuple[tuple[int, ...], float, float] | None:
    """Return index, difference and derivative of the worst wrong element, or None."""
    with np.errstate(all="ignore"):
        size = np.abs(difference)
        allowed = TIMES * (slope.bound + error) + (1e-7 + 64 * kind.unit) * size + 1e-9
        excess = np.abs(slope.number - difference) / allowed
    excess = np.where(np.isfinite(difference) & np.isfinite(excess), excess, 0)
    if not np.any(excess > 1):
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(excess)), excess.shape))
    number = np.broadcast_to(slope.number, excess.shape)
    return index, float(np.broadcast_to(difference, excess.shape)[index]), float(number[index])
