"""Narrow tensors of PyTorch on a GPU beside the oracle."""

import numpy as np
import pytest
from gpu.devices import DEVICE, MARKS
from support.narrow import CASES, MORE, OF_MATRICES, assert_stored_alike, run

pytestmark = MARKS


@pytest.fixture
def place(torch):
    """A function that copies NumPy arrays to the GPU."""

    def to_gpu(array):
        if array.dtype.name != "bfloat16":
            return torch.tensor(array, device=DEVICE)
        return torch.tensor(array.view(np.int16), device=DEVICE).view(torch.bfloat16)

    return to_gpu


@pytest.mark.parametrize("case", [*CASES, *MORE, *OF_MATRICES], ids=str)
def test_narrow_tensors_are_stored_as_the_oracle_does(case, place):
    assert_stored_alike(run(case, place, "cuda"), run(case, np.copy, "numpy"))


def test_gradients_of_several_number_types_are_converted(place):
    ends = []
    for where, backend in ((place, "cuda"), (np.copy, "numpy")):
        learner = run(CASES[0], where, backend, steps=0)
        rng = np.random.default_rng(1)
        given = [rng.standard_normal(shape).astype(np.float32) for shape in CASES[0].shapes]
        given[1] = given[1].astype(np.float16)
        learner.update([where(g) for g in given])
        ends.append(learner)
    assert_stored_alike(*ends)
