"""A rule of every function, and what it makes of special values; run by itself, it prints that.

`python -m support.special_values` in an environment with NUMBA_DISABLE_JIT=1 shows what the
generated text does as Python.
"""

import numpy as np
import sympy

import learnerdsl as ld
from learnerdsl.elementary import FUNCTIONS

UNARY = {row.name: getattr(ld, row.name) for row in FUNCTIONS if len(row.arguments) == 1}
UNARY |= {
    "minus_square": lambda x: x**-2,
    "cube": lambda x: x**3,
    "third_root": lambda x: x ** sympy.Rational(1, 3),
    "power_of_2": lambda x: 2**x,
    "power_of_pi": lambda x: ld.pi**x,
    "modulo_3": lambda x: x % 3,
    "modulo_minus_3": lambda x: x % -3,
}
BINARY = {
    "maximum": ld.maximum,
    "minimum": ld.minimum,
    "quotient": lambda x, y: x / y,
    "modulo": lambda x, y: x % y,
    "power": lambda x, y: x**y,
    "atan2": ld.atan2,
}


@ld.rule
def of_elements(p, g):
    lines = [ld.assign(ld.state(f"{name}_"), f(g)) for name, f in UNARY.items()]
    lines += [ld.assign(ld.state(f"{name}_"), f(p, g)) for name, f in BINARY.items()]
    return ld.combine([*lines, ld.assign(p, p)])


@ld.rule
def of_scalars(p, g, x=1.0, y=1.0):
    lines = [ld.assign(ld.state(f"{n}_", shape="model"), f(x)) for n, f in UNARY.items()]
    lines += [ld.assign(ld.state(f"{n}_", shape="model"), f(x, y)) for n, f in BINARY.items()]
    return ld.combine([*lines, ld.assign(p, p - g)])


def values(dtype):
    """Numbers where functions have limits, poles, borders and signs of zero."""
    info = np.finfo(dtype)
    positive = [0.0, 0.5, 0.625, 1, 2, 3.5, 88.9, 710, 746, np.inf]
    positive += [info.smallest_subnormal, info.tiny, info.eps, info.max]
    return np.array([np.nan, *positive, *(-x for x in positive)], dtype)


def elements(dtype, backend="cpu"):
    """Function -> its values for all pairs of special values, as the states of a learner."""
    x, y = (grid.ravel().copy() for grid in np.meshgrid(values(dtype), values(dtype)))
    learner = of_elements([x], backend=backend)
    learner.update([y])
    return {name.rstrip("_"): array for name, array in learner.state[0].items()}


def scalars(backend="cpu"):
    """Function -> its values for all pairs of some hyperparameters."""
    numbers = (-2.0, -1.0, -0.5, 0.0, 0.5, 3.0, 1e300, -1e300)
    learner = of_scalars([np.zeros(1)], backend=backend)
    found = {}
    for x in numbers:
        for y in numbers:
            learner.hyperparameters["x"], learner.hyperparameters["y"] = x, y
            learner.update([np.zeros(1)])
            for name, value in learner.model_state.items():
                found.setdefault(name.rstrip("_"), []).append(value)
    return {name: np.array(column) for name, column in found.items()}


if __name__ == "__main__":
    for table in (elements(np.float32), elements(np.float64), scalars()):
        for name, column in table.items():
            print(name, column.tobytes().hex())
