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


def test_names_that_functions_of_matrices_have_are_changed():
    @ld.rule
    def awkward(p, g, lr=0.1):
        square = ld.matmul(g, ld.transpose(g))
        orthonormal = ld.let("orthonormal", ld.orthonormal(square))
        inverse_root = ld.let("inverse_root", 2 * p)
        product = ld.matmul(ld.matmul(orthonormal, ld.inverse_root(square, 2)), g)
        return ld.assign(p, inverse_root - lr * product)

    ends = []
    for backend in ("cpu", "numpy"):
        weights = np.ones((2, 3))
        awkward([weights], backend=backend).update([np.arange(6.0).reshape(2, 3)])
        ends.append(weights)
    np.testing.assert_allclose(*ends, rtol=1e-12)
