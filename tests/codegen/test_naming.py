"""Names of the generated text."""

import numpy as np

import learnerdsl as ld


def test_names_that_python_or_the_kernel_has_are_changed():
    @ld.rule
    def awkward(p, i, count=0.1, model=0.9):
        start = ld.state("start")
        sqrt_new = ld.assign(start, model * start + i)
        return ld.assign(p, p - count * ld.sqrt(1 + sqrt_new**2))

    weights = np.ones(3)
    expected = weights - 0.1 * np.sqrt(2)
    awkward([weights]).update([np.ones(3)])
    np.testing.assert_allclose(weights, expected)
