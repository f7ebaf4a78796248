"""The oracle: evaluates a Rule array by array, over any array namespace.

It reads the same symbols as the compiler and shares no code with it, so it can judge it. It works
on NumPy; `jax.numpy` and `torch` have the same functions. Arrays go in, new arrays come out, and
nothing is changed in place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import InternalError
from learnerdsl.expr import (
    CLOCK,
    UNARY_FUNCTIONS,
    Draw,
    MaxOver,
    Reduction,
    SumOver,
    UniformDraw,
    tensor_size,
)
from learnerdsl.rule import Rule

_CLOCK = {symbol.name: symbol for symbol in CLOCK}

Values = dict[str, Any]
"""State name -> a list with one array (or float) for each tensor, or one float for the model."""


def initial_states(
    rule: Rule,
    parameters: Sequence[Any],
    hyperparameters: Sequence[Mapping[str, float]],
    xp: Any = np,
) -> Values:
    """The states of `rule` before the first update.

    Args:
        rule: a traced rule.
        parameters: the arrays that will be updated.
        hyperparameters: for each tensor, name -> value.
        xp: array namespace.
    """
    symbols = _symbol_values(rule, parameters, None, {}, hyperparameters, {})
    evaluate = _Evaluation(symbols, parameters, xp)
    states: Values = {}
    for spec in rule.states:
        if spec.symbol.shape == "element":
            states[spec.symbol.name] = [
                _like(evaluate(spec.init, k), parameter, xp)
                for k, parameter in enumerate(parameters)
            ]
        elif spec.symbol.shape == "tensor":
            states[spec.symbol.name] = [evaluate(spec.init, k) for k in range(len(parameters))]
        else:
            states[spec.symbol.name] = evaluate(spec.init, 0)
    return states


def interpret(
    rule: Rule,
    parameters: Sequence[Any],
    gradients: Sequence[Any],
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, float],
    xp: Any = np,
    positions: Sequence[Any] | None = None,
) -> tuple[list[Any], Values]:
    """One update of every tensor.

    Args:
        rule: a traced rule.
        parameters: arrays.
        gradients: arrays of the same shapes.
        states: what `initial_states` or the previous update returned.
        hyperparameters: for each tensor, name -> value.
        clock: values of "step", "samples", "minibatch_size" and "seed".
        xp: array namespace.
        positions: for each tensor, the numbers of its elements where it is only part of one;
            random numbers depend on them.

    Returns:
        The new parameters and the new states.
    """
    symbols = _symbol_values(rule, parameters, gradients, states, hyperparameters, clock)
    evaluate = _Evaluation(symbols, parameters, xp)
    evaluate.positions = positions
    count = len(parameters)
    for line in rule.lines:
        values = [evaluate(line.expression, k) for k in range(count)]
        if line.rounded:
            values = [_rounded(v, p) for v, p in zip(values, parameters, strict=True)]
        symbols[line.value] = values
    new = {line.target.name: symbols[line.value] for line in rule.lines}
    new_states: Values = {}
    for spec in rule.states:
        values = new[spec.symbol.name]
        if spec.symbol.shape == "element":
            values = [_like(v, p, xp) for v, p in zip(values, parameters, strict=True)]
        new_states[spec.symbol.name] = values[0] if spec.symbol.shape == "model" else values
    updated = [_like(v, p, xp) for v, p in zip(new[rule.parameter.name], parameters, strict=True)]
    return updated, new_states


def _symbol_values(
    rule: Rule,
    parameters: Sequence[Any],
    gradients: Sequence[Any] | None,
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, float],
) -> dict[sympy.Basic, list[Any]]:
    """Symbol -> its value for each tensor."""
    count = len(parameters)
    symbols: dict[Any, list[Any]] = {rule.parameter: list(parameters)}
    if gradients is not None:
        symbols[rule.gradient] = list(gradients)
    for hyper in rule.hyperparameters:
        symbols[hyper] = [float(values[hyper.name]) for values in hyperparameters]
    for spec in rule.states:
        if spec.symbol.name in states:
            value = states[spec.symbol.name]
            symbols[spec.symbol] = [value] * count if spec.symbol.shape == "model" else list(value)
    sizes = [float(np.prod(np.shape(p))) for p in parameters]
    symbols[tensor_size] = sizes
    totals = {**clock, "model_size": sum(sizes)}
    for name, value in totals.items():
        symbols[_CLOCK[name]] = [float(value)] * count
    return symbols


class _Evaluation:
    """Evaluates expressions for one tensor after the other, each expression once."""

    def __init__(self, symbols: dict[Any, list[Any]], parameters: Sequence[Any], xp: Any) -> None:
        self.symbols = symbols
        self.parameters = parameters
        self.xp = xp
        self.known: dict[Any, Any] = {}
        self.positions: Sequence[Any] | None = None

    def __call__(self, expr: sympy.Basic, tensor: int) -> Any:
        key = (expr, tensor)
        if key not in self.known:
            with np.errstate(all="ignore"):
                self.known[key] = _plain(self.compute(expr, tensor))
        return self.known[key]

    def compute(self, expr: Any, k: int) -> Any:
        """The value of `expr` for tensor number `k`."""
        if expr.is_Symbol:
            return self.symbols[expr][k]
        if isinstance(expr, (sympy.Number, sympy.NumberSymbol)):
            return float(expr)
        if isinstance(expr, Reduction):
            return self.reduce(expr, k)
        if isinstance(expr, Draw):
            return self.draw(expr, k)
        if isinstance(expr, sympy.Piecewise):
            return self.choose(expr, k)
        if expr.func in _STRUCTURE:
            return _STRUCTURE[expr.func](self, expr, k)
        if expr.func in UNARY_FUNCTIONS:
            return self.call(UNARY_FUNCTIONS[expr.func], self(expr.args[0], k))
        msg = f"the interpreter does not know {expr.func} in {expr}"
        raise InternalError(msg)

    def draw(self, expr: Draw, k: int) -> Any:
        """Random numbers of tensor number `k`, by Philox4x32-10 in NumPy."""
        if self.positions is not None:
            position = self.positions[k]
        else:
            shape = np.shape(self.parameters[k])
            position = np.arange(int(np.prod(shape))).reshape(shape)
        seed, step = (int(self.symbols[_CLOCK[name]][k]) for name in ("seed", "step"))
        words = philox(np.asarray(position, np.uint64), expr.stream, seed, step, k)
        u = ((words[0] << np.uint64(21)) ^ (words[1] >> np.uint64(11))) * 2.0**-53
        if isinstance(expr, UniformDraw):
            single = (words[0] >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
            drawn = single if self.parameters[k].dtype.itemsize == 4 else u
        else:
            v = ((words[2] << np.uint64(21)) ^ (words[3] >> np.uint64(11))) * 2.0**-53
            drawn = np.sqrt(-2.0 * np.log(1.0 - u)) * np.cos(2.0 * np.pi * v)
        return self.xp.asarray(drawn, dtype=self.parameters[k].dtype)

    def call(self, name: str, *values: Any) -> Any:
        """A function of NumPy's name, of floats or of arrays."""
        arrays = [v for v in values if not isinstance(v, float)]
        if not arrays:
            return getattr(np, name)(*map(np.float64, values))
        # Not every namespace takes floats beside arrays here.
        dtype = arrays[0].dtype
        operands = (self.xp.asarray(v, dtype=dtype) if isinstance(v, float) else v for v in values)
        return getattr(self.xp, name)(*operands)

    def product(self, expr: Any, k: int) -> Any:
        """Scalars first, as they are exact to 53 bits; divisors divide."""
        scalars, arrays, divisors = 1.0, [], []
        for factor in expr.args:
            if factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
                divisors.append(self(sympy.Pow(factor.base, -factor.exp), k))
            else:
                value = self(factor, k)
                if isinstance(value, float):
                    scalars = scalars * value
                else:
                    arrays.append(value)
        for divisor in divisors:
            if isinstance(divisor, float):
                scalars = float(np.float64(scalars) / np.float64(divisor))
        result: Any = scalars
        for value in arrays:
            result = result * value
        for divisor in divisors:
            if not isinstance(divisor, float):
                result = result / divisor
        return result

    def total(self, expr: sympy.Add, k: int) -> Any:
        """The sum of the terms, scalars first."""
        terms = [self(term, k) for term in expr.args]
        result: Any = 0.0
        for term in sorted(terms, key=lambda value: not isinstance(value, float)):
            result = result + term
        return result

    def power(self, expr: sympy.Pow, k: int) -> Any:
        """Roots and whole powers by their own functions, the rest by `**`."""
        base, exponent = self(expr.base, k), expr.exp
        if exponent == -1:
            return 1.0 / _wide(base)
        if exponent.is_number and float(exponent) in (0.5, -0.5):
            root = self.call("sqrt", base)
            return root if float(exponent) > 0 else 1.0 / _wide(root)
        if exponent.is_number and float(exponent).is_integer():
            return _wide(base) ** int(exponent)
        return _wide(base) ** self(exponent, k)

    def choose(self, expr: Any, k: int) -> Any:
        """The value of the first branch whose condition holds."""
        branches = [(self(value, k), self(condition, k)) for value, condition in expr.args]
        result = float("nan")
        for value, condition in reversed(branches):
            if isinstance(condition, (bool, np.bool_)):
                result = value if condition else result
            else:
                result = self.xp.where(condition, value, result)
        return result

    def extreme(self, expr: Any, k: int) -> Any:
        """Min or Max of any number of values; NaN if one is NaN."""
        name = "maximum" if isinstance(expr, sympy.Max) else "minimum"
        values = [self(argument, k) for argument in expr.args]
        result = values[0]
        for value in values[1:]:
            result = self.call(name, result, value)
        return result

    def modulo(self, expr: Any, k: int) -> Any:
        """The remainder, with the sign of the divisor."""
        return self.call("remainder", *(self(argument, k) for argument in expr.args))

    def compare(self, expr: Any, k: int) -> Any:
        """A relation; false where a side is NaN, but for `Ne`."""
        return _RELATIONS[expr.func](self(expr.lhs, k), self(expr.rhs, k))

    def logic(self, expr: Any, k: int) -> Any:
        """And, Or and Not of conditions."""
        values = [self(argument, k) for argument in expr.args]
        if isinstance(expr, sympy.Not):
            return self.xp.logical_not(values[0])
        combine = self.xp.logical_and if isinstance(expr, sympy.And) else self.xp.logical_or
        result = values[0]
        for value in values[1:]:
            result = combine(result, value)
        return result

    def reduce(self, expr: Reduction, k: int) -> Any:
        """Over one tensor, or over all of them in order; in float64."""
        if expr.over == "model":
            parts = [self.reduce_tensor(expr, j) for j in range(len(self.parameters))]
        else:
            parts = [self.reduce_tensor(expr, k)]
        result = parts[0]
        for part in parts[1:]:
            result = (
                self.call("maximum", result, part) if isinstance(expr, MaxOver) else result + part
            )
        return result

    def reduce_tensor(self, expr: Reduction, k: int) -> Any:
        """The sum or maximum over one tensor."""
        value = self.xp.asarray(self(expr.argument, k), dtype=self.xp.float64)
        value = self.xp.broadcast_to(value, np.shape(self.parameters[k]))
        if isinstance(expr, SumOver) and expr.block:
            return _sum_in_blocks(np.asarray(value, self.parameters[k].dtype).ravel(), expr.block)
        if isinstance(expr, SumOver):
            return self.xp.sum(value)
        return self.xp.max(value) if 0 not in np.shape(value) else -np.inf


def _sum_in_blocks(values: np.ndarray, size: int) -> float:
    """The sum in the dtype of `values`, one block after the other and then what is left over."""
    whole = len(values) // size * size
    blocks = values[:whole].reshape(-1, size)
    partial = np.cumsum(blocks, axis=1, dtype=values.dtype)[:, -1] if whole else blocks.ravel()
    addends = np.concatenate([np.zeros(1, values.dtype), partial, values[whole:]])
    return float(np.cumsum(addends, dtype=values.dtype)[-1])


def philox(position: Any, stream: int, seed: int, step: int, tensor: int) -> list[Any]:
    """Four random 32-bit words (in uint64) for each position: Philox4x32-10."""
    word, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    key = [np.uint64(seed) & word, np.uint64(seed) >> shift]
    c = [
        position & word,
        (position >> shift) | np.uint64(stream << 16),
        np.full_like(position, step & 0xFFFFFFFF),
        np.full_like(position, tensor & 0xFFFFFFFF),
    ]
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (second >> shift) ^ c[1] ^ key[0],
            second & word,
            (first >> shift) ^ c[3] ^ key[1],
            first & word,
        ]
        key = [
            np.uint64((int(k) + add) & 0xFFFFFFFF)
            for k, add in zip(key, (0x9E3779B9, 0xBB67AE85), strict=True)
        ]
    return c


def _truth(evaluation: _Evaluation, expr: Any, k: int) -> bool:
    del evaluation, k
    return bool(expr)


_STRUCTURE: dict[Any, Callable[[_Evaluation, Any, int], Any]] = {
    sympy.Add: _Evaluation.total,
    sympy.Mul: _Evaluation.product,
    sympy.Pow: _Evaluation.power,
    sympy.Min: _Evaluation.extreme,
    sympy.Max: _Evaluation.extreme,
    sympy.Mod: _Evaluation.modulo,
    sympy.And: _Evaluation.logic,
    sympy.Or: _Evaluation.logic,
    sympy.Not: _Evaluation.logic,
    sympy.Lt: _Evaluation.compare,
    sympy.Le: _Evaluation.compare,
    sympy.Gt: _Evaluation.compare,
    sympy.Ge: _Evaluation.compare,
    sympy.Eq: _Evaluation.compare,
    sympy.Ne: _Evaluation.compare,
    sympy.true.func: _truth,
    sympy.false.func: _truth,
}

_RELATIONS: dict[Any, Callable[[Any, Any], Any]] = {
    sympy.Lt: lambda a, b: a < b,
    sympy.Le: lambda a, b: a <= b,
    sympy.Gt: lambda a, b: a > b,
    sympy.Ge: lambda a, b: a >= b,
    sympy.Eq: lambda a, b: a == b,
    sympy.Ne: lambda a, b: a != b,
}


def _wide(value: Any) -> Any:
    """Python floats raise where IEEE arithmetic goes on; NumPy's do not."""
    return np.float64(value) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    """A float64 scalar as a Python float, which takes the dtype of the array it meets."""
    return float(value) if isinstance(value, np.float64) else value


def _rounded(value: Any, parameter: Any) -> Any:
    return float(parameter.dtype.type(value)) if isinstance(value, float) else value


def _like(value: Any, parameter: Any, xp: Any) -> Any:
    """`value` as an array of the parameter's shape and dtype."""
    array = xp.asarray(value, dtype=parameter.dtype)
    return xp.broadcast_to(array, parameter.shape) if array.shape != parameter.shape else array
