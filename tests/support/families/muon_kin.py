"""Later relatives of Muon: NorMuon and others."""

from functools import partial
from unittest import mock

import pytest

from support.families.matrices import NEWTON_SCHULZ, in_pieces, of_matrices


def _normuon(params, gradients, hypers, nesterov=False, adjust_lr_fn="match_rms_adamw"):
    """That of pytorch_optimizer, which computes products in bfloat16; here in float64."""
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_optimizer.optimizer.muon.normuon")
    in_float64 = partial(library.zero_power_via_newton_schulz_5, dtype=torch.float64)

    def run(params, gradients, hypers):
        tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
        scale = {"match_rms_adamw": "match_rms", "original": "preserve_norm"}[adjust_lr_fn]
        fixed = {"use_muon": True, "nesterov": nesterov, "update_scale": scale}
        learner = library.NorMuon([{"params": tensors, **fixed}], foreach=False)
        path = []
        for grads, hyper in zip(gradients, hypers, strict=True):
            learner.param_groups[0].update(hyper)
            for tensor, g in zip(tensors, grads, strict=True):
                tensor.grad = torch.tensor(g, dtype=torch.float64)
            learner.step()
            path.append([t.detach().numpy().copy() for t in tensors])
        return path

    with mock.patch.object(library, "zero_power_via_newton_schulz_5", in_float64):
        return in_pieces(run, params, gradients, hypers)


TRUSTED = {"normuon": _normuon}
_BY_HAND = "in no library that can be installed; the reference was compared by hand with"
UNTRUSTED = {
    "aurora": f"{_BY_HAND} src/aurora.py of tilde-research/aurora-release",
    "dion2": f"{_BY_HAND} dion2.py of microsoft/dion in float64: 20 steps agree to 3e-14",
    "mano": f"{_BY_HAND} the core that the README of the authors' repository has",
    "muon_plus": f"{_BY_HAND} utils/optim/muon_plus.py of K1seki221/MuonPlus",
    "muon_squared": f"{_BY_HAND} the record of 2026-05-01 in track 3 of modded-nanogpt",
    "muown": f"{_BY_HAND} kcc-lion/muown, and with decay with NVIDIA's Emerging-Optimizers",
    "namo": f"{_BY_HAND} src/namo.py of minxin-zhg/namo where its bounds of 1 do not act",
    "nordion2": f"{_BY_HAND} nordion2.py of microsoft/dion in float64: 20 steps agree to 3e-14",
    "polargrad": f"{_BY_HAND} polar_grad.py of timlautk/polargrad, with the same iterations",
    "rmnp": f"{_BY_HAND} rmnp/rmnp.py of Dominator-Index/RMNP in float64",
}


def _of_rows_that_turn(shape):
    """Rows of one weight have one direction: what would turn them is rounding."""
    *others, cols = of_matrices(shape)
    return (*others, 2 if cols == 1 else cols)


SHAPES = {
    **dict.fromkeys(TRUSTED.keys() | UNTRUSTED.keys(), of_matrices),
    "muown": _of_rows_that_turn,
}
ROUNDING = {
    **dict.fromkeys(("dion2", "nordion2"), NEWTON_SCHULZ),
    **dict.fromkeys(("muon_plus", "muon_squared", "muown", "namo", "normuon"), NEWTON_SCHULZ),
    "aurora": (40, "small singular values, and so their errors, grow by up to 2**12, twice"),
    "polargrad": (40, "small singular values, and so their errors, grow by up to 2**12"),
}
RANGES = {
    "aurora": {"beta": (0.3, 0.7)},
    "dion2": {"mu": (0.8, 0.99)},
    "nordion2": {"mu": (0.8, 0.99)},
}
PASSES = {
    "aurora": 7,
    "dion2": 2,
    "mano": 4,
    "muon_plus": 5,
    "muon_squared": 3,
    "muown": 5,
    "namo": 3,
    "nordion2": 2,
    "normuon": 5,
    "polargrad": 4,
    "rmnp": 2,
}
