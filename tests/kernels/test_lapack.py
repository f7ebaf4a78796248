"""Decompositions on the host by PyTorch and by NumPy: the same results, the same failures."""

import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

from learnerdsl.kernels import lapack, linalg

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(11)
N = 160
A = RNG.standard_normal((2, N, N))
SPD = A @ np.swapaxes(A, -1, -2) / N + np.eye(N)
B = RNG.standard_normal((2, N, 7))
TALL = RNG.standard_normal((2, 300, 70))
FACTOR = np.linalg.cholesky(SPD)

CALLS = {
    "orthonormal": (TALL,),
    "orthonormal of wide ones": (np.swapaxes(TALL, -1, -2),),
    "orthonormal of square ones": (A,),
    "inverse": (SPD,),
    "cholesky": (SPD,),
    "solve": (A, B),
    "solve_triangular": (FACTOR, B, True),
    "solve_triangular of an upper one": (np.swapaxes(FACTOR, -1, -2), B, False),
    "inverse_root": (SPD, 4.0),
    "eigenvalues": (SPD,),
}


def by_both(monkeypatch, name, operands):
    """What a function of `linalg` gives by PyTorch, and by NumPy."""
    function = getattr(linalg, name.split()[0])
    assert lapack.torch_for(operands[0]) is torch
    with monkeypatch.context() as without, np.errstate(all="ignore"):
        found = function(*operands)
        without.setitem(sys.modules, "torch", None)
        assert lapack.torch_for(operands[0]) is None
        return found, function(*operands)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CALLS)
def test_pytorch_decomposes_as_numpy_does(name, dtype, monkeypatch):
    operands = [a.astype(dtype) if isinstance(a, np.ndarray) else a for a in CALLS[name]]
    before = [np.copy(a) for a in operands]
    found, expected = by_both(monkeypatch, name, operands)
    assert found.dtype == expected.dtype == np.dtype(dtype)
    assert found.shape == expected.shape
    atol = 2e-12 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(found, expected, atol=atol * max(1.0, np.abs(expected).max()))
    for a, own in zip(operands, before, strict=True):
        np.testing.assert_array_equal(a, own)  # it shares their memory


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_eigenvectors_are_those_of_the_same_eigenvalues(dtype, monkeypatch):
    # A sign is arbitrary, so compare what they make of the matrix.
    own = SPD.astype(dtype)
    for vectors in by_both(monkeypatch, "eigenvectors", (own,)):
        made = np.swapaxes(vectors, -1, -2).astype(np.float64) @ SPD @ vectors
        expected = np.linalg.eigvalsh(SPD)[:, ::-1, None] * np.eye(N)
        np.testing.assert_allclose(made, expected, atol=1e-11 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("name", [n for n in CALLS if n != "eigenvalues"])
def test_a_matrix_without_a_result_gives_nan_and_leaves_the_other_alone(name, monkeypatch):
    first, *others = CALLS[name]
    bad = {"not finite": np.full_like(first[0], np.inf), "singular": np.zeros_like(first[0])}
    for kind, own in bad.items():
        found, expected = by_both(monkeypatch, name, (np.stack([first[0], own]), *others))
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        assert np.isfinite(found[0]).all()
        has_no_result = kind == "not finite" or not name.startswith("orthonormal")
        assert np.isnan(found[1]).all() == has_no_result


def test_zeros_on_the_right_do_not_hide_that_a_triangle_is_singular(monkeypatch):
    triangle = np.tril(SPD[0])
    triangle[5, 5] = 0.0
    for found in by_both(monkeypatch, "solve_triangular", (triangle, np.zeros((N, 2)), True)):
        assert np.isnan(found).all()


@pytest.mark.parametrize("function", ["orthonormal", "inverse", "eigenvalues"])
def test_memory_that_a_tensor_cannot_have_is_copied(function):
    fixed = SPD.copy()
    fixed.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTorch warns of memory that nobody may write to
        for own in (fixed, fixed[:, ::-1, ::-1], np.broadcast_to(fixed[0], SPD.shape)):
            found = getattr(linalg, function)(own)
            expected = getattr(linalg, function)(own.copy())
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_small_matrices_are_left_to_numpy():
    assert lapack.torch_for(np.eye(127)) is None
    assert lapack.torch_for(np.eye(128)) is torch
    assert lapack.torch_for(np.zeros((0, 200, 200))) is None


def test_iterations_that_do_not_converge_raise_the_error_of_numpy(monkeypatch):
    def fails(a):
        raise torch.linalg.LinAlgError("did not converge")

    monkeypatch.setattr(torch.linalg, "eigh", fails)
    with pytest.raises(np.linalg.LinAlgError, match="did not converge"):
        lapack.eigh(SPD)


IN_ANOTHER = """
    import os, sys
    import numpy as np
    from learnerdsl.kernels import lapack
    a = np.random.default_rng(0).standard_normal((300, 300)).astype("float32")
    lapack.basis(a)
    assert "torch" not in sys.modules          # it is not imported for this
    import torch
    torch.set_num_threads(2)
    assert lapack.torch_for(a) is torch
    expected = lapack.basis(a)
    child = os.fork()
    if child == 0:                              # OpenMP's threads are not in this process
        is_numpy = lapack.torch_for(a) is None
        os._exit(0 if is_numpy and np.allclose(lapack.basis(a), expected, atol=1e-4) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lapack.torch_for(a) is torch
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no forks")
def test_pytorch_is_not_imported_and_not_used_in_a_forked_process():
    code = textwrap.dedent(IN_ANOTHER)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
