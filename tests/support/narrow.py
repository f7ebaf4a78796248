"""Learners with narrow arrays on a device beside the oracle: what both store has to be the same."""

from typing import Any, NamedTuple

import numpy as np

from learnerdsl import learners
from learnerdsl.runtime.arrays.interop import copy_to_host
from learnerdsl.storage import STORAGES
from support.tiers import costly, slow

EIGHT = {"m": "int8", "v": "uint8"}
BY_AXES = {"row": "bfloat16", "col": "float16", "v": "bfloat16"}
MATRICES = ((7, 5), (12, 3))
STEP = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 1e-4}
"""Largest relative difference of two values of a type that were rounded to neighbours."""
FLIPPED = 0.02
"""Share of the values that may be rounded the other way, as sums of products differ in float32."""


class Case(NamedTuple):
    """A builtin, the number types of its parameters and gradients, and options of the learner."""

    rule: str
    dtype: str
    options: dict[str, Any]
    gradient: str = ""
    shapes: tuple[tuple[int, ...], ...] = ((), (7, 5), (300,), (4_500,))

    def __str__(self) -> str:
        options = [str(option) for option in self.options.values()]
        return "-".join(filter(None, [self.rule, self.dtype, *options, self.gradient]))


STOCHASTIC = {"rounding": "stochastic"}
CASES = (
    Case("adam", "bfloat16", {"states": "bfloat16", **STOCHASTIC}),
    Case("adam", "bfloat16", {"master": "split16", "states": EIGHT, **STOCHASTIC}),
    Case("lamb", "bfloat16", {"master": "kahan", "states": {"m": "float16"}}),
    Case("adafactor", "bfloat16", {"states": BY_AXES, **STOCHASTIC}, shapes=((7, 5), (9,))),
    Case("lion", "float16", {}, "float32"),
    Case("lion", "float32", {"states": "int8"}, "bfloat16"),
)
"""One for each structure of a kernel."""
MORE = (
    Case("adam", "bfloat16", {}),
    Case("adam", "float16", {"states": "float16"}),
    Case("adam", "float64", {"states": "float32"}, "float32"),
    Case("adam", "bfloat16", {"master": "float32"}),
    Case("adam", "bfloat16", {"master": "split16"}),
    Case("adam", "float16", {"master": "kahan"}),
    Case("adashift", "bfloat16", {"states": "bfloat16"}),
    Case("noisy_sgd", "bfloat16", STOCHASTIC),
)
HALF_A_MINUTE_EACH = (
    Case("adam", "float32", {"states": EIGHT}),
    Case("adam", "bfloat16", {"master": "split8", **STOCHASTIC}),
    Case("adam", "float16", {"master": "float32", "states": EIGHT}),
    Case("lamb", "bfloat16", {"states": EIGHT, **STOCHASTIC}),
    Case("lamb", "float16", STOCHASTIC),
    Case("adashift", "float32", {"states": "int8"}),
    Case("came", "bfloat16", {"states": "bfloat16"}, shapes=MATRICES),
)
OF_MATRICES = (
    Case("muon", "bfloat16", {"states": "int8", "master": "kahan"}, shapes=MATRICES),
    Case("muon", "float32", {"states": "bfloat16"}, "bfloat16", shapes=MATRICES),
    Case("muon", "float16", {"states": "float16"}, shapes=MATRICES),
    Case("soap", "bfloat16", {"master": "split16", "states": "bfloat16"}, shapes=MATRICES),
    Case("shampoo", "bfloat16", {"master": "split8"}, "float32", shapes=MATRICES),
)
TIERED = (*CASES, *map(slow, MORE), *map(costly, HALF_A_MINUTE_EACH))


def run(case, place, backend, steps=2):
    """The learner after some updates; `place` puts arrays where they are updated."""
    rng = np.random.default_rng(9)
    dtype, gradient = (STORAGES[name].numpy for name in (case.dtype, case.gradient or case.dtype))
    params = [place(np.array(rng.standard_normal(s)).astype(dtype)) for s in case.shapes]
    learner = getattr(learners, case.rule)(params, backend=backend, seed=5, **case.options)
    for _ in range(steps):
        given = [np.array(rng.standard_normal(s)).astype(gradient) for s in case.shapes]
        learner.update([place(g) for g in given])
    return learner


def stored(learner):
    """Name -> every array that the learner stores, as NumPy arrays."""
    found = {f"p{k}": copy_to_host(p) for k, p in learner.parameters.items()}
    for k, states in learner.state_dict()["state"].items():
        found |= {f"{name}{k}": array for name, array in states.items()}
    return found


def assert_stored_alike(learner, oracle):
    """The same types and shapes; nearly all values are equal, and none is more than a step off."""
    found, expected = stored(learner), stored(oracle)
    assert found.keys() == expected.keys()
    differ = total = 0
    for name, wanted in expected.items():
        got = found[name]
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), name
        if got.dtype.name == "int16":
            continue  # the last bits of weights, which the values below have too
        step, least = STEP.get(got.dtype.name, 1e-9), 1e-6
        if got.dtype.kind in "iu":
            step, least = 0.0, 1.0
        a, b = got.astype(np.float64), wanted.astype(np.float64)
        np.testing.assert_allclose(a, b, rtol=step, atol=least, err_msg=name)
        if STORAGES.get(got.dtype.name, STORAGES["float32"]).itemsize < 4:
            differ, total = differ + np.sum(a != b), total + a.size
    assert differ <= FLIPPED * total
    masters = learner.master_parameters(), oracle.master_parameters()
    for k, wanted in masters[1].items():
        np.testing.assert_allclose(
            masters[0][k].astype(np.float64), wanted.astype(np.float64), rtol=2**-7, atol=1e-6
        )
