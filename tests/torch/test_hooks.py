"""The hooks of a step run once, and profilers see the step, whether or not torch wraps it."""

import pytest
import torch
from support.torch_models import backward, network
from torch.optim import optimizer as of_torch

import learnerdsl.torch as ldt


class WithOwnStep(ldt.AdamW):
    """A user's class, whose step torch wraps."""

    def step(self, closure=None):
        return super().step(closure)


@pytest.fixture(params=[ldt.AdamW, WithOwnStep])
def prepared(request):
    """An optimizer, and a model that has gradients."""
    model = network()
    backward(model, 0)
    return request.param(model.parameters()), model


def test_hooks_of_an_optimizer_run_once(prepared):
    optimizer, _ = prepared
    seen = []
    optimizer.register_step_pre_hook(lambda *given: seen.append(("before", given)))
    handle = optimizer.register_step_post_hook(lambda *given: seen.append(("after", given)))
    optimizer.step()
    assert [name for name, _ in seen] == ["before", "after"]
    assert all(given == (optimizer, (optimizer,), {}) for _, given in seen)
    handle.remove()
    optimizer.step()
    assert [name for name, _ in seen] == ["before", "after", "before"]


def test_hooks_of_all_optimizers_run_once(prepared):
    optimizer, _ = prepared
    seen = []
    handles = [
        of_torch.register_optimizer_step_pre_hook(lambda *_: seen.append("before")),
        of_torch.register_optimizer_step_post_hook(lambda *_: seen.append("after")),
    ]
    try:
        optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    optimizer.step()
    assert seen == ["before", "after"]


def test_hook_may_replace_the_arguments(prepared):
    optimizer, _ = prepared
    optimizer.register_step_pre_hook(lambda own, given, named: (given, {"closure": lambda: 7.0}))
    assert optimizer.step() == 7.0


def test_profilers_see_the_step(prepared):
    optimizer, model = prepared
    optimizer.step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        model(torch.ones(1, 6))
        optimizer.step()
    names = [event.key for event in profile.key_averages()]
    assert f"Optimizer.step#{type(optimizer).__name__}.step" in names
