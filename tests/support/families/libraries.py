"""Runs the learners of torch, of libraries built on it, and of optax in float64.

Libraries are imported only when called, and the calling test is skipped where one is missing.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Arrays = list[np.ndarray]
Hyper = dict[str, Any]


def run_torch(
    optimizer: str,
    rename: Callable[[Hyper], dict],
    params: Arrays,
    gradient_sequence: Sequence[Arrays],
    hyper_sequence: Sequence[Hyper],
    module: str = "torch.optim",
    **fixed: Any,
) -> list[Arrays]:
    """The parameters after each step of a torch optimizer, whose arguments `rename` gives.

    `fixed` holds arguments that are given once, at construction.
    """
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    options = rename(hyper_sequence[0])
    if module == "torch.optim":
        fixed = {"foreach": False, **fixed}
    learner = getattr(pytest.importorskip(module), optimizer)(tensors, **fixed, **options)
    trajectory = []
    for grads, hyper in zip(gradient_sequence, hyper_sequence, strict=True):
        learner.param_groups[0].update(rename(hyper))
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(g, dtype=torch.float64)
        learner.step()
        trajectory.append([tensor.detach().numpy().copy() for tensor in tensors])
    return trajectory


def run_optax(
    optimizer: str,
    rename: Callable[[Hyper], dict],
    params: Arrays,
    gradient_sequence: Sequence[Arrays],
    hyper_sequence: Sequence[Hyper],
    module: str = "optax",
    extras: Mapping[str, str] | None = None,
    **fixed: Any,
) -> list[Arrays]:
    """The parameters after each step of an optax optimizer, whose arguments `rename` gives.

    `extras` maps our names of what `update` takes, such as the loss, to optax's; `fixed` holds
    arguments that are given once, at construction.
    """
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    with jax.enable_x64(True):
        values = [jax.numpy.asarray(p, dtype=jax.numpy.float64) for p in params]
        library = optax if module == "optax" else pytest.importorskip(module)
        factory = optax.inject_hyperparams(getattr(library, optimizer), static_args=tuple(fixed))
        transformation = factory(**fixed, **rename(hyper_sequence[0]))
        opt_state = transformation.init(values)
        update = jax.jit(transformation.update)
        trajectory = []
        for grads, hyper in zip(gradient_sequence, hyper_sequence, strict=True):
            for name, value in rename(hyper).items():
                if name in opt_state.hyperparams:
                    opt_state.hyperparams[name] = jax.numpy.asarray(value, jax.numpy.float64)
            gradients = [jax.numpy.asarray(g, dtype=jax.numpy.float64) for g in grads]
            given = {theirs: hyper[ours] for ours, theirs in (extras or {}).items()}
            updates, opt_state = update(gradients, opt_state, values, **given)
            values = optax.apply_updates(values, updates)
            trajectory.append([np.array(value) for value in values])
    return trajectory


def timm_module(name: str, folder: str = "optim") -> ModuleType:
    """`timm.<folder>.<name>`, without the rest of timm, which needs torchvision."""
    pytest.importorskip("torch")
    for package in ("timm", f"timm.{folder}"):
        if package not in sys.modules:
            found = importlib.util.find_spec(package)
            if found is None:
                pytest.skip("timm is not installed")
            bare = ModuleType(package)
            bare.__path__ = list(found.submodule_search_locations or ())
            sys.modules[package] = bare
    return importlib.import_module(f"timm.{folder}.{name}")


def same(hyper: Hyper) -> Hyper:
    """The arguments have our names."""
    return dict(hyper)


def torch_names(hyper: Hyper) -> Hyper:
    """beta1 and beta2 (and beta3) as a tuple of betas."""
    others = {name: value for name, value in hyper.items() if not name.startswith("beta")}
    return {**others, "betas": tuple(hyper[n] for n in sorted(hyper) if n.startswith("beta"))}


_OPTAX_NAMES = {"lr": "learning_rate", "beta1": "b1", "beta2": "b2", "beta3": "b3", "rho": "decay"}


def optax_names(hyper: Hyper) -> Hyper:
    """learning_rate, b1, b2 and decay."""
    return {_OPTAX_NAMES.get(name, name): value for name, value in hyper.items()}
