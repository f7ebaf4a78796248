"""The number of samples of an update: which are taken, and what rules see of them."""

from fractions import Fraction

import numpy as np
import pytest
from support.small_rules import BACKENDS, contents, descent, gradients, trained

import learnerdsl as ld


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


BAD = {
    "a huge number": 10**400,
    "a number of more digits than Python prints": 10**5000,
    "true": True,
    "true of NumPy": np.True_,
    "nothing": 0,
    "less than nothing": -1,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "too little for a float": Fraction(1, 10**400),
    "complex": 1j,
    "complex of NumPy": np.complex64(1),
    "text": "1",
    "None": None,
    "a list": [1],
    "an array": np.array([1, 2]),
    "an array of one": np.ones(1),
    "Ellipsis": ...,
}


@pytest.mark.parametrize("case", BAD)
def test_a_size_that_is_no_positive_number_is_refused_every_time(case, backend):
    learner = trained(backend)
    before = contents(learner)
    for _ in range(2):
        with pytest.raises(ld.HyperparameterError, match="a positive number of samples"):
            learner.update(gradients(learner, 5), BAD[case])
    assert contents(learner) == before
    same = trained(backend)
    for one in (learner, same):
        one.update(gradients(one, 6))
    assert contents(learner) == contents(same)


@pytest.mark.parametrize("size", [3, 3.0, np.int64(3), np.float32(3), Fraction(3), 2**40], ids=repr)
def test_numbers_of_any_type_are_taken(size, backend):
    learner = descent([np.zeros(2)], backend=backend)
    for _ in range(2):
        learner.update([np.ones(2)], size)
    learner.update([np.ones(2)])
    assert learner.samples == 2 * float(size) + 1


@ld.rule
def parts_of_samples(p, g):
    """What is whole of the samples, and the rest."""
    return ld.assign(p, ld.samples % 1 + 10 * ld.floor(ld.samples) + 0 * g)


def test_samples_need_not_be_whole(backend):
    learner = parts_of_samples([np.zeros(1)], backend=backend)
    seen = []
    for _ in range(4):
        learner.update([np.ones(1)], 0.75)
        seen.append(float(learner.parameters[0][0]))
    assert seen == [0.0, 0.75, 10.5, 20.25]
