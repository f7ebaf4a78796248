"""Groups of parameters: the values they have of their own, share with the base, or may not have."""

import numpy as np
import pytest
from support.small_rules import (
    BACKENDS,
    contents,
    descent,
    every_state,
    gradients,
    parameters,
    train,
)

import learnerdsl as ld
from learnerdsl.learners import muon, sgd


@ld.rule
def model_energy(p, g, lr=0.1, keep=0.5, scale=1.0, start=2.0):
    """A state of the model that is computed from `keep` and `start`."""
    energy = ld.state("energy", init=start, shape="model")
    kept = ld.let("kept", keep * energy)
    new = ld.assign(energy, kept + ld.sum(scale * g**2, over="model"))
    return ld.assign(p, p - lr * g / new)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.mark.parametrize(
    ("form", "member"), [("dict", "b"), ("list", 1)], ids=["by name", "by index"]
)
def test_a_group_has_values_of_its_own(form, member, backend):
    learner = descent(parameters(form), backend=backend, groups=[{"params": [member], "lr": 0.0}])
    before = contents(learner)
    learner.update(gradients(learner, 0))
    after = contents(learner)
    unmoved = [name for name in before[0] if before[0][name] == after[0][name]]
    assert unmoved == [("parameter", member)]


def test_a_group_does_what_a_learner_of_its_own_would_do(backend):
    both = every_state(
        parameters("dict"), backend=backend, groups=[{"params": ["b"], "lr": 0.3, "keep": 0.5}]
    )
    same = every_state(parameters("dict"), backend=backend, lr=0.3, keep=0.5)
    train(both, [0, 1])
    train(same, [0, 1])
    # Both states of the model depend on the gradients of all, never on the groups.
    assert both.model_state == same.model_state
    assert (both.parameters["b"] == same.parameters["b"]).all()
    assert (both.parameters["w"] != same.parameters["w"]).any()


def test_a_group_uses_the_base_where_it_has_no_value():
    learner = descent(parameters("dict"), lr=0.25, groups=[{"params": ["b"], "decay": 0.5}])
    assert dict(learner.groups[0]) == {"lr": 0.25, "decay": 0.5}


def test_setting_the_base_does_not_change_a_value_of_a_group():
    learner = descent(parameters("dict"), groups=[{"params": ["b"], "lr": 0.0}])
    learner.hyperparameters["lr"] = 0.25
    assert learner.groups[0]["lr"] == 0.0


def test_setting_the_base_changes_what_a_group_has_no_value_for(backend):
    learner = descent(parameters("dict"), backend=backend, groups=[{"params": ["b"], "decay": 0.0}])
    expected = descent(parameters("dict"), backend=backend, lr=0.25)
    learner.hyperparameters["lr"] = 0.25
    learner.update(gradients(learner, 0))
    expected.update(gradients(expected, 0))
    assert contents(learner)[0] == contents(expected)[0]


def test_setting_a_value_of_a_group_does_not_change_the_base():
    learner = descent(parameters("dict"), groups=[{"params": ["b"]}])
    learner.groups[0]["lr"] = 0.25
    assert dict(learner.hyperparameters) == {"lr": 0.5, "decay": 0.0}
    assert dict(learner.groups[0]) == {"lr": 0.25, "decay": 0.0}


def test_a_group_may_have_a_schedule(backend):
    learner = descent(
        [np.zeros(1), np.zeros(1)],
        backend=backend,
        groups=[{"params": [1], "lr": lambda step: 1 / 2**step}],
    )
    for _ in range(2):
        learner.update([np.ones(1), np.ones(1)])
    assert [array[0] for array in learner.parameters.values()] == [-1.0, -0.75]


def test_groups_come_in_the_order_in_which_they_were_given():
    learner = descent(
        [np.zeros(1), np.zeros(1), np.zeros(1)],
        groups=[{"params": [2], "lr": 0.2}, {"params": [0], "lr": 0.1}],
    )
    assert [group["lr"] for group in learner.groups] == [0.2, 0.1]


@pytest.mark.parametrize(
    "params", [["b", "w"], ("b", "w"), {"b", "w"}], ids=["list", "tuple", "set"]
)
def test_a_group_may_hold_all_parameters(params):
    learner = descent(parameters("dict"), groups=[{"params": params, "lr": 0.0}])
    before = contents(learner)[0]
    learner.update(gradients(learner, 0))
    assert contents(learner)[0] == before


def test_a_group_may_be_empty(backend):
    learner = descent(parameters("dict"), backend=backend, groups=[{"params": [], "lr": 0.0}])
    expected = descent(parameters("dict"), backend=backend)
    learner.update(gradients(learner, 0))
    expected.update(gradients(expected, 0))
    assert contents(learner)[0] == contents(expected)[0]


BAD_GROUPS = {
    "no params": (
        [{"lr": 0.0}],
        ld.HyperparameterError,
        ("{'params': ['b'], 'lr': 0.0}", "got {'lr'"),
    ),
    "no dict": ([["b"]], ld.HyperparameterError, ("A group is a dict such as", "got ['b']")),
    "one dict": ({"params": ["b"]}, ld.HyperparameterError, ("A group is a dict such as",)),
    "a number": (3, ld.HyperparameterError, ("groups",)),
    "unknown name": (
        [{"params": ["bias"], "lr": 0.0}],
        ld.UnknownNameError,
        ("Group 1 names 'bias', which is not a parameter", "there are 'b', 'w'"),
    ),
    "index of a dict": ([{"params": [1]}], ld.UnknownNameError, ("Group 1 names 1",)),
    "name in two groups": (
        [{"params": ["b"], "lr": 0.0}, {"params": ["w", "b"], "lr": 0.1}],
        ld.HyperparameterError,
        ("Parameter 'b' is in groups 1 and 2", "name it once"),
    ),
    "name twice": ([{"params": ["b", "b"]}], ld.HyperparameterError, ("'b'", "name it once")),
    "pattern of nothing": (
        [{"params": "*.bias"}],
        ld.UnknownNameError,
        ("Group 1 has params='*.bias', which matches no parameter", "there are 'b', 'w'"),
    ),
    "pattern in a list": ([{"params": ["b", "x*"]}], ld.UnknownNameError, ("params='x*'",)),
    "function of nothing": (
        [{"params": lambda name, p: p.ndim > 2}],
        ld.UnknownNameError,
        ("Group 1 has a function that is true for no parameter; there are 'w', 'b'",),
    ),
    "patterns that overlap": (
        [{"params": "*"}, {"params": "b"}],
        ld.HyperparameterError,
        ("Parameter 'b' is in groups 1 and 2",),
    ),
    "frozen by a word": (
        [{"params": "b", "frozen": "yes"}],
        ld.HyperparameterError,
        ("Group 1 has frozen='yes'; write True or False",),
    ),
    "all frozen": ([{"params": "*", "frozen": True}], ld.ArrayError, ("nothing is left to train",)),
    "number for a list": ([{"params": 1}], ld.LearnerError, ("params=1; write a list of names",)),
    "arrays for names": ([{"params": [np.zeros(2)]}], ld.LearnerError, ("Group 1",)),
    "unknown hyperparameter": (
        [{"params": ["b"], "rate": 0.1}],
        ld.UnknownNameError,
        ("descent has no hyperparameter 'rate'", "it has: lr, decay"),
    ),
    "bad value": ([{"params": ["b"], "lr": "0.1"}], ld.HyperparameterError, ("cannot be '0.1'",)),
}


@pytest.mark.parametrize("case", BAD_GROUPS)
def test_groups_that_cannot_be_used_are_refused(case):
    groups, error, parts = BAD_GROUPS[case]
    with pytest.raises(error) as caught:
        descent(parameters("dict"), groups=groups)
    assert [part for part in parts if part not in str(caught.value)] == [], str(caught.value)


def test_an_index_beyond_the_parameters_is_refused():
    with pytest.raises(ld.UnknownNameError, match="Group 1 names 2, which is not a parameter"):
        descent(parameters("list"), groups=[{"params": [2]}])


@pytest.mark.parametrize("name", ["keep", "start"])
def test_a_group_cannot_change_what_a_state_of_the_model_is_computed_from(name):
    with pytest.raises(ld.HyperparameterError) as caught:
        model_energy(parameters("dict"), groups=[{"params": ["b"], name: 0.1}])
    assert f"{name!r} of model_energy cannot differ between groups" in str(caught.value)
    assert "state 'energy', one scalar for the whole model" in str(caught.value)


def test_setting_in_a_group_what_a_state_of_the_model_is_computed_from_changes_nothing():
    learner = model_energy(parameters("dict"), groups=[{"params": ["b"], "lr": 0.2}])
    before = contents(learner)
    with pytest.raises(ld.HyperparameterError, match="'keep' of model_energy cannot differ"):
        learner.groups[0]["keep"] = 0.1
    assert contents(learner) == before


@pytest.mark.parametrize("name", ["lr", "scale"])
def test_a_group_may_change_what_a_state_of_the_model_only_sums_over_elements(name):
    values = {"lr": 0.25, "scale": 3.0}
    cpu, oracle = (
        model_energy(
            parameters("dict", np.float64),
            backend=backend,
            groups=[{"params": ["b"], name: values[name]}],
        )
        for backend in BACKENDS
    )
    train(cpu, [0, 1])
    train(oracle, [0, 1])
    assert cpu.model_state["energy"] == pytest.approx(oracle.model_state["energy"], rel=1e-14)
    np.testing.assert_allclose(cpu.parameters["b"], oracle.parameters["b"], rtol=1e-14)


def test_the_base_may_change_what_a_state_of_the_model_is_computed_from(backend):
    learner = model_energy(
        parameters("dict"), backend=backend, groups=[{"params": ["b"], "lr": 0.2}]
    )
    learner.hyperparameters["keep"] = 0.0
    learner.update({"w": np.zeros((3, 4), np.float32), "b": np.ones(4, np.float32)})
    assert learner.model_state == {"energy": 4.0}


@ld.rule
def plain(p, g, lr=0.5):
    return ld.assign(p, p - lr * g)


def test_numbers_and_schedules_replace_each_other(backend):
    """The steps that the base and a group take after one of them was set."""
    arrays = {"w": np.zeros(1), "b": np.zeros(1)}
    ones = {name: np.ones(1) for name in arrays}
    learner = plain(arrays, backend=backend, groups=[{"params": ["b"]}])
    base, (group,) = learner.hyperparameters, learner.groups

    def steps():
        before = {name: array.copy() for name, array in arrays.items()}
        learner.update(ones)
        return [(before[name] - array).item() for name, array in arrays.items()]

    assert steps() == [0.5, 0.5]
    base["lr"] = 0.25
    assert steps() == [0.25, 0.25]
    base["lr"] = 1 * ld.step
    assert steps() == [3.0, 3.0]
    group["lr"] = 8.0
    assert steps() == [4.0, 8.0]
    base["lr"] = 0.125
    assert steps() == [0.125, 8.0]
    group["lr"] = 2 * ld.step
    base["lr"] = 16.0
    assert steps() == [16.0, 12.0]
    group["lr"] = 32.0
    assert steps() == [16.0, 32.0]


def test_a_function_of_the_name_alone_chooses_too():
    params = {"a.bias": np.ones(2), "a.weight": np.ones(2)}
    groups = [{"params": lambda name: name.endswith("bias"), "lr": 0.0}]
    learner = sgd(params, lr=0.5, groups=groups)
    learner.update({name: np.ones(2) for name in params})
    assert params["a.bias"].tolist() == [1, 1]
    assert params["a.weight"].tolist() == [0.5, 0.5]


def test_a_function_of_something_else_is_refused():
    with pytest.raises(ld.HyperparameterError, match=r"cannot be called .* as it is f\(a, b, c\)"):
        sgd({"a": np.ones(2)}, groups=[{"params": lambda a, b, c: True}])


def test_groups_choose_options_too():
    """Each parameter moves as in a learner of its own with those options."""
    of_groups = [{"params": ["b"], "nesterov": False, "ns_steps": 2}, {"params": ["c"], "lr": 0.5}]
    own = {"a": {}, "b": {"nesterov": False, "ns_steps": 2}, "c": {"lr": 0.5}}
    params = {name: np.eye(3) + k for k, name in enumerate(own)}
    alone = {name: array.copy() for name, array in params.items()}
    learner = muon(params, lr=0.1, groups=of_groups)
    learners = {name: muon([alone[name]], **{"lr": 0.1, **given}) for name, given in own.items()}

    for scale in (1.0, -2.0):
        grads = {
            name: scale * np.arange(9.0).reshape(3, 3) ** (k + 1) for k, name in enumerate(own)
        }
        learner.update(grads)
        for name, single in learners.items():
            single.update([grads[name]])

    for name in own:
        np.testing.assert_array_equal(params[name], alone[name])


def test_a_group_with_an_option_that_is_refused_names_the_parameter():
    groups = [{"params": "b", "adjust_lr_fn": "best"}]
    with pytest.raises(
        ld.RuleError, match=r"Parameter 'b' of shape \(2, 2\): .*'best' is not known"
    ):
        muon({"a": np.eye(2), "b": np.eye(2)}, groups=groups)
