"""Relatives of Shampoo and SOAP: matrices of rows and of columns that precondition a gradient."""

from functools import partial
from unittest import mock

import pytest

from support.families.libraries import run_torch, torch_names
from support.families.matrices import in_pieces, of_matrices, of_square


def _splus(params, gradients, hypers, every=100):
    """That of pytorch_optimizer, but that it finds eigenvectors in float64."""
    torch = pytest.importorskip("torch")
    fixed = {"module": "pytorch_optimizer", "foreach": False, "inverse_steps": every}
    run = partial(run_torch, "SPlus", torch_names, **fixed)
    with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        return in_pieces(run, params, gradients, hypers)


TRUSTED = {"splus": _splus}
_BY_HAND = "in no library that can be installed; the reference was compared by hand with"
UNTRUSTED = {
    "asgo": f"{_BY_HAND} optimizers/asgo.py of infinity-stars/ASGO, given an exact root",
    "kl_shampoo": f"{_BY_HAND} optim/kl_opt.py of yorkerlin/KL-Methods in float64",
    "kl_soap": f"{_BY_HAND} optim/kl_opt.py of yorkerlin/KL-Methods in float64",
    "soap_muon": f"{_BY_HAND} result 44 of track 3, but for the norm that divides",
}


RESHAPED = (0, 7, 40)
"""Numbers of elements that tests give the shape of their parameter, without a reference."""


def _of_square_matrices(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Vectors are refused; eigenvectors of a null space are arbitrary, and large ones are slow."""
    *stack, rows, cols = of_matrices(shape)
    if len(shape) < 2:
        rows = 1 if cols in RESHAPED else cols
    side = min(rows, 16)
    return (*stack, side, cols if len(shape) < 2 and cols in RESHAPED else side)


def _of_oblong_matrices(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Vectors are refused; nearly square matrices of chance are nearly singular."""
    *stack, rows, cols = of_matrices(shape)
    if len(shape) < 2:
        return (rows, cols)
    side = min(rows, cols)
    return (*stack, side, 2 * side) if rows <= cols else (*stack, 2 * side, side)


SHAPES = {
    "asgo": _of_oblong_matrices,
    "kl_shampoo": _of_square_matrices,
    "kl_soap": _of_square_matrices,
    "soap_muon": _of_square_matrices,
    "splus": of_square,
}
_EIGENVALUES = {"initial_eigenvalue": (0.05, 0.5), "max_inverse_root": (5.0, 20.0)}
RANGES = {
    "splus": {"ema_rate": (0.9, 0.99), "nonstandard_constant": (0.001, 0.1)},
    "kl_shampoo": _EIGENVALUES,
    "kl_soap": {**_EIGENVALUES, "shampoo_beta": (0.8, 0.95)},
    "soap_muon": {"beta2": (0.8, 0.95), "shampoo_beta": (0.8, 0.95)},
}
_TURNED = "eigenvectors turn by the error over the distance of the eigenvalues"
_POWER = "errors of small eigenvalues grow by the inverse root"
ROUNDING = {
    "asgo": (20, _POWER),
    "kl_shampoo": (20, _TURNED),
    "kl_soap": (20, _TURNED),
    "soap_muon": (20, _TURNED),
    "splus": (20, _TURNED),
}
PASSES = {"asgo": 3, "kl_shampoo": 3, "kl_soap": 2, "soap_muon": 3, "splus": 2}
