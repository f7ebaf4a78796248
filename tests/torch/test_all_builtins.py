"""The class of every builtin learner gives bitwise what the learner gives."""

import numpy as np
import pytest
import torch
from support.tiers import FEW
from support.torch_models import extras_of

import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.torch.interface import class_name
from learnerdsl.torch.known import KNOWN

SAME_OPERATIONS = [n for n in learners.__all__ if class_name(n) not in KNOWN]


@pytest.mark.parametrize(
    "name",
    [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in SAME_OPERATIONS],
)
def test_class_equals_learner(name):
    rule = getattr(learners, name)
    numbers = np.random.default_rng(3)
    arrays = {n: numbers.normal(size=(4, 3)).astype(np.float32) for n in ("first", "second")}
    tensors = {n: torch.nn.Parameter(torch.tensor(a)) for n, a in arrays.items()}
    learner = rule(arrays)
    optimizer = getattr(ldt, class_name(name))(tensors.items())
    for _ in range(3):
        gradients = {n: numbers.normal(size=(4, 3)).astype(np.float32) for n in arrays}
        extras = extras_of(rule, gradients)
        learner.update(gradients, **extras)
        for n, p in tensors.items():
            p.grad = torch.tensor(gradients[n])
        given = {
            n: {key: torch.tensor(a) for key, a in v.items()} if isinstance(v, dict) else v
            for n, v in extras.items()
        }
        optimizer.step(**given)
    for n, p in tensors.items():
        assert np.array_equal(p.detach().numpy(), arrays[n])
        for key, value in learner.state[n].items():
            assert np.array_equal(optimizer.state[p][key].numpy(), value)
    again = getattr(ldt, class_name(name))(tensors.items())
    again.load_state_dict(optimizer.state_dict())
    for p in tensors.values():
        assert all(torch.equal(v, again.state[p][key]) for key, v in optimizer.state[p].items())
