"""What a learner does beside computing: reset, what it shows, states, memory, copies, threads."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support import TESTS
from support.small_rules import (
    BACKENDS,
    contents,
    every_state,
    gradients,
    momentum,
    parameters,
    train,
    trained,
)
from support.tiers import slow

import learnerdsl as ld


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


# Reset


def test_reset_makes_a_learner_new_but_for_the_parameters(backend):
    learner = trained(backend, updates=3)
    learner.reset()
    new = every_state({n: a.copy() for n, a in learner.parameters.items()}, backend=backend)
    assert contents(learner) == contents(new)
    train(learner, range(3))
    train(new, range(3))
    assert contents(learner) == contents(new)


def test_reset_starts_states_from_the_parameters_as_they_are(backend):
    learner = momentum([np.ones(3)], backend=backend)
    learner.update([np.ones(3)])
    learner.reset()
    np.testing.assert_array_equal(learner.state[0]["v"], learner.parameters[0])


def test_reset_keeps_hyperparameters(backend):
    learner = trained(backend)
    learner.hyperparameters["lr"] = 0.75
    learner.reset()
    assert learner.hyperparameters["lr"] == 0.75


def test_reset_starts_schedules_anew(backend):
    learner = trained(backend, lr=lambda step: step / 8)
    learner.reset()
    assert learner.hyperparameters["lr"] == 0.125


@ld.rule
def with_start(p, g, lr=0.1, start=1.0):
    """A state that starts from a hyperparameter."""
    v = ld.state("v", init=2 * start * p)
    return ld.assign(p, p - lr * ld.assign(v, v + g))


def test_reset_with_a_schedule_that_fails_changes_nothing(backend):
    settings = {"fails": False}

    def schedule(step):
        return float("nan") if settings["fails"] else 0.1

    learner = with_start([np.ones(2)], backend=backend, start=schedule)
    learner.update([np.ones(2)])
    before = learner.state_dict()
    settings["fails"] = True
    with pytest.raises(ld.HyperparameterError, match="'start' returned nan at step 1"):
        learner.reset()
    settings["fails"] = False
    np.testing.assert_equal(learner.state_dict(), before)


def test_reset_evaluates_a_schedule_only_if_a_state_starts_from_it(backend):
    asked = []
    learner = with_start(
        [np.ones(2)],
        backend=backend,
        lr=lambda step: [0.5, 0.25][step - 1],
        start=lambda step: asked.append(step) or 3.0,
    )
    for _ in range(2):
        learner.update([np.ones(2)])
    asked.clear()
    learner.reset()
    assert asked == [1]
    assert learner.state[0]["v"].tolist() == (6 * learner.parameters[0]).tolist()


# What a learner shows


def test_a_learner_is_printed_with_its_size_and_step(backend):
    learner = trained(backend)
    shown = f"<Learner every_state: 2 parameters, 16 elements, step 2, backend {backend}>"
    assert repr(learner) == shown


def test_auto_is_the_compiled_backend():
    assert "backend cpu" in repr(momentum([np.ones(3)]))


def test_a_rule_is_printed_with_its_arguments():
    assert repr(momentum) == "<rule momentum(lr, mu)>"


def test_parameters_are_the_callers_arrays(backend):
    arrays = parameters("dict")
    learner = every_state(arrays, backend=backend)
    assert list(learner.parameters) == ["w", "b"]
    assert all(learner.parameters[name] is array for name, array in arrays.items())


def test_parameters_of_a_list_have_numbers():
    assert list(every_state(parameters("list")).parameters) == [0, 1]


def test_the_mapping_of_parameters_is_read_only():
    learner = trained("cpu")
    with pytest.raises(TypeError):
        learner.parameters["w"] = np.zeros((3, 4), np.float32)


def test_changing_the_callers_dict_does_not_change_the_learner(backend):
    arrays = parameters("dict")
    learner = every_state(arrays, backend=backend)
    weights = arrays.pop("w")
    arrays["c"] = np.zeros(2)
    train(learner, [0])
    assert learner.parameters["w"] is weights
    assert list(learner.parameters) == ["w", "b"]


def test_an_update_returns_true(backend):
    learner = trained(backend)
    assert learner.update(gradients(learner, 5)) is True


def test_updates_change_the_callers_memory(backend):
    buffer = np.ones(10, np.float32)
    learner = momentum([buffer[2:5], buffer[5:9]], backend=backend)
    learner.update([np.ones(3, np.float32), np.ones(4, np.float32)])
    assert (buffer[[0, 1, 9]] == 1).all()
    assert (buffer[2:9] != 1).all()


def test_gradients_are_not_changed(backend):
    learner = trained(backend)
    drawn = gradients(learner, 5)
    before = copy.deepcopy(drawn)
    learner.update(drawn)
    np.testing.assert_equal(drawn, before)


def test_step_count_counts_updates(backend):
    assert [trained(backend, updates).step_count for updates in (0, 1, 3)] == [0, 1, 3]


# States


def test_states_of_every_shape_can_be_seen(backend):
    learner = trained(backend, updates=0)
    assert learner.state["w"]["m"].shape == (3, 4)
    assert learner.state["w"]["m"].dtype == np.float32
    assert learner.state["b"]["peak"].shape == ()
    assert learner.state["b"]["peak"].dtype == np.float64
    assert learner.model_state == {"energy": 0.0}


def test_states_of_a_tensor_are_its_own(backend):
    learner = every_state(parameters("dict"), backend=backend)
    learner.update({"w": np.full((3, 4), -2, np.float32), "b": np.full(4, 3, np.float32)})
    assert float(learner.state["w"]["peak"]) == 2.0
    assert float(learner.state["b"]["peak"]) == 3.0


def test_a_state_of_the_model_sums_over_all_tensors(backend):
    learner = every_state(parameters("dict"), backend=backend)
    learner.update({"w": np.ones((3, 4), np.float32), "b": np.full(4, 3, np.float32)})
    assert learner.model_state["energy"] == pytest.approx((12 + 4 * 9) / 16, rel=1e-15)


@pytest.mark.parametrize("state", ["m", "peak"])
def test_a_state_is_live_memory_to_read(state, backend):
    learner = trained(backend)
    view = learner.state["w"][state]
    before = view.copy()
    train(learner, [2])
    assert (view != before).any()
    assert view.tobytes() == learner.state["w"][state].tobytes()


@pytest.mark.parametrize(("state", "value"), [("m", 0.25), ("peak", 100.0)])
def test_a_state_is_live_memory_to_write(state, value, backend):
    learner, expected = trained(backend), trained(backend)
    learner.state["w"][state][...] = value
    saved = expected.state_dict()
    saved["state"]["w"][state][...] = value
    expected.load_state_dict(saved)
    train(learner, [2])
    train(expected, [2])
    assert contents(learner) == contents(expected)
    assert contents(learner) != contents(trained(backend, updates=3))


def test_states_of_different_tensors_do_not_share_memory():
    learner = momentum([np.zeros(shape, np.float32) for shape in (3, 1, 5000, 0, 1024, 7)])
    for number, state in enumerate(learner.state.values()):
        state["v"][...] = number
    for number, state in enumerate(learner.state.values()):
        assert (state["v"] == number).all()


# Sizes at the edge


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2)], ids=str)
def test_an_empty_array_is_updated_with_the_others(shape, backend):
    learner = every_state([np.zeros(shape), np.ones(3)], backend=backend)
    alone = every_state([np.ones(3)], backend=backend)
    for _ in range(2):
        learner.update([np.ones(shape), np.ones(3)])
        alone.update([np.ones(3)])
    assert (learner.parameters[1] == alone.parameters[0]).all()
    assert learner.parameters[0].shape == shape
    assert learner.model_state == alone.model_state


def test_a_learner_of_an_empty_array_counts_its_updates(backend):
    learner = momentum([np.zeros((0, 3))], backend=backend)
    assert learner.update([np.zeros((0, 3))]) is True
    assert learner.step_count == 1


def test_a_0d_array_is_one_element(backend):
    learner = every_state([np.array(1.0)], backend=backend)
    same = every_state([np.ones(1)], backend=backend)
    learner.update([np.array(0.5)])
    same.update([np.array([0.5])])
    assert learner.parameters[0].shape == ()
    assert learner.parameters[0] == same.parameters[0][0]


def test_one_parameter_in_a_dict_is_enough(backend):
    learner = momentum({"w": np.ones(3)}, backend=backend)
    assert learner.update({"w": np.ones(3)}) is True


# Copies: a learner is bound to memory, and a copy of its tables would be bound to the same


def test_a_learner_cannot_be_copied(backend):
    with pytest.raises((ld.LearnerError, TypeError), match="state_dict"):
        copy.deepcopy(trained(backend))


def test_a_learner_cannot_be_pickled(backend):
    with pytest.raises((ld.LearnerError, TypeError), match="state_dict"):
        pickle.dumps(trained(backend))


def test_a_traced_rule_can_be_pickled():
    rule = every_state.trace()
    assert pickle.loads(pickle.dumps(rule)) == rule


# Threads


def train_alone(seed, size, updates):
    """Parameters after some updates of a learner of its own."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(size).astype(np.float32)
    learner = momentum([weights], lr=0.01)
    for _ in range(updates):
        learner.update([rng.standard_normal(size).astype(np.float32)])
    return weights.tobytes()


def test_learners_in_threads_give_what_they_give_alone():
    seeds = (1, 2, 3)
    found = {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: train_alone(seed, 300, 100)}))
        for seed in seeds
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: train_alone(seed, 300, 100) for seed in seeds}


LARGE = """
import threading
from learner.test_learner import train_alone

size, found = 100_000, {}
threads = [
    threading.Thread(target=lambda seed=seed: found.update({seed: train_alone(seed, size, 30)}))
    for seed in (1, 2)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(found == {seed: train_alone(seed, size, 30) for seed in (1, 2)})
"""


@pytest.mark.parametrize("layer", ["default", slow("workqueue")])
def test_learners_of_large_arrays_in_threads_give_what_they_give_alone(layer):
    # In a process of its own, as Numba chooses a threading layer once, and one of them aborts the
    # process when two threads use it at once.
    finished = subprocess.run(
        [sys.executable, "-c", LARGE],
        cwd=Path(ld.__file__).parents[1],
        env={
            **os.environ,
            "NUMBA_THREADING_LAYER": layer,
            "NUMBA_NUM_THREADS": "2",
            "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "True\n"
