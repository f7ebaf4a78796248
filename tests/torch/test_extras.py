"""Extras of tensors and axes of an optimizer: in dicts by parameter or by name."""

import numpy as np
import pytest

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.learners import adamw, muon, sgd
from learnerdsl.transforms import qk_clip

torch = pytest.importorskip("torch")

SGD_CLIP = ld.chain(sgd, qk_clip)


@ld.rule
def rated(p, g):
    """Gradient descent with a rate for each tensor."""
    return ld.assign(p, p - ld.extra("rate", shape="tensor") * g)


def parameters(*names, shape=(2, 3, 4)):
    """Parameters of ones that have gradients of ones."""
    found = {n: torch.nn.Parameter(torch.ones(shape)) for n in names}
    for p in found.values():
        p.grad = torch.ones_like(p)
    return found


def test_values_come_by_parameter_or_by_name():
    own = parameters("q", "k")
    optimizer = ldt.optimizer_class(SGD_CLIP)(own.items(), lr=0.0)
    logits = torch.tensor([1.0, 400.0], requires_grad=True)
    optimizer.step(max_logit={"q": logits, own["k"]: np.array([900.0, 2.0])})
    assert own["q"][:, 0, 0].tolist() == [1.0, 0.5]
    np.testing.assert_allclose(own["k"][:, 0, 0].tolist(), [1 / 3, 1.0], rtol=1e-6)


def test_numbers_of_tensors_are_numbers_or_tensors():
    own = parameters("a", "b")
    ldt.optimizer_class(rated)(own.items()).step(rate={"a": 0.5, "b": torch.tensor(0.25)})
    assert [p[0, 0, 0].item() for p in own.values()] == [0.5, 0.75]


def test_parameters_without_a_gradient_need_none():
    own = parameters("q", "k")
    own["k"].grad = None
    ldt.optimizer_class(SGD_CLIP)(own.items(), lr=0.0).step(
        max_logit={"q": torch.tensor([1.0, 400])}
    )
    assert own["q"][:, 0, 0].tolist() == [1.0, 0.5]
    assert (own["k"] == 1).all()


def test_weights_are_seen_by_heads():
    own = parameters("q", shape=(6, 4))
    optimizer = ldt.optimizer_class(SGD_CLIP)(
        own.items(), lr=0.0, reshape=lambda name, shape: (2, 3, -1)
    )
    optimizer.step(max_logit={"q": torch.tensor([1.0, 400.0])})
    assert own["q"][:, 0].tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]


def kind_of(name, p):
    """The rule of a parameter."""
    return "clipped" if name in ("q", "k") else "adamw"


def test_one_of_several_rules_has_them_and_a_refused_step_changes_nothing():
    own = parameters("b", "q", "k")
    rules = {"adamw": adamw, "clipped": ld.chain(muon, qk_clip)}
    optimizer = ldt.optimizer_class(rules, choose=kind_of)(own.items())
    right = {"q": torch.tensor([1.0, 2.0]), "k": torch.tensor([1.0, 2.0])}
    bad = [
        ({"max_logit": {**right, "k": torch.ones(3)}}, r"max_logit of 'k' has shape \(3,\)"),
        ({"max_logit": {"q": right["q"]}}, "missing 'k'"),
        ({}, r"needs max_logit=\.\.\."),
        ({"max_logit": right, "other": 3.0}, "not other"),
    ]
    for extras, message in bad:
        with pytest.raises(ld.LearnerError, match=message):
            optimizer.step(**extras)
        assert all((p == 1).all() for p in own.values())
    optimizer.step(max_logit=right)
    assert all((p != 1).any() for p in own.values())


def test_a_step_is_undone_with_them():
    own = parameters("q")
    optimizer = ldt.optimizer_class(rated)(own.items())
    optimizer.step(rate={"q": 0.5})
    optimizer.undo(rate={"q": 0.5})
    assert (own["q"] == 1).all()


def test_state_dicts_do_not_hold_them():
    own = parameters("q")
    optimizer = ldt.optimizer_class(SGD_CLIP)(own.items(), lr=0.0)
    optimizer.step(max_logit={"q": torch.tensor([1.0, 400.0])})
    assert "max_logit" not in str(optimizer.state_dict())
    with pytest.raises(ld.UnknownNameError, match=r"needs max_logit=\.\.\."):
        optimizer.step()
