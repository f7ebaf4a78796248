"""Variants of Adam: other momentum, other second moments, other corrections."""

from collections.abc import Sequence
from functools import partial

import pytest

from support.families.libraries import (
    Arrays,
    Hyper,
    optax_names,
    run_optax,
    run_torch,
    timm_module,
    torch_names,
)


def _run_timm(
    module: str,
    optimizer: str,
    params: Arrays,
    gradients: Sequence[Arrays],
    hypers: Sequence[Hyper],
) -> list[Arrays]:
    timm_module(module)
    where = f"timm.optim.{module}"
    return run_torch(optimizer, torch_names, params, gradients, hypers, module=where, foreach=False)


def _run_nadam(
    params: Arrays, gradients: Sequence[Arrays], hypers: Sequence[Hyper]
) -> list[Arrays]:
    """torch keeps the product of the mus in the default dtype, not in that of the parameters."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return run_torch("NAdam", torch_names, params, gradients, hypers)
    finally:
        torch.set_default_dtype(before)


def _run_sparse_adam(
    params: Arrays, gradients: Sequence[Arrays], hypers: Sequence[Hyper]
) -> list[Arrays]:
    """Each element is a row of its own, and all rows are named."""
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(p.reshape(-1, 1), requires_grad=True) for p in params]
    learner = torch.optim.SparseAdam(tensors)
    trajectory = []
    for grads, hyper in zip(gradients, hypers, strict=True):
        learner.param_groups[0].update(torch_names(hyper))
        for tensor, g in zip(tensors, grads, strict=True):
            rows = torch.arange(g.size)[None]
            values = torch.tensor(g.reshape(-1, 1))
            tensor.grad = torch.sparse_coo_tensor(rows, values, tensor.shape, check_invariants=True)
        learner.step()
        arrays = [tensor.detach().numpy().copy() for tensor in tensors]
        trajectory.append([a.reshape(p.shape) for a, p in zip(arrays, params, strict=True)])
    return trajectory


def optax_yogi(
    learning_rate: float, b1: float, b2: float, eps: float, initial_accumulator: float
) -> object:
    """`optax.yogi` with the start of its states given, which its own signature leaves out."""
    optax = pytest.importorskip("optax")
    return optax.chain(
        optax.scale_by_yogi(b1, b2, eps, initial_accumulator_value=initial_accumulator),
        optax.scale_by_learning_rate(learning_rate),
    )


def optax_adopt(learning_rate: float, b1: float, b2: float, eps: float) -> object:
    """`optax.contrib.adopt` without its function argument, which would be taken for a schedule."""
    contrib = pytest.importorskip("optax.contrib")
    return contrib.adopt(learning_rate, b1, b2, eps)


TRUSTED = {
    "acprop": partial(run_optax, "acprop", optax_names, module="optax.contrib"),
    "adabelief": partial(run_optax, "adabelief", optax_names),
    "adamaxw": partial(run_optax, "adamaxw", optax_names),
    "adan": partial(_run_timm, "adan", "Adan"),
    "ademamix": partial(run_optax, "ademamix", optax_names, module="optax.contrib"),
    "adopt": partial(run_optax, "optax_adopt", optax_names, module=__name__),
    "amsgrad_optax": partial(run_optax, "amsgrad", optax_names),
    "nadam": _run_nadam,
    "nadamw": partial(run_optax, "adamw", optax_names, nesterov=True),
    "nadamw_timm": partial(_run_timm, "nadamw", "NAdamW"),
    "optimistic_adam_v2": partial(run_optax, "optimistic_adam_v2", optax_names),
    "radam": partial(run_torch, "RAdam", torch_names),
    "radam_optax": partial(run_optax, "radam", optax_names),
    "simplified_ademamix": partial(
        run_optax, "simplified_ademamix", optax_names, module="optax.contrib"
    ),
    "sparse_adam": _run_sparse_adam,
    "yogi": partial(run_optax, "optax_yogi", optax_names, module=__name__),
}
UNTRUSTED = {
    "adam_keras": "Keras needs TensorFlow, JAX or torch as a backend and is not among the "
    "libraries of the tests; its rule is sparse_adam after a decay of the weights."
}
RANGES = {
    "acprop": {"eps_root": (1e-17, 1e-14)},
    "adabelief": {"eps_root": (1e-17, 1e-14)},
    "adan": {"beta3": (0.95, 0.999)},
    "ademamix": {"beta3": (0.99, 0.9999), "alpha": (2.0, 8.0)},
    "adopt": {"eps": (1e-7, 1e-5)},
    "nadam": {"momentum_decay": (1e-3, 1.0)},
    "optimistic_adam_v2": {"alpha": (0.5, 1.5), "beta": (0.5, 1.5)},
    "radam_optax": {"threshold": (4.5, 9.0)},
    "simplified_ademamix": {"alpha": (0.0, 8.0)},
    "yogi": {"eps": (1e-4, 1e-2), "initial_accumulator": (1e-7, 1e-2)},
}
TRAINING = {
    "simplified_ademamix": {"lr": 2e-4},
}
