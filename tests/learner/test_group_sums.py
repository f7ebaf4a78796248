"""Sums over the tensors of one group: a hyperparameter says who belongs to it."""

import numpy as np
import pytest
from support.small_rules import BACKENDS

import learnerdsl as ld


@ld.rule
def by_product(p, g, lr=0.5, head=0.0):
    """Divide by the norm of all gradients of the head, to which others add 0."""
    norm = ld.sqrt(ld.sum(head * g**2, over="model"))
    return ld.assign(p, p - lr * g / norm)


@ld.rule
def by_choice(p, g, lr=0.5, head=0.0):
    """Divide by the norm of all gradients of the head, the only ones that count."""
    return ld.assign(p, p - lr * g / ld.norm(g, over="model", where=head > 0))


@ld.rule
def by_tensors(p, g, lr=0.5, head=0.0):
    """Divide by the root of the sum of squares, of which each tensor of the head counts once."""
    squares = ld.sum(ld.sum(g**2), over="model", of="tensors", where=head > 0)
    return ld.assign(p, p - lr * g / ld.sqrt(squares))


of_each_way = pytest.mark.parametrize(
    "by_head", [by_product, by_choice, by_tensors], ids=lambda rule: rule.name
)

GRADIENTS = {"body": [[30.0, -1.0]], "head.w": [3.0, 0.0], "head.b": [4.0]}
MOVED = {name: -0.5 * np.array(g) / 5 for name, g in GRADIENTS.items()}


def gradients(dtype=np.float64):
    return {name: np.array(g, dtype) for name, g in GRADIENTS.items()}


@of_each_way
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_learner_sums_over_the_tensors_of_a_group(backend, by_head):
    params = {name: np.zeros_like(g) for name, g in gradients().items()}
    learner = by_head(params, groups=[{"params": "head.*", "head": 1.0}], backend=backend)
    learner.update(gradients())
    for name, moved in MOVED.items():
        assert params[name] == pytest.approx(moved, rel=1e-15)


@of_each_way
def test_so_does_an_optimizer_of_torch(by_head):
    torch = pytest.importorskip("torch")
    params = {name: torch.zeros(g.shape, dtype=torch.float64) for name, g in gradients().items()}
    for name, g in gradients().items():
        params[name].grad = torch.from_numpy(g)
    head = [params["head.w"], params["head.b"]]
    optimizer = by_head.torch([{"params": [params["body"]]}, {"params": head, "head": 1.0}])
    optimizer.step()
    for name, moved in MOVED.items():
        assert params[name].numpy() == pytest.approx(moved, rel=1e-15)


@of_each_way
def test_so_does_a_transformation_of_optax(by_head):
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
