"""Rules that turn or project matrices by their singular vectors: Conda, GaLore, Fira."""

from functools import partial
from unittest import mock

import pytest

from support.families.libraries import torch_names
from support.families.matrices import Float64, in_pieces


def _projecting(optimizer, params, gradients, hypers, rank=128, update_proj_gap=2000):
    """That of pytorch_optimizer in float64.

    It counts updates from 0, as the authors do, and singular vectors keep their signs.
    """
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_optimizer.optimizer.utils.galore")
    project = library.GaLoreProjector.project
    update = library.GaLoreProjector.update_ortho_matrix
    fixed = {"rank": rank, "update_proj_gap": update_proj_gap, "projection_type": "std"}

    def from_0(projector, x, t, *others):
        return project(projector, x, t - 1, *others)

    def with_signs(projector, x, from_random_matrix):
        before = projector.ortho_matrix
        update(projector, x, from_random_matrix)
        if before is not None:
            along = 1 if x.size(0) >= x.size(1) else 0
            dots = (before * projector.ortho_matrix).sum(along, keepdim=True)
            projector.ortho_matrix = torch.where(dots < 0, -1.0, 1.0) * projector.ortho_matrix

    def run(params, gradients, hypers):
        tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
        groups = [{"params": tensors, **fixed}]
        learner = getattr(pytest.importorskip("pytorch_optimizer"), optimizer)(groups)
        path = []
        for grads, hyper in zip(gradients, hypers, strict=True):
            learner.param_groups[0].update(torch_names(hyper))
            for tensor, g in zip(tensors, grads, strict=True):
                tensor.grad = torch.tensor(g, dtype=torch.float64)
                if "projector" in learner.state[tensor]:
                    learner.state[tensor]["projector"].scale = hyper["scale"]
            learner.step()
            path.append([t.detach().numpy().copy() for t in tensors])
        return path

    with (
        mock.patch.object(library, "torch", Float64(torch)),
        mock.patch.object(library.GaLoreProjector, "project", from_0),
        mock.patch.object(library.GaLoreProjector, "update_ortho_matrix", with_signs),
    ):
        return in_pieces(run, params, gradients, hypers)


TRUSTED = {
    "conda": partial(_projecting, "Conda"),
    "fira": partial(_projecting, "Fira"),
    "galore_adamw": partial(_projecting, "GaLore"),
}
RANGES = {name: {"scale": (0.2, 1.0)} for name in TRUSTED}
PASSES = {"conda": 2, "fira": 3, "galore_adamw": 1}


def _narrow(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Singular values of large random matrices come so near each other that vectors turn."""
    return (*shape[:-2], min(shape[-2], 16), min(shape[-1], 12)) if len(shape) > 1 else shape


SHAPES = dict.fromkeys(TRUSTED, _narrow)
ROUNDING = dict.fromkeys(
    TRUSTED, (20, "singular vectors turn by the error over the distance of the values")
)
