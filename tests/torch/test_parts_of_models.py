"""What computes over the whole model is refused where an optimizer has a part of it."""

import pytest
import torch
from support.processes import spawn
from support.torch_models import backward, distance, network
from support.torch_ranks import apply_in_backward, divide_the_optimizer

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.learners import adamw, sgd
from learnerdsl.transforms import clip_grad_norm

Clipped = ldt.optimizer_class(ld.chain(clip_grad_norm, sgd, name="clipped_for_parts"))
TEXT = "computes something over the whole model, but "


@pytest.mark.parametrize("own", ["AdamW", "Lion", "LAMB"])
def test_rules_of_single_tensors_work_in_backward(own):
    models = []
    for optimizer_class in (getattr(ldt, own), getattr(torch.optim, own, None)):
        model, rest = network(), network()
        apply_in_backward(optimizer_class or getattr(ldt, own), model.parameters(), {"lr": 0.01})
        judge = (optimizer_class or getattr(ldt, own))(rest.parameters(), lr=0.01)
        for k in range(3):
            backward(model, k)
            backward(rest, k)
            judge.step()
        models += [model, rest]
    assert max(distance(models[0], model) for model in models) < 1e-6
    assert distance(models[0], network()) > 0.001


def test_sums_over_the_model_are_refused_in_backward():
    model = network()
    apply_in_backward(Clipped, model.parameters(), {"lr": 0.01})
    text = TEXT + "_apply_optimizer_in_backward makes an optimizer for each parameter; use a rule"
    with pytest.raises(ld.HyperparameterError, match=text):
        backward(model, 0)
    assert distance(model, network()) == 0


def test_sums_over_the_model_are_refused_in_hooks_of_gradients():
    model = network()
    optimizers = {p: Clipped([p], lr=0.01) for p in model.parameters()}
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(lambda p: optimizers[p].step())
    with pytest.raises(ld.HyperparameterError, match=TEXT + r"step\(\) was called in a backward"):
        backward(model, 0)
    assert distance(model, network()) == 0


def test_rules_of_single_tensors_work_in_hooks_of_gradients():
    model, other = network(), network()
    optimizers = {p: adamw.torch([p], lr=0.01) for p in model.parameters()}
    judge = torch.optim.AdamW(other.parameters(), lr=0.01, weight_decay=1e-4)
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(lambda p: optimizers[p].step())
    for group in (g for o in optimizers.values() for g in o.param_groups):
        group["weight_decay"] = 1e-4
    for k in range(3):
        backward(model, k)
        backward(other, k)
        judge.step()
    assert distance(model, other) < 1e-6


@pytest.mark.slow
def test_zero_redundancy_divides_rules_of_single_tensors_and_refuses_others(tmp_path):
    spawn(divide_the_optimizer, 2, str(tmp_path))
