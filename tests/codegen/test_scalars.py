"""Sums in blocks, and conditions of the step: what they are when a learner runs."""

import numpy as np
import pytest

import learnerdsl as ld


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("size", [0, 1, 4, 7, 30, 35])
@pytest.mark.parametrize("block", [1, 4])
def test_a_sum_in_blocks_rounds_as_written(block, size, backend):
    @ld.rule
    def total(p, g, lr=1.0):
        s = ld.state("s", shape="tensor")
        return ld.combine([ld.assign(s, ld.sum(1 / g, block=block)), ld.assign(p, p - lr * g)])

    gradient = np.random.default_rng(size).uniform(0.001, 1, size).astype(np.float32)
    learner = total([np.zeros(size, np.float32)], backend=backend)
    learner.update([gradient])
    values, expected = [np.float32(1) / g for g in gradient], np.float32(0)
    for start in range(0, size - size % block, block):
        part = values[start]
        for value in values[start + 1 : start + block]:
            part = part + value
        expected = expected + part
    for value in values[size - size % block :]:
        expected = expected + value
    assert learner.state[0]["s"] == expected


def test_a_block_of_no_whole_number_is_refused():
    with pytest.raises(ld.RuleError, match="blocks of a whole number"):
        ld.sum(ld.step, block=0.5)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_every_kth_step_may_do_something_else(backend):
    @ld.rule
    def every_third(p, g, lr=1.0, k=3):
        return ld.assign(p, p - lr * ld.where(ld.equal(ld.step % k, 0), 10, 1) * g)

    weights = np.zeros(2, np.float32)
    learner = every_third([weights], backend=backend)
    for _ in range(7):
        learner.update([np.ones(2, np.float32)])
    np.testing.assert_array_equal(weights, -25)
