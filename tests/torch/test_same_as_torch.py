"""The classes that torch.optim has too give its weights, its states and its state dicts."""

import copy
import pickle

import pytest
import torch
from support.tiers import slow
from support.torch_grid import GRID, exact
from support.torch_models import distance, network, train

import learnerdsl as ld
import learnerdsl.torch as ldt

CASES = [
    (name, arguments) if arguments is rows[-1] else slow(name, arguments)
    for name, rows in GRID.items()
    if name not in {"Muon", "SparseAdam"}
    for arguments in rows
]


@pytest.mark.usefixtures("double_scalars")
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_weights_and_state_dicts_are_those_of_torch(name, arguments):
    own, theirs = network(torch.float64), network(torch.float64)
    arguments = exact(arguments, torch.float64)
    optimizer = getattr(ldt, name)(own.parameters(), **arguments)
    judge = getattr(torch.optim, name)(theirs.parameters(), **arguments)
    train(own, optimizer)
    train(theirs, judge)
    assert distance(own, theirs) <= 1e-12

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
    assert distance(own, theirs) <= 1e-12


def test_defaults_are_those_of_torch():
    for name in GRID:
        model = torch.nn.Linear(3, 3, bias=False)
        theirs = getattr(torch.optim, name)(model.parameters()).defaults
        own = getattr(ldt, name)(model.parameters()).defaults
        assert {key: own[key] for key in theirs} == theirs


def test_muon_is_that_of_torch_up_to_its_products_in_bfloat16():
    torch.manual_seed(0)
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
