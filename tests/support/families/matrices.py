"""Learners that work on whole matrices: Muon and its relatives, Shampoo, SOAP."""

from functools import partial
from unittest import mock

import numpy as np
import pytest

from support.families.libraries import (
    Arrays,
    run_optax,
    run_torch,
    same,
    timm_module,
    torch_names,
)


def pieces_of(array: np.ndarray, to_elements: bool) -> list:
    """Indices of the matrices of a stack; of a vector as a whole, or of each of its elements."""
    if array.ndim < 2:
        return list(np.ndindex(array.shape)) if to_elements else [()]
    return list(np.ndindex(array.shape[:-2]))


def in_pieces(run, params, gradients, hypers, to_elements=False):
    """Run a library on every matrix of every stack as a tensor of its own."""
    places = [(k, i) for k, p in enumerate(params) for i in pieces_of(p, to_elements)]

    def split(arrays: Arrays) -> Arrays:
        pieces = [np.array(arrays[k][i]) for k, i in places]
        return [piece[None] if to_elements and not piece.ndim else piece for piece in pieces]

    joined = []
    for step in run(split(params), [split(g) for g in gradients], hypers):
        arrays = [np.empty(p.shape) for p in params]
        for (k, i), piece in zip(places, step, strict=True):
            arrays[k][i] = piece.reshape(arrays[k][i].shape)
        joined.append(arrays)
    return joined


def _torch_muon(params, gradients, hypers):
    """torch computes the products in bfloat16; here in the dtype of the parameter."""
    torch = pytest.importorskip("torch")
    run = partial(run_torch, "Muon", same, module="torch.optim._muon")
    with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
        return in_pieces(run, params, gradients, hypers)


def _muon_with_adamw(params, gradients, hypers):
    """Matrices by torch's Muon, the others by its AdamW."""
    own = ("lr", "momentum", "weight_decay", "eps")
    names = {"adamw_lr": "lr", "adamw_eps": "eps", "adamw_weight_decay": "weight_decay"}
    names |= {"beta1": "beta1", "beta2": "beta2"}
    muon_hypers = [{n: h[n] for n in own} for h in hypers]
    adamw_hypers = [{theirs: h[ours] for ours, theirs in names.items()} for h in hypers]
    runs = [
        (lambda p: p.ndim == 2, _torch_muon, muon_hypers),
        (lambda p: p.ndim != 2, partial(run_torch, "AdamW", torch_names), adamw_hypers),
    ]
    return _by_kind(runs, params, gradients)


def _by_kind(runs, params, gradients):
    """Run each library on the tensors it is for."""
    result = [[np.empty(0)] * len(params) for _ in gradients]
    for suits, run, hypers in runs:
        chosen = [k for k, p in enumerate(params) if suits(p)]
        if chosen:
            own_gradients = [[g[k] for k in chosen] for g in gradients]
            steps = run([params[k] for k in chosen], own_gradients, hypers)
            for all_, own in zip(result, steps, strict=True):
                for k, array in zip(chosen, own, strict=True):
                    all_[k] = array
    return result


def _optax_muon(hyper):
    names = {"momentum": "beta", "beta1": "adam_b1", "beta2": "adam_b2"}
    names |= {"adamw_weight_decay": "adam_weight_decay", "lr": "learning_rate"}
    return {names.get(name, name): value for name, value in hyper.items()}


def _adamuon(params, gradients, hypers):
    """timm's, with matrices and vectors in groups of their own."""
    library = timm_module("muon")
    import torch  # noqa: PLC0415

    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    groups = [{"params": [t], "use_fallback": t.ndim != 2} for t in tensors]
    learner = library.Muon(groups, algo="adamuon", ns_coefficients="original")
    in_float64 = partial(library.zeropower_via_newtonschulz, dtype=torch.float64)
    path = []
    with mock.patch.object(library, "zeropower_via_newtonschulz", in_float64):
        for grads, hyper in zip(gradients, hypers, strict=True):
            for group in learner.param_groups:
                group.update(torch_names(hyper))
            for tensor, g in zip(tensors, grads, strict=True):
                tensor.grad = torch.tensor(g, dtype=torch.float64)
                learner.state[tensor]["use_muon"] = tensor.ndim == 2  # of any size
            learner.step()
            path.append([t.detach().numpy().copy() for t in tensors])
    return path


def _scion(params, gradients, hypers):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_optimizer.optimizer.scion")
    in_float64 = partial(library.zero_power_via_newton_schulz_5, dtype=torch.float64)
    run = partial(run_torch, "SCION", _without_eps, module="pytorch_optimizer", foreach=False)
    with mock.patch.object(library, "zero_power_via_newton_schulz_5", in_float64):
        return in_pieces(run, params, gradients, hypers)


def _without_eps(hyper):
    return {name: value for name, value in hyper.items() if name != "eps"}


def _shampoo(hyper):
    return {"matrix_eps" if name == "eps" else name: value for name, value in hyper.items()}


class Float64:
    """torch, but that what a library casts to float32 stays in float64."""

    def __init__(self, torch):
        self.torch = torch
        self.float32 = self.float = torch.float64

    def __getattr__(self, name):
        return getattr(self.torch, name)


def _soap(params, gradients, hypers):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_optimizer.optimizer.soap")
    run = partial(run_torch, "SOAP", torch_names, module="pytorch_optimizer")
    with mock.patch.object(library, "torch", Float64(torch)):
        return in_pieces(run, params, gradients, hypers)


def _shampoo_of_pieces(params, gradients, hypers):
    run = partial(run_torch, "Shampoo", _shampoo, module="pytorch_optimizer")
    return in_pieces(run, params, gradients, hypers, to_elements=True)


TRUSTED = {
    "adamuon": _adamuon,
    "muon": _torch_muon,
    "muon_optax": partial(
        run_optax, "muon", _optax_muon, module="optax.contrib", ns_steps=5,
        ns_coeffs=(3.4445, -4.7750, 2.0315),
    ),
    "muon_with_adamw": _muon_with_adamw,
    "scion": _scion,
    "shampoo": _shampoo_of_pieces,
    "soap": _soap,
}  # fmt: skip
_ADAMW = {"adamw_lr": (1e-3, 1e-1), "adamw_eps": (1e-9, 1e-7), "adamw_weight_decay": (1e-3, 1e-1)}
RANGES = {
    "muon_with_adamw": _ADAMW,
    "muon_optax": {"adamw_weight_decay": (1e-3, 1e-1)},
    "scion": {"momentum": (0.05, 0.5), "scale": (0.5, 2.0), "eps": (1e-8, 1e-8)},
    "shampoo": {"eps": (1e-3, 1e-2)},
    "soap": {"shampoo_beta": (0.9, 0.9)},
}
TRAINING = {"shampoo": {"lr": 0.5}}
PASSES = {
    "adamuon": 4,
    "muon": 3,
    "muon_optax": 3,
    "muon_with_adamw": 3,
    "scion": 3,
    "shampoo": 2,
}


def of_matrices(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Vectors are refused."""
    return (1,) * (2 - len(shape)) + shape


def of_square(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Eigenvectors of a null space, or of eigenvalues close to each other, are arbitrary."""
    if len(shape) < 2:
        return shape
    side = min(shape[-2], 16)
    return (*shape[:-2], side, side)


SHAPES = {"muon": of_matrices, "soap": of_square}

# BLAS adds in another order on each kind of processor, so a run on one says little about another.
NEWTON_SCHULZ = (10, "small singular values, and so their errors, grow by up to 3.4445**5 = 485")
ROUNDING = {
    **dict.fromkeys(("adamuon", "muon", "muon_with_adamw", "muon_optax", "scion"), NEWTON_SCHULZ),
    # PyTorch's LAPACK, which decomposes large matrices once it is imported, strays 5 times as far
    # as NumPy's in float32: 26 times the tolerance.
    "shampoo": (60, "errors of small eigenvalues grow by the inverse roots"),
    "soap": (20, "eigenvectors turn by the error over the distance of the eigenvalues"),
}
