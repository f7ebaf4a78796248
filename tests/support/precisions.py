"""Number types that builtins run with, and how near the compiled learner comes to the oracle.

Each update starts from the same memory, so that each is judged by itself. Hoisted scalars are
rounded at other places than in the oracle, so float32 values differ by a few of their last bits;
where such a value lies beside the middle of two numbers of its storage, so do the stored bits. A
narrow array may therefore differ by one of its steps, and only in few places.
"""

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

import learnerdsl as ld
from learnerdsl.interpret import codecs
from learnerdsl.learner.precision import precisions_for
from learnerdsl.storage import PARAMETER_REST, SCALE, STORAGES
from learnerdsl.tracing import is_counter, is_nonnegative
from support.battery import RULES, extra_values
from support.problems import EXTRAS, fitted, hyperparameters

BACKENDS = ("cpu", "numpy")
SPLIT = {"master": "split16"}
SHAPES = ((), (1,), (0,), (7, 5), (3, 4, 2), (300,), (515,))
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
CHOICES = {
    "bfloat16 parameters": {"dtype": "bfloat16"},
    "float16 parameters": {"dtype": "float16"},
    "bfloat16 states": {"states": "bfloat16"},
    "float16 states": {"dtype": "float16", "states": "float16"},
    "8-bit states": {"states": "8 bits"},
    "split8": {"dtype": "bfloat16", "master": "split8"},
    "split16": {"dtype": "bfloat16", "master": "split16"},
    "kahan": {"dtype": "bfloat16", "master": "kahan"},
    "kahan of float16": {"dtype": "float16", "master": "kahan"},
    "float32 master": {"dtype": "float16", "master": "float32"},
    "stochastic": {"dtype": "bfloat16", "states": "bfloat16", "rounding": "stochastic"},
    "stochastic float16": {"dtype": "float16", "states": "float16", "rounding": "stochastic"},
    "stochastic 8 bits": {"dtype": "bfloat16", "states": "8 bits", "rounding": "stochastic"},
}
"""Name -> what a learner is made with; "8 bits" is uint8 where a state is proved not negative."""


def element_states(rule):
    """The states with a value per element that are no counters, by the names that users write."""
    found = {}
    for variant in [rule.trace(shape=shape) for shape in fitted(rule.name, SHAPES)]:
        for spec in variant.states:
            symbol = spec.symbol
            if symbol.shape == "element" and not is_counter(variant, symbol):
                proved = found.get(spec.public, True) and is_nonnegative(variant, symbol)
                found[spec.public] = proved
    return found


def arguments(rule, choice):
    """The dtype and the arguments of a choice, or None if the rule does not allow it."""
    given = dict(CHOICES[choice])
    dtype = given.pop("dtype", "float32")
    states = element_states(rule)
    if "states" in given:
        if not states:
            return None
        kind = given["states"]
        given["states"] = {
            name: kind if kind != "8 bits" else "uint8" if proved else "int8"
            for name, proved in states.items()
        }
    traced = [rule.trace(shape=shape) for shape in fitted(rule.name, SHAPES)]
    kinds = [STORAGES[dtype]] * len(traced)
    try:
        precisions_for(
            traced,
            kinds,
            given.get("states"),
            given.get("master"),
            given.get("rounding", "nearest"),
        )
    except ld.LearnerError:
        return None
    return dtype, given


def numpy_type(name):
    return BFLOAT16 if name == "bfloat16" else np.dtype(name)


class Before(NamedTuple):
    """What an update starts from: the stored parameters and states, and the gradients."""

    parameters: Any
    pieces: Any
    gradients: Any


def both(name, choice, steps=4, shapes=SHAPES, rule=None):
    """Run a rule compiled and interpreted; yield (step, both learners, what was before it)."""
    rule = rule or RULES[name]
    dtype, given = arguments(rule, choice)
    shapes = fitted(rule.name, shapes)
    hypers = hyperparameters(rule.name, np.random.default_rng(3), shapes, steps)
    rng = np.random.default_rng([8, *rule.name.encode()])
    start = [np.array(rng.standard_normal(shape)).astype(numpy_type(dtype)) for shape in shapes]
    sides = [[p.copy() for p in start] for _ in range(2)]
    own, oracle = (
        rule(params, backend=backend, seed=11, **given)
        for params, backend in zip(sides, ("cpu", "numpy"), strict=True)
    )
    for step, hyper in enumerate(hypers):
        gradients = [np.array(rng.standard_normal(s)).astype(numpy_type(dtype)) for s in shapes]
        level(own, oracle, *sides)
        before = Before([p.copy() for p in sides[0]], copied(own), gradients)
        for learner in (own, oracle):
            for key, value in hyper.items():
                if key not in EXTRAS:
                    learner.hyperparameters[key] = value
            learner.update(gradients, 3, **extra_values(hyper, numpy_type(dtype)))
        yield step, own, oracle, before


def level(own, oracle, params, twins):
    """Copy the memory of the compiled learner to the oracle."""
    for one, twin in zip(params, twins, strict=True):
        twin[...] = one
    engine = own._engine
    oracle._engine.write_states({**engine.read_states(), **engine.read_model_states()})


def copied(learner):
    """The stored states, as new arrays."""
    states = learner._engine.read_states()
    return {n: [None if a is None else np.array(a) for a in own] for n, own in states.items()}


BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
"""Bits of the numbers of a type, the leading one included."""
LOWEST = {"bfloat16": 2.0**-133, "float16": 2.0**-24, "float32": 2.0**-149, "float64": 5e-324}
KEPT = {"float32": 24, "split16": 24, "split8": 16, "kahan": 16}
"""Bits of a weight that is kept in two arrays, at least."""
DIFFERING = 0.03
"""Share of the elements of a narrow array that may differ at all, beside one element."""


def spacing(values, bits, lowest):
    """The distance from a number to the next one, at these magnitudes."""
    _, exponent = np.frexp(np.abs(values))
    return np.maximum(np.ldexp(1.0, exponent - bits), lowest)


def differences(own, oracle, before, tolerance):
    """Sentences on what differs by more than it may."""
    found = []
    pieces, twins = copied(own), copied(oracle)
    assert pieces.keys() == twins.keys()
    for k, precision in enumerate(own._precisions):
        tensor = Tensor(k, before, tolerance)
        (stored, values), (others, other_values) = (
            (list(learner.parameters.values())[k], list(learner.master_parameters().values())[k])
            for learner in (own, oracle)
        )
        kind = precision.parameter
        old = before.parameters[k]
        found += tensor.apart("parameter", stored, others, old, BITS[kind], LOWEST[kind])
        if precision.master:
            bits = KEPT[precision.master]
            lowest = LOWEST[kind if precision.master == "kahan" else "float32"]
            found += tensor.apart("weight", values, other_values, old, bits, lowest)
        for name in pieces:
            if pieces[name][k] is not None and name != PARAMETER_REST:
                found += tensor.state_apart(name, pieces, twins)
    return found


class Tensor:
    """A comparison of the arrays of a tensor.

    Args:
        k: its number.
        before: what the update started from.
        tolerance: how much float32 values may differ, in parts of the largest of the old value, the
            new one and the gradient.
    """

    def __init__(self, k, before, tolerance):
        self.k = k
        self.before = before
        self.gradient = np.abs(before.gradients[k].astype(np.float64))
        self.tolerance = tolerance

    def state_apart(self, name, pieces, twins):
        """Sentences on what differs in a state."""
        one, other = pieces[name][self.k], twins[name][self.k]
        assert one.dtype == other.dtype
        if one.dtype.kind not in "iu":
            old = self.before.pieces[name][self.k]
            return self.apart(name, one, other, old, BITS[one.dtype.name], LOWEST[one.dtype.name])
        steps = np.abs(one.astype(int) - other.astype(int))
        values, others = (
            codecs.decode(
                STORAGES[one.dtype.name], of_each[name][self.k], of_each[name + SCALE][self.k]
            )
            for of_each in (pieces, twins)
        )
        with np.errstate(all="ignore"):
            is_near = np.abs(values - others) <= self.tolerance * self.gradient
        steps = np.where(is_near, 0, steps)
        if np.max(steps, initial=0) > 1 or np.sum(steps) > 1 + DIFFERING * one.size:
            return [f"{name} {self.k}: codes differ by {np.max(steps)}, {np.sum(steps)} of them"]
        return []

    def apart(self, name, one, other, old, bits, lowest):
        """A sentence if arrays differ by more than a step of their type, beside the tolerance."""
        is_narrow = bits < 24
        a, b, was = (np.asarray(array, np.float64) for array in (one, other, old))
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(all="ignore"):
            new = np.maximum(np.abs(a), np.abs(b))
            largest = np.maximum(new, np.abs(was))
            is_of_elements = new.shape == self.gradient.shape
            gradient = self.gradient if is_of_elements else np.max(self.gradient, initial=0)
            largest = np.maximum(largest, gradient)
            step = spacing(new, bits, lowest) if is_narrow else 0.0
            error = np.abs(a - b)
            wrong = ~same & ~(error <= self.tolerance * largest + step)
            if is_of_elements:  # terms as large may have cancelled, so any rounding shows
                same |= error <= self.tolerance * gradient
        if wrong.any():
            at = tuple(map(int, np.argwhere(wrong)[0]))
            return [f"{name} {self.k}{list(at)}: {a[at]}, oracle {b[at]}, before {was[at]}"]
        if is_narrow and name != "weight" and np.sum(~same) > 1 + DIFFERING * a.size:
            return [f"{name} {self.k}: {np.sum(~same)} of {a.size} differ"]
        return []


@ld.rule
def averaged(p, g, lr=0.1, mu=0.9):
    """A rule with states of elements, rows and the tensor."""
    m = ld.state("m")
    r = ld.state("r", shape="rows") if ld.ndim(p) == 2 else ld.state("r")
    n = ld.state("n", shape="tensor")
    m_new = ld.assign(m, mu * m + g)
    r_new = ld.assign(r, mu * r + (ld.mean(g, axis=-1) if ld.ndim(p) == 2 else g))
    n_new = ld.assign(n, n + ld.norm(g))
    return ld.combine([m_new, r_new, n_new, ld.assign(p, p - lr * (m_new + r_new) / n_new)])


def normal(rng, shape, dtype="float32"):
    return np.array(rng.standard_normal(shape)).astype(numpy_type(dtype))


def bits(array):
    return np.asarray(array).view(f"u{array.dtype.itemsize}")


def assert_equal_bits(one, other):
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(bits(one), bits(other))


def held(learner):
    """Everything that an update changes, as bytes."""
    arrays = [*learner.parameters.values()]
    arrays += [a for own in copied(learner).values() for a in own if a is not None]
    return [a.tobytes() for a in arrays], learner.step_count, repr(learner.model_state)
