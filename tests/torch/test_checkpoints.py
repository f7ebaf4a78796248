"""A state dict that does not fit is refused with a sentence, or loaded where it fits."""

import copy

import pytest
import torch
from support.torch_models import backward, network, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt


@ld.rule
def all_states(p, g, lr=0.01):
    """A state of each shape, all of which the next update depends on."""
    m, row = ld.state("m"), ld.state("row", shape="rows")
    factor = ld.state("factor", shape=("rows", "rows"))
    peak, energy = ld.state("peak", shape="tensor"), ld.state("energy", shape="model")
    past = ld.state("past", ring=2)
    past_new = ld.assign(past, g)
    m_new = ld.assign(m, 0.9 * m + g)
    row_new = ld.assign(row, 0.9 * row + ld.sum(g**2, axis=1))
    factor_new = ld.assign(factor, 0.9 * factor + ld.matmul(g, ld.transpose(g)))
    peak_new = ld.assign(peak, ld.maximum(peak, ld.max(ld.abs(g))))
    energy_new = ld.assign(energy, energy + ld.sum(g**2, over="model"))
    direction = m_new + past[2] + ld.matmul(factor_new, g)
    scale = 1 + row_new + peak_new + energy_new
    return ld.combine([past_new, ld.assign(p, p - lr * direction / scale)])


AllStates = ldt.optimizer_class(all_states)
KINDS = ("m", "row", "factor", "peak", "past_2")
"""States of a parameter: of each element, of rows, a matrix, of the tensor, a slot of a ring."""


def trained(steps=3, out=3):
    """Return two matrices with names, and their optimizer after some updates."""
    torch.manual_seed(1)
    layers = torch.nn.Linear(4, 5, bias=False), torch.nn.Linear(5, out, bias=False)
    model = torch.nn.Sequential(*layers)
    optimizer = AllStates(model.named_parameters())
    update(model, optimizer, range(steps))
    return model, optimizer


def update(model, optimizer, steps):
    """Do an update by random gradients for each step."""
    for k in steps:
        generator = torch.Generator().manual_seed(k)
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        optimizer.step()


def taken(states, name):
    """Remove a state."""
    del states[name]


def renamed(states, name):
    """Give a state another name."""
    states["other"] = states.pop(name)


def doubled(states, name):
    """Add a state."""
    states["other"] = copy.deepcopy(states[name])


def reshaped(states, name):
    """Give a state one element more than it has."""
    states[name] = torch.zeros(torch.as_tensor(states[name]).numel() + 1)


def as_text(states, name):
    """Make a state text."""
    states[name] = "0"


def as_integers(states, name):
    """Make a state whole numbers."""
    states[name] = states[name].int()


def as_complex(states, name):
    """Make a state complex."""
    states[name] = torch.complex(states[name], states[name])


DAMAGE = {
    taken: "'{}' of Parameter '1.weight' is missing; there are: step, ",
    renamed: "'{}' of Parameter '1.weight' is missing; there are: .*other",
    doubled: "Parameter '1.weight' has the unknown states 'other'; its states are: m, row, factor",
    reshaped: r"'{}' of Parameter '1.weight' has shape \(\d+,\), but here it has \(",
    as_text: "'{}' of Parameter '1.weight' is no tensor but str",
    as_integers: "'{}' of Parameter '1.weight' is torch.int32, but here it is torch.float",
    as_complex: "'{}' of Parameter '1.weight' is torch.complex",
}
MODEL_DAMAGE = {
    taken: "'model.energy' of the groups is missing",
    renamed: "unknown state 'model.other'; there are: model.energy",
    doubled: "unknown state 'model.other'; there are: model.energy",
    reshaped: r"'model.energy' of the groups is one number, so it cannot be tensor",
    as_text: "'model.energy' of the groups is one number, so it cannot be '0'",
}


def check_refused(saved, message):
    """Check that loading raises, and that training continues as if nothing had happened."""
    model, optimizer = trained()
    same_model, same = trained()
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ld.CheckpointError, match=message):
        optimizer.load_state_dict(saved)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for number, states in before["state"].items():
        assert after["state"][number].keys() == states.keys()
        assert all(torch.equal(v, after["state"][number][n]) for n, v in states.items())
    update(model, optimizer, (3, 4))
    update(same_model, same, (3, 4))
    assert torch.equal(weights(model), weights(same_model))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_state_that_does_not_fit_changes_nothing(damage, name):
    saved = trained(steps=5)[1].state_dict()
    damage(saved["state"][1], name)
    check_refused(saved, DAMAGE[damage].format(name))


@pytest.mark.parametrize("damage", MODEL_DAMAGE)
def test_state_of_the_model_that_does_not_fit_changes_nothing(damage):
    saved = trained(steps=5)[1].state_dict()
    for group in saved["param_groups"]:
        states = {"energy": group.pop("model.energy")}
        damage(states, "energy")
        group.update({f"model.{name}": value for name, value in states.items()})
    check_refused(saved, MODEL_DAMAGE[damage])


@pytest.mark.parametrize(("name", "value"), [("step_count", "x"), ("samples", -1.0)])
def test_counts_that_are_none_change_nothing(name, value):
    saved = trained(steps=5)[1].state_dict()
    saved["param_groups"][0][name] = value
    check_refused(saved, f"'{name}' of the groups must be a number from 0")


def named_network(names, shapes=None, steps=3):
    """Return parameters by name and their AdamW after some updates."""
    shapes = shapes or {}
    made = {}
    for name in names:
        generator = torch.Generator().manual_seed(len(name))
        made[name] = torch.nn.Parameter(torch.randn(shapes.get(name, (2, 3)), generator=generator))
    optimizer = ldt.AdamW(made.items(), lr=0.1)
    for _ in range(steps):
        for p in made.values():
            p.grad = torch.ones_like(p)
        optimizer.step()
    return made, optimizer


def test_what_matches_by_name_is_loaded_and_the_rest_is_reported():
    _, old = named_network(("one", "three", "old", "grown"))
    parameters, optimizer = named_network(("new", "grown", "three", "one"), {"grown": (5, 3)}, 0)
    saved = old.state_dict()
    with pytest.raises(ld.CheckpointError, match=r"lacks the parameters 'new', .* strict=False"):
        optimizer.load_state_dict(saved)
    report = optimizer.load_state_dict(saved, strict=False)
    assert report.missing == ["new"]
    assert report.unexpected == ["old"]
    why = "The state 'exp_avg' of Parameter 'grown' has shape (2, 3), but here it has (5, 3)."
    assert report.misfits == {"grown": why}
    assert repr(report) == f"missing: new\nunexpected: old\nmisfit: {why}"
    for number, name in ((0, "one"), (1, "three")):
        for state, value in saved["state"][number].items():
            assert torch.equal(optimizer.state[parameters[name]][state], value)
    for p in parameters.values():
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert optimizer.state[parameters["one"]]["step"] == 4
    assert optimizer.state[parameters["new"]]["step"] == 1
    assert optimizer.state[parameters["grown"]]["step"] == 1
    assert optimizer.state[parameters["grown"]]["exp_avg"].shape == (5, 3)


def test_groups_of_other_numbers_match_by_name():
    made, old = named_network(("one", "three"))
    old.param_groups[0]["lr"] = 0.25
    other, _ = named_network(("one", "three", "fresh"), steps=0)
    groups = [{"params": [(name, p)], "lr": 1.0} for name, p in other.items()]
    optimizer = ldt.AdamW(groups)
    with pytest.raises(ld.CheckpointError, match="load with strict=False, which matches"):
        optimizer.load_state_dict(old.state_dict())
    report = optimizer.load_state_dict(old.state_dict(), strict=False)
    assert report == (["fresh"], [], {})
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25, 1.0]
    assert [group["param_names"] for group in optimizer.param_groups] == [[n] for n in other]
    for name, p in made.items():
        assert torch.equal(optimizer.state[other[name]]["exp_avg"], old.state[p]["exp_avg"])


def test_everything_matched_is_said():
    model = network()
    optimizer = ldt.AdamW(model.named_parameters())
    train(model, optimizer, 2)
    for strict in (True, False):
        assert repr(optimizer.load_state_dict(optimizer.state_dict(), strict)) == (
            "<Everything was matched>"
        )


def test_parameters_without_names_need_equal_groups():
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    backward(model, 0)
    with pytest.raises(ld.CheckpointError, match="give it the same groups"):
        optimizer.load_state_dict(ldt.AdamW([model[0].weight]).state_dict(), strict=False)
    other = ldt.AdamW(torch.nn.Linear(6, 4).parameters())
    saved = ldt.AdamW([model[0].weight, model[0].bias])
    saved.step()
    report = other.load_state_dict(saved.state_dict(), strict=False)
    assert list(report.misfits) == [0, 1]
    assert len(other.state) == 0


def test_state_of_the_model_that_does_not_fit_begins_anew():
    model, optimizer = trained()
    saved = trained(steps=5)[1].state_dict()
    saved["param_groups"][0]["model.energy"] = "x"
    report = optimizer.load_state_dict(saved, strict=False)
    assert list(report.misfits) == ["model.energy"]
    assert optimizer.state[next(model.parameters())]["step"] == 5
    assert optimizer.state_dict()["param_groups"][0]["model.energy"] == 0
