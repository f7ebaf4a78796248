"""Calls of a learner that cannot mean anything: a LearnerError with a sentence, nothing changed."""

import copy
import math
import pickle

import numpy as np
import pytest
import sympy
import torch
from support.small_rules import contents, every_state, parameters, train

import learnerdsl as ld

TABLE = [0.5, 0.25]


@pytest.fixture
def learner():
    made = every_state(parameters("dict"), groups=[{"params": ["b"], "lr": 0.3}], lr=0.05)
    train(made, range(2))
    return made


@pytest.fixture
def ungrouped():
    return every_state(parameters("dict"))


# Each is a statement about L, a learner with a group, or U, one without.
CALLS = """
L.hyperparameters['lr'] = 'fast'
L.hyperparameters['lr'] = b'0.1'
L.hyperparameters['lr'] = None
L.hyperparameters['lr'] = True
L.hyperparameters['lr'] = np.bool_(True)
L.hyperparameters['lr'] = torch.tensor(True)
L.hyperparameters['lr'] = math.nan
L.hyperparameters['lr'] = np.float32('nan')
L.hyperparameters['lr'] = torch.tensor(math.nan)
L.hyperparameters['lr'] = 1j
L.hyperparameters['lr'] = sympy.I
L.hyperparameters['lr'] = [0.1]
L.hyperparameters['lr'] = (0.1,)
L.hyperparameters['lr'] = {'value': 0.1}
L.hyperparameters['lr'] = np.array([0.1])
L.hyperparameters['lr'] = np.ones((1, 1))
L.hyperparameters['lr'] = torch.tensor([0.1])
L.hyperparameters['lr'] = np.ma.masked
L.hyperparameters['lr'] = float
L.hyperparameters['lr'] = int
L.hyperparameters['lr'] = object()
L.hyperparameters['lr'] = ...
L.hyperparameters['lr'] = sympy.sin
L.hyperparameters['lr'] = sympy.Symbol('x')
L.hyperparameters['lr'] = ld.samples
L.hyperparameters['lr'] = ld.step > 3
L.hyperparameters['lr'] = sympy.zoo
L.hyperparameters['lr'] = 10**400
L.hyperparameters['lr'] = -10**5000
L.hyperparameters['lr'] = sympy.Integer(10)**400
L.hyperparameters['lr'] = sympy.exp(1000)
L.hyperparameters['rate'] = 0.1
L.hyperparameters[0] = 0.1
L.hyperparameters[None] = 0.1
L.hyperparameters[['lr']] = 0.1
L.hyperparameters[np.ones(2)] = 0.1
L.hyperparameters['rate']
L.hyperparameters[0]
L.hyperparameters[['lr']]
L.hyperparameters.rate
L.hyperparameters.rate = 0.1
L.hyperparameters.lr = 'fast'
L.hyperparameters.values = 0.1
L.hyperparameters._table = 3
del L.hyperparameters['lr']
del L.hyperparameters['rate']
del L.hyperparameters.lr
L.hyperparameters.pop('lr')
L.hyperparameters.popitem()
L.hyperparameters.clear()
L.hyperparameters.update(keep=0.5, lr='fast')
L.hyperparameters.update({'keep': 0.5, 'rate': 0.1})
L.hyperparameters.update(3)
L.hyperparameters.setting('rate')
L.hyperparameters.setting(['lr'])
L.groups[0]['lr'] = 'fast'
L.groups[0]['rate'] = 0.1
L.groups[0].rate = 0.1
L.groups[1]['lr'] = 0.1
L.groups[-2]['lr']
L.groups['b']
L.groups[None]
L.groups[0.0]
U.groups[0]['lr'] = 0.1
U.groups[-1]['lr']
del L.groups[0]['lr']
L.lr = 0.1
L.keep = 0.1
L.learning_rate = 0.1
L.step = 0
L.load_state_dict(None)
L.load_state_dict(3)
L.load_state_dict('state')
L.load_state_dict([])
L.load_state_dict({})
L.load_state_dict(L)
L.load_state_dict(L.state)
L.load_state_dict(U.state_dict())
L.save(None)
L.load(3)
copy.copy(L)
copy.deepcopy(L)
pickle.dumps(L)
U.hyperparameters['lr'] = ld.norm(ld.samples)
every_state(parameters('dict'), lr=float)
every_state(parameters('dict'), lr=10**400)
every_state(parameters('dict'), groups=3)
every_state(parameters('dict'), groups=0)
every_state(parameters('dict'), groups='')
every_state(parameters('dict'), groups='b')
every_state(parameters('dict'), groups=np.ones(3))
every_state(parameters('dict'), groups={'params': ['b']})
every_state(parameters('dict'), groups=[None])
every_state(parameters('dict'), groups=[{'params': None}])
every_state(parameters('dict'), groups=[{'params': ['b'], 3: 0.1}])
every_state(parameters('dict'), groups=[{'params': ['b'], 'lr': [0.1]}])
every_state(parameters('dict'), groups=[{'params': [['b']]}])
every_state(parameters('list'), groups=[{'params': [True]}])
every_state(parameters('list'), groups=[{'params': [-1]}])
ld.Learner(every_state.trace(), parameters('dict'), hyperparameters=3)
ld.Learner(every_state.trace(), parameters('dict'), hyperparameters=[])
ld.Learner(every_state.trace(), parameters('dict'), hyperparameters=['lr'])
ld.Learner(every_state.trace(), parameters('dict'), hyperparameters={3: 0.1})
""".strip().splitlines()

NAMES = {
    "copy": copy,
    "every_state": every_state,
    "ld": ld,
    "math": math,
    "np": np,
    "parameters": parameters,
    "pickle": pickle,
    "sympy": sympy,
    "torch": torch,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_means_nothing_is_refused(call, learner, ungrouped):
    before = contents(learner), contents(ungrouped)
    with pytest.raises(ld.LearnerError) as caught:
        exec(call, {**NAMES, "L": learner, "U": ungrouped})
    message = str(caught.value)
    assert message.endswith((".", "...", "()."))
    assert len(message.split()) > 5
    assert len(message) < 600
    assert (contents(learner), contents(ungrouped)) == before


def test_an_unknown_attribute_is_also_the_usual_error():
    hyperparameters = every_state(parameters("dict")).hyperparameters
    assert not hasattr(hyperparameters, "rate")
    assert getattr(hyperparameters, "rate", None) is None
    with pytest.raises(AttributeError):
        hyperparameters.rate = 0.1


def test_a_group_that_there_is_not_is_also_the_usual_error(ungrouped):
    with pytest.raises(IndexError, match="there are none"):
        _ = ungrouped.groups[0]


def test_setting_an_attribute_of_a_learner_says_what_to_write(learner):
    with pytest.raises(ld.LearnerError, match=r"write learner\.hyperparameters\['lr'\] = 0\.25"):
        learner.lr = 0.25
    with pytest.raises(AttributeError, match="the hyperparameters are: lr, keep"):
        learner.learning_rate = 0.25


def test_a_method_of_a_learner_may_be_wrapped(learner):
    calls, update = [], learner.update
    learner.update = lambda *given: calls.append(given) or update(*given)
    train_once = {name: np.ones_like(array) for name, array in learner.parameters.items()}
    learner.update(train_once)
    assert len(calls) == 1
    assert learner.step_count == 3


# Hyperparameters as attributes and as a dict


def test_a_hyperparameter_is_an_attribute_too(learner):
    learner.hyperparameters.lr = 0.25
    learner.groups[0].keep = 0.5
    assert learner.hyperparameters.lr == learner.hyperparameters["lr"] == 0.25
    assert dict(learner.groups[0]) == {"lr": 0.3, "keep": 0.5}
    assert {"lr", "keep"} <= set(dir(learner.hyperparameters))


def test_update_sets_several_hyperparameters(learner):
    learner.hyperparameters.update({"lr": 0.25}, keep=0.5)
    assert dict(learner.hyperparameters) == {"lr": 0.25, "keep": 0.5}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h))]
)
def test_a_copy_of_hyperparameters_is_a_dict_of_values(copied, learner):
    learner.hyperparameters["lr"] = lambda step: step / 4
    assert copied(learner.hyperparameters) == {"lr": 0.75, "keep": 0.9}


def test_hyperparameters_are_printed_where_a_schedule_has_no_value():
    learner = every_state(parameters("dict"), lr=lambda step: TABLE[step - 1])
    train(learner, range(2))
    assert repr(learner.hyperparameters).startswith("Hyperparameters(lr=<function")


# Schedules without a value


@pytest.mark.parametrize("step", [1, 3])
def test_a_schedule_without_a_value_is_named_with_the_step(step):
    learner = every_state(parameters("dict"))
    learner.hyperparameters["keep"] = ld.Schedule(1 / (ld.step - step))
    train(learner, range(step - 1))
    before = [array.copy() for array in learner.parameters.values()], learner.step_count
    with pytest.raises(ld.HyperparameterError, match=f"'keep' has no value at step {step}:"):
        train(learner, [0])
    np.testing.assert_equal(([*learner.parameters.values()], learner.step_count), before)


def test_an_error_of_the_users_own_function_is_passed_on_and_changes_nothing():
    learner = every_state(parameters("dict"), lr=lambda step: TABLE[step - 1])
    train(learner, range(2))
    before = learner.state_dict()
    with pytest.raises(IndexError):
        train(learner, [2])
    np.testing.assert_equal(learner.state_dict(), before)
