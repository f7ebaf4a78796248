"""Relatives of Shampoo and SOAP: matrices of rows and of columns that precondition a gradient."""

import math
from functools import partial
from types import SimpleNamespace
from unittest import mock

import pytest

from support.families.libraries import run_torch, timm_module, torch_names
from support.families.matrices import in_pieces, of_matrices, of_square, pieces_of
from support.references.psgd_kron import _noise


def _splus(params, gradients, hypers, every=100):
    """That of pytorch_optimizer, but that it finds eigenvectors in float64."""
    torch = pytest.importorskip("torch")
    fixed = {"module": "pytorch_optimizer", "foreach": False, "inverse_steps": every}
    run = partial(run_torch, "SPlus", torch_names, **fixed)
    with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        return in_pieces(run, params, gradients, hypers)


def _psgd_kron(params, gradients, hypers, balance_every=100):
    """timm's in float64, with our random numbers, and balanced when ours is, not by chance."""
    torch = pytest.importorskip("torch")
    library = timm_module("kron")
    now = {"t": 0}

    def noise():
        for k, p in enumerate(params):
            drawn = _noise(p.shape, now["t"], k).copy()
            yield from (torch.tensor(drawn[place]) for place in pieces_of(p, to_elements=False))

    def run(pieces, gradients, hypers):
        tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in pieces]
        learner = library.Kron(tensors, decoupled_decay=True)
        learner.rng = SimpleNamespace(random=lambda: float(now["t"] % balance_every != 0))
        path = []
        for now["t"], (grads, hyper) in enumerate(zip(gradients, hypers, strict=True), 1):
            learner.param_groups[0].update(_of_timm(hyper))
            for tensor, g in zip(tensors, grads, strict=True):
                tensor.grad = torch.tensor(g, dtype=torch.float64)
            drawn = noise()
            with mock.patch.object(torch, "randn", lambda *_, draws=drawn, **__: next(draws)):
                learner.step()
            path.append([t.detach().numpy().copy() for t in tensors])
        return path

    def solved(x, a):
        return torch.linalg.solve_triangular(a, x, upper=True, left=False)

    with (
        mock.patch.object(library, "has_dynamo", False),
        mock.patch.object(library, "has_opt_einsum", True),
        mock.patch.object(library, "_solve_triangular_right", solved),
    ):
        return in_pieces(run, params, gradients, hypers)


def _of_timm(hyper):
    """The schedule of the probability as a function of the updates done."""
    own = dict(hyper)
    least, decay, start = (own.pop(n) for n in ("min_prob", "prob_decay", "flat_start"))
    schedule = partial(_probability, least, decay, start)
    return {**own, "preconditioner_update_probability": schedule}


def _probability(least, decay, start, done):
    return min(1.0, max(least, math.exp(-decay * (done - start))))


TRUSTED = {"psgd_kron": _psgd_kron, "splus": _splus}
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
    "psgd_kron": {
        "precond_lr": (0.05, 0.3),
        "precond_init_scale": (0.5, 2.0),
        "min_prob": (0.2, 0.5),
        "prob_decay": (0.05, 0.2),
        "flat_start": (2.0, 8.0),
    },
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
PASSES = {"asgo": 3, "kl_shampoo": 2, "kl_soap": 2, "psgd_kron": 3, "soap_muon": 3, "splus": 2}
