"""Narrow arrays in Numba's CUDA simulator beside the oracle."""

import sys

import numpy as np
import pytest
from numba import cuda
from support.narrow import CASES, HALF_A_MINUTE_EACH, MORE, OF_MATRICES, assert_stored_alike, run

import learnerdsl as ld
from learnerdsl.learners import adam, lion
from learnerdsl.storage import STORAGES

sys.setswitchinterval(1e-5)  # the threads of a block are threads of Python here


def on_device(array):
    return cuda.to_device(np.array(array))


@pytest.mark.parametrize("case", [*CASES, *MORE, *HALF_A_MINUTE_EACH, *OF_MATRICES], ids=str)
def test_narrow_arrays_are_stored_as_the_oracle_does(case):
    learner, oracle = run(case, on_device, "cuda"), run(case, np.copy, "numpy")
    assert_stored_alike(learner, oracle)


def arrays(*names):
    """An array of each of these number types."""
    return [np.linspace(-1, 1, 300).astype(STORAGES[name].numpy) for name in names]


@pytest.mark.parametrize("nonfinite", ["propagate", "skip"])
def test_parameters_of_several_number_types_are_updated_together(nonfinite):
    ends = []
    for place, backend in ((on_device, "cuda"), (np.copy, "numpy")):
        params = list(map(place, arrays("float32", "bfloat16", "float16")))
        learner = adam(params, backend=backend, nonfinite=nonfinite, states={"m": "bfloat16"})
        for _ in range(2):
            given = arrays("float32", "bfloat16", "float16")
            assert learner.update([place(g) for g in given])
        ends.append(learner)
    assert_stored_alike(*ends)


@pytest.mark.parametrize("types", [("float32",) * 2, ("float16", "bfloat16"), ("bfloat16",) * 2])
def test_gradients_may_change_their_number_types(types):
    ends = []
    for place, backend in ((on_device, "cuda"), (np.copy, "numpy")):
        learner = lion(list(map(place, arrays("bfloat16", "bfloat16"))), backend=backend)
        for names in (("bfloat16",) * 2, types, ("float32", "bfloat16"), types):
            learner.update([place(g) for g in arrays(*names)])
        ends.append(learner)
    assert_stored_alike(*ends)


def test_a_gradient_that_is_converted_is_read_again_when_it_was_refilled():
    learner = lion(list(map(on_device, arrays("float32", "float32"))))
    given = list(map(on_device, arrays("float32", "float16")))
    learner.update(given)
    before = learner.state[1]["m"].copy_to_host()
    given[1].copy_to_device(arrays("float16")[0] * np.float16(-3))
    learner.update(given)
    assert (np.sign(learner.state[1]["m"].copy_to_host()) != np.sign(before)).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_narrow_gradient_that_is_not_finite_is_found(dtype):
    learner = adam(list(map(on_device, arrays(dtype))), nonfinite="raise")
    (given,) = arrays(dtype)
    given[7] = np.inf
    with pytest.raises(ld.NonFiniteError, match="Gradients of 0"):
        learner.update([on_device(given)])


def test_states_are_written_and_checkpoints_go_on_bitwise(tmp_path):
    (start,) = arrays("bfloat16")
    options = {"states": {"m": "int8", "v": "bfloat16"}, "master": "split8"}
    first = adam([on_device(start)], **options)
    first.update([on_device(start)])
    first.state[0]["m"] = np.full(300, 0.5, np.float32)
    assert (first.state[0]["m"] == 0.5).all()
    first.save(tmp_path / "checkpoint")
    second = adam([on_device(first.parameters[0].copy_to_host())], **options)
    second.load(tmp_path / "checkpoint")
    for learner in (first, second):
        learner.update([on_device(start)])
    assert str(first.state_dict()) == str(second.state_dict())
    ends = [learner.master_parameters()[0] for learner in (first, second)]
    np.testing.assert_array_equal(*ends)


@ld.rule
def by_largest_row(p, g, lr=0.1):
    """A sweep over 8-bit states after one over rows: both have the same chunks."""
    m = ld.state("m")
    m_new = ld.assign(m, m / 2 + g)
    largest = ld.max(ld.sum(g**2, axis=-1))
    return ld.combine([m_new, ld.assign(p, p - lr * m_new / (1 + largest))])


def test_chunks_of_rows_start_where_blocks_of_8_bits_do():
    ends = []
    shape = (5, 4_099)
    start, *given = np.random.default_rng(2).standard_normal((3, *shape)).astype(np.float32)
    for place, backend in ((on_device, "cuda"), (np.copy, "cpu"), (np.copy, "numpy")):
        learner = by_largest_row([place(start)], backend=backend, states="int8")
        for g in given:
            learner.update([place(g)])
        ends.append(learner)
    for learner in ends[:2]:
        assert_stored_alike(learner, ends[2])


@ld.rule
def in_order(p, g, lr=0.1):
    """A sum that one thread adds up, in the sweep over a state."""
    m = ld.state("m")
    kept = ld.assign(ld.state("s", shape="tensor"), ld.sum(m * g, block=4))
    return ld.combine([kept, ld.assign(m, g), ld.assign(p, p - lr * g)])


def test_eight_bits_beside_a_sum_in_order_are_refused():
    with pytest.raises(ld.HyperparameterError, match=r"'m' of in_order.*as int8 on a GPU"):
        in_order([on_device(np.zeros((3, 4), np.float32))], states="int8")
