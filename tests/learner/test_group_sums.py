"""Sums over the tensors of one group: a hyperparameter says who belongs to it."""

import numpy as np
import pytest
from support.small_rules import BACKENDS

import learnerdsl as ld


@ld.rule
def by_head(p, g, lr=0.5, head=0.0):
    """Divide by the norm of all gradients of the head."""
    norm = ld.sqrt(ld.sum(head * g**2, over="model"))
    return ld.assign(p, p - lr * g / norm)


GRADIENTS = {"body": [[30.0, -1.0]], "head.w": [3.0, 0.0], "head.b": [4.0]}
MOVED = {name: -0.5 * np.array(g) / 5 for name, g in GRADIENTS.items()}


def gradients(dtype=np.float64):
    return {name: np.array(g, dtype) for name, g in GRADIENTS.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_learner_sums_over_the_tensors_of_a_group(backend):
    params = {name: np.zeros_like(g) for name, g in gradients().items()}
    learner = by_head(params, groups=[{"params": "head.*", "head": 1.0}], backend=backend)
    learner.update(gradients())
    for name, moved in MOVED.items():
        assert params[name] == pytest.approx(moved, rel=1e-15)


def test_so_does_an_optimizer_of_torch():
    torch = pytest.importorskip("torch")
    params = {name: torch.zeros(g.shape, dtype=torch.float64) for name, g in gradients().items()}
    for name, g in gradients().items():
        params[name].grad = torch.from_numpy(g)
    head = [params["head.w"], params["head.b"]]
    optimizer = by_head.torch([{"params": [params["body"]]}, {"params": head, "head": 1.0}])
    optimizer.step()
    for name, moved in MOVED.items():
        assert params[name].numpy() == pytest.approx(moved, rel=1e-15)


def test_so_does_a_transformation_of_optax():
    jnp = pytest.importorskip("jax.numpy")
    params = {name: jnp.zeros(g.shape, jnp.float32) for name, g in gradients().items()}
    transformation = by_head.optax(
        groups={"head": {"head": 1.0}},
        labels={name: "head" if name.startswith("head") else "rest" for name in params},
    )
    updates, _ = transformation.update(
        {name: jnp.array(g) for name, g in gradients(np.float32).items()},
        transformation.init(params),
        params,
    )
    for name, moved in MOVED.items():
        assert np.array(updates[name]) == pytest.approx(moved, rel=1e-6)
