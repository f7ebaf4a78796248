"""The classes that torch.optim has too give its weights, its states and its state dicts."""

import copy
import pickle

import pytest
import torch
from support.torch_models import distance, network, train

import learnerdsl as ld
import learnerdsl.torch as ldt

DECAY = {"weight_decay": 0.1}
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, **DECAY}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, **DECAY}),
    ("Adam", {"decoupled_weight_decay": True, "maximize": True, **DECAY}),
    ("AdamW", {"foreach": True}),
    ("AdamW", {"betas": (0.8, 0.95), "amsgrad": True}),
    ("NAdam", {}),
    ("NAdam", {"decoupled_weight_decay": True, **DECAY}),
    ("RAdam", DECAY),
    ("RAdam", {"decoupled_weight_decay": True, **DECAY}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.2, **DECAY}),
    ("Adadelta", {"rho": 0.8, **DECAY}),
    ("Adamax", DECAY),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True, "momentum": 0.5, **DECAY}),
    ("Rprop", {}),
    ("Rprop", {"etas": (0.4, 1.3), "step_sizes": (1e-5, 1.0)}),
    ("ASGD", {"t0": 5, **DECAY}),
    ("Adafactor", {}),
    ("Adafactor", {"eps": (1e-8, 1e-2), **DECAY}),
]
FLOAT32_SCALARS = {"NAdam", "ASGD"}
"""Torch keeps scalars of these in float32, also for float64 parameters."""
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_weights_and_state_dicts_are_those_of_torch(name, arguments, dtype):
    tolerance = 1e-6 if name in FLOAT32_SCALARS else TOLERANCE[dtype]
    own, theirs = network(dtype), network(dtype)
    optimizer = getattr(ldt, name)(own.parameters(), lr=0.01, **arguments)
    judge = getattr(torch.optim, name)(theirs.parameters(), lr=0.01, **arguments)
    train(own, optimizer)
    train(theirs, judge)
    assert distance(own, theirs) <= tolerance

    ours, given = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(judge.state_dict())
    for k, state in given["state"].items():
        assert set(state) <= set(ours["state"][k])
        for key, value in state.items():
            assert torch.as_tensor(value).shape == ours["state"][k][key].shape
    assert set(given["param_groups"][0]) <= set(ours["param_groups"][0])

    # Each continues from the other's state dict.
    optimizer.load_state_dict(given)
    judge.load_state_dict(ours)
    train(own, optimizer, steps=3, first=20)
    train(theirs, judge, steps=3, first=20)
    assert distance(own, theirs) <= tolerance


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES} - {"Adafactor"}))
def test_shapes_layouts_and_a_learning_rate_in_a_tensor(name):
    shapes = [(3, 4), (5,), (), (0, 3)]
    torch.manual_seed(2)
    starts = [torch.randn(shape) for shape in shapes] + [torch.randn(4, 6).T]
    results = []
    for optimizer_class in (getattr(ldt, name), getattr(torch.optim, name)):
        parameters = [torch.nn.Parameter(start.clone()) for start in starts]
        optimizer = optimizer_class(parameters, lr=torch.tensor(0.01))
        generator = torch.Generator().manual_seed(3)
        for _ in range(10):
            for p in parameters:
                p.grad = torch.randn(p.shape, generator=generator)
            optimizer.step()
        results.append(parameters)
    for own, theirs in zip(*results, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-6, atol=1e-6)


def test_defaults_are_those_of_torch():
    for name in {name for name, _ in CASES} | {"Muon", "SparseAdam"}:
        model = torch.nn.Linear(3, 3, bias=False)
        theirs = getattr(torch.optim, name)(model.parameters()).defaults
        own = getattr(ldt, name)(model.parameters()).defaults
        assert {key: own[key] for key in theirs} == theirs


def test_muon_is_that_of_torch_up_to_its_products_in_bfloat16():
    own, theirs = (torch.nn.Linear(6, 5, bias=False) for _ in range(2))
    theirs.load_state_dict(own.state_dict())
    start = copy.deepcopy(own)
    optimizer = ldt.Muon(own.parameters(), lr=0.01)
    judge = torch.optim.Muon(theirs.parameters(), lr=0.01)
    train(own, optimizer, 10)
    train(theirs, judge, 10)
    assert distance(own, theirs) < 0.02 * distance(start, own)
    assert optimizer.state_dict()["state"][0].keys() == {"step", "momentum_buffer"}
    optimizer.load_state_dict(judge.state_dict())
    with pytest.raises(ValueError, match="not for ndim 1"):
        ldt.Muon(network().parameters())


def test_muon_multiplies_as_it_is_asked_to():
    torch.manual_seed(0)
    start, gradient = torch.randn(12, 20), torch.randn(12, 20)
    paths = {}
    for name, arguments in {
        "own": {},
        "asked": {"products": "bfloat16"},
        "full": {"products": "full"},
        "none": {"products": None, "ns_steps": 0},
    }.items():
        p = torch.nn.Parameter(start.clone())
        optimizer = ldt.Muon([p], lr=0.1, **arguments)
        p.grad = gradient.clone()
        optimizer.step()
        again = pickle.loads(pickle.dumps(optimizer))
        assert again._arguments["products"] == arguments.get("products")
        paths[name] = p.detach()
    judge = torch.nn.Parameter(start.clone())
    judge.grad = gradient.clone()
    torch.optim.Muon([judge], lr=0.1).step()
    assert torch.equal(paths["own"], paths["asked"])
    assert 0 < (paths["own"] - paths["full"]).norm() < 0.05 * (paths["full"] - start).norm()
    assert (paths["own"] - judge).norm() < 0.02 * (judge - start).norm()
    with pytest.raises(ld.HyperparameterError, match="adam multiplies no matrices"):
        ldt.AdamW([p], products="bfloat16")


def test_first_positional_argument_is_the_learning_rate():
    assert ldt.AdamW(network().parameters(), 0.5).param_groups[0]["lr"] == 0.5
