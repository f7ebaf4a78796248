"""Rules that need whole tensors refuse the flat pieces that some engines make of them."""

import pytest
import torch
from support.problems import takes_vectors
from support.torch_models import backward, network, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.tracing import treats_elements_alike
from learnerdsl.transforms import clip_by_global_norm


@ld.rule
def per_element(p, g, lr=0.1):
    """Divide by the number of elements."""
    return ld.assign(p, p - lr * g / ld.size(p))


NEEDS_WHOLE = {
    "a norm of a tensor": learners.lamb,
    "a norm of the model": ld.chain(clip_by_global_norm, learners.sgd),
    "axes": learners.adafactor,
    "matrices": learners.muon_with_adamw,
    "a state of the model": learners.prodigy,
    "a norm in a start value": learners.dog,
    "the number of elements": per_element,
    "random numbers": learners.noisy_sgd,
}


def flattened(optimizer, parts=1):
    """Put a flat piece of the parameters in their place, as ZeRO of DeepSpeed does."""
    group = optimizer.param_groups[0]
    whole = torch.cat([p.detach().flatten() for p in group["params"]])
    piece = whole.chunk(parts)[0].clone().requires_grad_()
    piece.grad = torch.ones_like(piece)
    group["params"] = [piece]
    return piece


@pytest.mark.parametrize("need", NEEDS_WHOLE)
def test_flat_pieces_are_refused(need):
    optimizer = NEEDS_WHOLE[need].torch(network().named_parameters())
    piece = flattened(optimizer, 2)
    before = piece.detach().clone()
    with pytest.raises(ld.ArrayError, match=r"has put another tensor, of shape \(27,\), in the"):
        optimizer.step()
    assert torch.equal(piece, before)


def test_piece_of_the_shape_of_a_parameter_is_refused():
    parts = [torch.nn.Parameter(torch.ones(4)) for _ in range(2)]
    optimizer = ldt.LAMB(parts)
    flattened(optimizer, 2)
    with pytest.raises(ld.ArrayError, match="lamb needs whole tensors"):
        optimizer.step()


@pytest.mark.parametrize("name", ["AdamW", "Lion", "ScheduleFreeAdamW", "NAdam"])
def test_rules_that_treat_elements_alike_take_flat_pieces(name):
    model = network()
    optimizer = getattr(ldt, name)(model.named_parameters(), lr=0.01)
    whole = getattr(ldt, name)(network().parameters(), lr=0.01)
    piece = flattened(optimizer)
    optimizer.step()
    for p in whole.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    whole.step()
    expected = torch.cat([p.detach().flatten() for p in whole.param_groups[0]["params"]])
    assert torch.equal(piece, expected)


def test_copies_of_the_same_shapes_are_whole():
    model, twin = network(), network()
    optimizer = ldt.LAMB(model.parameters())
    optimizer.param_groups[0]["params"] = list(twin.parameters())
    train(twin, optimizer, 1)
    assert not torch.equal(weights(twin), weights(model))
    optimizer.param_groups[0]["params"] = [model[0].bias]
    backward(model, 0)
    optimizer.step()


def test_most_builtins_treat_elements_alike():
    names = [n for n in learners.__all__ if takes_vectors(n)]
    alike = [n for n in names if treats_elements_alike(getattr(learners, n).trace(shape=(4, 3)))]
    assert {"adam", "lion", "adopt", "prodigy"} - set(alike) == {"prodigy"}
    assert len(alike) > len(names) / 2
