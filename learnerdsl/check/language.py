"""Define `state`, `assign` and the rest of the language on the arrays of one tensor."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from learnerdsl.check.context import Run, running_now
from learnerdsl.check.functions import equal, where
from learnerdsl.check.values import SCALAR_UNIT, WIDE, Value, as_truth, as_value, cast
from learnerdsl.errors import LearnerError, RuleError
from learnerdsl.expr import NUMBER_OF_MODEL, array_shape, as_sides
from learnerdsl.interpret import philox

_SCALARS = "tensor", "model", ()
"""Shapes of scalars."""


class Ring:
    """The last values of a state, from `ring[1]`, the newest."""

    def __init__(self, symbols: list[Value]) -> None:
        self.symbols = symbols

    def __len__(self) -> int:
        return len(self.symbols)

    def __getitem__(self, lag: int) -> Value:
        return self.symbols[lag - 1]


def state(
    name: str,
    init: Any = 0.0,
    shape: Any = "element",
    ring: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Return the value of a state before the update; see `learnerdsl.state`."""
    del dtype  # `Judges` makes learners that keep states in the parameter's dtype
    run = running_now("state(...)")
    public = run.public(name)
    start = as_value(init)
    if ring is not None:
        names = [f"{public}_{lag}" for lag in range(1, ring + 1)]
        run.rings.append(names)
        return Ring([_declared(run, name, start, "element") for name in names])
    stored = _declared(run, public, start, shape)
    if not start.uses_gradient or run.mode == "evaluate":
        return stored
    old = where(equal(run.step, 1), start, stored)
    old.origin = None
    old.uses_gradient = False
    run.alive.append(old)
    run.targets[id(old)] = (public, stored)
    return old


def _declared(run: Run, public: str, start: Value, shape: Any) -> Value:
    """Return the present value of a state, or its start value."""
    wanted = _kept_shape(run, shape)
    conformed = _conformed(start, wanted, public)
    if start.uses_gradient:
        conformed = _conformed(Value(0.0), wanted, public)
    run.starts[public] = conformed
    if run.mode == "start":
        stored = Value(conformed.number, conformed.bound, wanted is not None)
    elif public not in run.inputs.states:  # `fixed` dropped it, so any value has the same effect
        stored = Value(np.ones(wanted or ()), 0.0, wanted is not None)
    else:
        stored = Value(np.reshape(run.inputs.states[public], wanted or ()), 0.0, wanted is not None)
    stored.is_matrix = as_sides(shape) is not None
    run.alive.append(stored)
    run.targets[id(stored)] = (public, stored)
    return stored


def _kept_shape(run: Run, shape: Any) -> tuple[int, ...] | None:
    """Return the shape of a state's array, with size 1 for the axes it lacks; None for scalars."""
    own = run.shape
    if shape in _SCALARS:
        return None
    if shape == "element":
        return own
    sides = as_sides(shape)
    if sides is not None:
        return array_shape(sides, own)
    named = {"rows": len(own) - 1, "cols": len(own) - 2}
    if shape in named:
        return tuple(1 if axis == named[shape] else n for axis, n in enumerate(own))
    kept = {axis % len(own) for axis in shape}
    return tuple(n if axis in kept else 1 for axis, n in enumerate(own))


def _conformed(value: Value, wanted: tuple[int, ...] | None, name: str) -> Value:
    """Convert a value to the shape and dtype of its target."""
    if wanted is None:
        return Value(value.number, value.bound).computed_as(value)
    one = value if value.is_array else cast(value)
    run = running_now("assign(...)")
    try:
        number = np.broadcast_to(one.number, wanted)
        bound = np.broadcast_to(one.bound, wanted)
    except ValueError:
        msg = (
            f"{name} has the shape {wanted}, but the value assigned to it has {one.number.shape}; "
            "reduce the value over the other axes."
        )
        raise RuleError(msg) from None
    is_finite = np.isfinite(number)
    largest = np.abs(number) > run.kind.largest
    bound = np.where(is_finite & (bound > 0), bound + run.kind.least, bound)
    return Value(number, np.where(is_finite & largest, np.inf, bound), True).computed_as(one)


def assign(target: Any, value: Any) -> Value:
    """Record the new value of a state or of the parameter, and return it."""
    run = running_now("assign(...)")
    target = target[len(target)] if isinstance(target, Ring) else target
    given = as_value(value)
    if target is run.parameter:
        new = _conformed(given, run.shape, "The parameter")
        if run.hold is not None and run.is_held:
            new = where(run.hold.flag > 0, new, run.hold.rest)
        run.assigned = new
        return _shown(run, target, new)
    if id(target) not in run.targets:
        msg = (
            f"assign({target!r}, ...) does not name a state of this rule; pass what state(...) "
            "returned."
        )
        raise RuleError(msg)
    name, old = run.targets[id(target)]
    new = _conformed(given, old.number.shape if old.is_array else None, name)
    if run.hold is not None:
        new = where(run.hold.flag > 0, new, old)
    run.new[name] = new
    return _shown(run, old, new)


def _shown(run: Run, target: Value, new: Value) -> Value:
    """Return the result of `assign`: the new value; in evaluation, the value after the update."""
    if run.mode == "evaluate":
        return target
    result = Value(new.number, new.bound, new.is_array).computed_as(new)
    run.alive.append(result)
    return result


def let(name: str, value: Any, dtype: str | None = None) -> Value:
    """Return a named intermediate value, at which derivatives stop."""
    run = running_now(f"let({name!r})")
    one = as_value(value)
    number, bound = one.number, one.bound
    if dtype == "parameter" and not one.is_array:
        kind = run.kind
        number = kind.dtype.type(number).astype(WIDE)
        bound = np.where(bound > 0, bound + 2 * kind.unit * np.abs(number), 0)
    return Value(number, bound, one.is_array).computed_as(one)


def extra(name: str, shape: str | tuple[int, ...] | None = None) -> Value:
    """Return an extra input of the update."""
    run = running_now("extra(...)")
    given = run.inputs.extras[run.public(name)]
    value = Value(given, is_array=isinstance(given, np.ndarray))
    value.is_matrix = as_sides(shape) is not None
    return value


def evaluate(value: Any) -> None:
    """Record the evaluation parameters."""
    running_now("evaluate(...)").evaluation = as_value(value)


def combine(assigns: Iterable[Any]) -> list[Any]:
    """Join several assigns."""
    return list(assigns)


def only_when(condition: Any, origin: Any = None, otherwise: Any = None, phases: int = 1) -> None:
    """Let the later members of a chain act only where a condition holds."""
    del phases
    run = running_now("only_when(...)")
    if run.conditions is None:
        msg = (
            "only_when(...) can be called only in a transform that stands before the rule of a "
            "chain; elsewhere write where(...)."
        )
        raise RuleError(msg)
    run.conditions.append(where(as_truth(condition), 1.0, 0.0))
    for name, value in (("origin", origin), ("otherwise", otherwise)):
        if value is not None:
            run.places[name] = _conformed(as_value(value), run.shape, f"{name}= of only_when")


def ndim(x: Any) -> int:
    """Return the number of axes of the parameter."""
    return len(shape(x))


def shape(x: Any) -> tuple[int, ...]:
    """Return the shape of the parameter."""
    own = as_value(x)
    run = running_now("shape(...)")
    return own.number.shape if own.is_matrix else run.shape


def normal(shape: Any = "element") -> Value:
    """Draw a standard normal number for each element, or for each of what `shape` says."""
    words, run = _words("normal()", shape)
    u = _fraction(words[0], words[1])
    v = _fraction(words[2], words[3])
    radius = np.sqrt(-2.0 * np.log(1.0 - u))
    drawn = radius * np.cos(2.0 * np.pi * v)
    # The angle and the argument of the logarithm are reduced in float64.
    return _of_shape(drawn, 16 * SCALAR_UNIT * radius + _rounding(run, drawn, shape), shape)


def uniform(shape: Any = "element") -> Value:
    """Draw a number from [0, 1) for each element, or for each of what `shape` says."""
    words, run = _words("uniform()", shape)
    is_narrow = _is_narrow(run, shape)
    if run.kind.dtype.itemsize == 4 and not is_narrow:
        number = (words[0] >> np.uint64(8)).astype(np.float64) * 2.0**-24
    else:
        number = _fraction(words[0], words[1])
    return _of_shape(number, _rounding(run, number, shape) if is_narrow else 0.0, shape)


def _is_narrow(run: Run, shape: Any) -> bool:
    """Return whether random numbers are drawn in float64: fewer than there are elements."""
    if as_sides(shape) is not None or shape == "element":
        return False
    return isinstance(shape, str) or len({a % len(run.shape) for a in shape}) < len(run.shape)


def _rounding(run: Run, drawn: Any, shape: Any) -> Any:
    """Return how far numbers may be from those of a kernel that rounds them to its dtype."""
    return run.kind.unit * np.abs(drawn) * (shape not in _SCALARS)


def _of_shape(number: Any, bound: Any, shape: Any) -> Value:
    """Return random numbers; of other shapes than "element", states start at the first update."""
    drawn = Value(number, bound, shape not in _SCALARS)
    drawn.is_matrix = as_sides(shape) is not None
    drawn.uses_gradient = shape != "element"
    return drawn


def _words(what: str, shape: Any) -> tuple[list[Any], Run]:
    run = running_now(what)
    of_model = shape == "model"
    run.draws += not of_model
    run.draws_of_model += of_model
    stream, number = run.draws, run.inputs.tensor
    if of_model:
        stream, number = run.draws_of_model, NUMBER_OF_MODEL
    position, step = run.inputs.positions, run.inputs.clock["step"]
    if position is None or shape != "element":
        own = _kept_shape(run, shape) or ()
        position = np.arange(int(np.prod(own))).reshape(own)
    if _is_narrow(run, shape):
        step = run.step.number
    seed = int(run.inputs.clock["seed"])
    return philox(np.asarray(position, np.uint64), stream, seed, int(step), number), run


def _fraction(high: Any, low: Any) -> Any:
    return ((high << np.uint64(21)) ^ (low >> np.uint64(11))) * 2.0**-53


def refused(name: str) -> Any:
    """Return a function that refuses to be called, in place of one without a meaning on arrays."""

    def function(*arguments: Any, **more: Any) -> Any:
        del arguments, more
        msg = f"{name} has no meaning on arrays, so ld.check cannot judge a rule that calls it."
        raise LearnerError(msg)

    function.__name__ = name.rpartition(".")[2]
    return function
