"""Learners on a device: what is sent when, graphs, groups, checkpoints, gradients of rows."""

import gc
import weakref

import numpy as np
import pytest
from support.ptx_device import device
from support.rules import clipped_adamw_ema, my_rmsprop
from support.small_rules import descent, every_state, gradients, parameters

import learnerdsl as ld
from learnerdsl.learners import adafactor, adam, adamw, sgd
from learnerdsl.transforms import clip_by_global_norm, ema

__all__ = ["device"]


def on(device, arrays):
    """The same arrays on a device, in a dict or a list as they were."""
    if isinstance(arrays, dict):
        return {name: device.array(a) for name, a in arrays.items()}
    return [device.array(a) for a in arrays]


def pair(rule, device, **settings):
    """A learner on the device and one of the oracle, of the same parameters."""
    start = parameters("dict")
    host = {name: array.copy() for name, array in start.items()}
    return rule(on(device, start), **settings), rule(host, backend="numpy", **settings)


def step(learners, seed, device, **arguments):
    """One update of both, with the same gradients."""
    found, oracle = learners
    drawn = gradients(oracle, seed)
    found.update(on(device, drawn), **arguments)
    oracle.update(drawn, **arguments)


def assert_same(found, oracle, tolerance=2e-6):
    """Parameters, states and clock agree."""
    for name, array in oracle.parameters.items():
        got = found.parameters[name].copy_to_host()
        np.testing.assert_allclose(got, array, rtol=tolerance, atol=tolerance)
    mine, theirs = found.state_dict(), oracle.state_dict()
    for name, states in theirs["state"].items():
        for state, array in states.items():
            got = mine["state"][name][state]
            np.testing.assert_allclose(got, array, rtol=tolerance, atol=tolerance)
    for state, value in theirs["model_state"].items():
        np.testing.assert_allclose(mine["model_state"][state], value, rtol=tolerance)
    assert (found.step_count, found.samples) == (oracle.step_count, oracle.samples)


def test_auto_follows_the_arrays(device):
    learner = adam(on(device, parameters("dict")))
    assert "backend cuda" in repr(learner)
    assert learner.threads == device.name
    assert "for CUDA" in learner.source()
    assert "cuda" in learner.source_file
    assert ".entry adam_pass_1" in learner.ptx()


def test_states_of_every_shape_follow_the_oracle(device):
    both = pair(every_state, device)
    for seed in range(3):
        step(both, seed, device, minibatch_size=seed + 2)
    assert_same(*both)


def test_groups_and_schedules_follow_the_oracle(device):
    settings = {
        "lr": ld.schedules.cosine(1e-1, steps=5),
        "groups": [{"params": ["b"], "lr": 0.0, "keep": 0.5}],
    }
    both = pair(every_state, device, **settings)
    before = both[0].parameters["b"].copy_to_host()
    for seed in range(4):
        step(both, seed, device)
    assert_same(*both)
    np.testing.assert_array_equal(both[0].parameters["b"].copy_to_host(), before)
    assert both[0].hyperparameters["lr"] == both[1].hyperparameters["lr"]


def test_a_hyperparameter_set_while_training_counts_from_the_next_update_on(device):
    learner = descent([device.array(np.zeros(5))])
    given = [device.array(np.ones(5))]
    learner.update(given)
    learner.hyperparameters["lr"] = 0.25
    learner.update(given)
    (array,) = learner.parameters.values()
    np.testing.assert_array_equal(array.copy_to_host(), np.full(5, -0.75))


def test_nothing_is_sent_while_nothing_changes(device):
    learner = adam(on(device, parameters("dict")))
    given = on(device, parameters("dict"))
    learner.update(given)
    device.uploads.clear()
    device.launched.clear()
    learner.update(given)
    assert not device.uploads
    assert device.launched == ["begin", "adam_scalars_1", "adam_pass_1"]


def test_new_gradients_send_their_addresses_alone(device):
    learner = adam(on(device, parameters("dict")))
    learner.update(on(device, parameters("dict")))
    device.uploads.clear()
    learner.update(on(device, parameters("dict")))
    assert device.uploads == [learner._engine.at.addresses]


def test_gradients_are_not_held_beyond_the_update(device):
    learner = adam(on(device, parameters("dict")))
    given = on(device, parameters("dict"))
    watched = [weakref.ref(array) for array in given.values()]
    learner.update(given)
    del given
    gc.collect()
    assert [reference() for reference in watched] == [None, None]
    with pytest.raises(ld.ArrayError, match="'w' is None"):
        learner.update({"w": None, "b": None})
    learner.update(on(device, parameters("dict")))
    assert learner.step_count == 2


def test_clipped_adamw_with_an_average_is_two_passes(device):
    both = pair(clipped_adamw_ema, device)
    step(both, 0, device)
    passes = [name for name in device.launched if "_pass_" in name]
    assert passes == ["clipped_adamw_ema_pass_1", "clipped_adamw_ema_pass_2"]
    assert_same(*both)
    chain = ld.chain(clip_by_global_norm, adamw, ema)
    both = pair(chain, device)
    for seed in range(2):
        step(both, seed, device)
    assert_same(*both)


def test_many_tensors_are_one_launch(device):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(k % 7 + 1).astype(np.float32) for k in range(400)]
    given = [rng.standard_normal(p.shape).astype(np.float32) for p in start]
    learner = my_rmsprop(on(device, start))
    device.launched.clear()
    learner.update(on(device, given))
    assert device.launched.count("my_rmsprop_pass_1") == 1
    oracle = my_rmsprop([p.copy() for p in start], backend="numpy")
    oracle.update(given)
    for name, array in oracle.parameters.items():
        got = learner.parameters[name].copy_to_host()
        np.testing.assert_allclose(got, array, rtol=1e-6)


def test_a_captured_update_gives_what_ordinary_ones_give(device):
    start, given = parameters("dict"), parameters("dict")
    ordinary = every_state(on(device, start))
    captured = every_state(on(device, start))
    there = on(device, given)
    for learner in (ordinary, captured):
        learner.update(there, minibatch_size=3)
    with device.capture() as graph:
        # Gradients of a captured step have memory of their own.
        assert captured.update(on(device, given), minibatch_size=3)
    assert captured.step_count == 1
    for _ in range(3):
        ordinary.update(there, minibatch_size=3)
        for node in graph:
            node()
    assert captured.step_count == ordinary.step_count == 4
    assert captured.samples == ordinary.samples == 12
    for name, array in ordinary.parameters.items():
        got = captured.parameters[name].copy_to_host()
        np.testing.assert_array_equal(got, array.copy_to_host())


def test_a_replay_takes_the_gradients_that_it_was_captured_with(device):
    learner = descent([device.array(np.zeros(3))], lr=1.0)
    ones, twos = [device.array(np.ones(3))], [device.array(np.full(3, 2.0))]
    learner.update(ones)
    with device.capture() as graph:
        learner.update(ones)
    learner.update(twos)
    for node in graph:
        node()
    (array,) = learner.parameters.values()
    np.testing.assert_array_equal(array.copy_to_host(), -4.0)


@pytest.mark.parametrize("nonfinite", ["propagate", "raise"])
def test_what_would_wait_is_refused_while_a_graph_is_captured(nonfinite, device):
    learner = descent([device.array(np.zeros(3))], nonfinite=nonfinite)
    given = [device.array(np.ones(3))]
    learner.update(given)
    refused = pytest.raises(ld.LearnerError, match="while a CUDA graph is captured")
    with device.capture(), refused:
        learner.update(given) if nonfinite == "raise" else learner.state_dict()
    assert learner.step_count == 1


def test_skipped_updates_are_skipped_in_replays(device):
    learner = every_state(on(device, parameters("dict")), nonfinite="skip")
    given = on(device, parameters("dict"))
    learner.update(given)
    with device.capture() as graph:
        done = learner.update(given)
    for node in graph:
        node()
    assert done
    spoilt = parameters("dict")["w"]
    spoilt[0, 0] = np.nan
    device.upload(given["w"].address, spoilt, 0)
    before = str(learner.state_dict())
    for node in graph:
        node()
    assert str(learner.state_dict()) == before
    assert learner.step_count == 2


def test_an_ordinary_update_after_a_replay_takes_its_own_gradients(device):
    learner = descent([device.array(np.zeros(3))], lr=1.0)
    ones, twos = [device.array(np.ones(3))], [device.array(np.full(3, 2.0))]
    learner.update(ones)
    with device.capture() as graph:
        learner.update(twos)
    learner.update(ones)
    for node in graph:
        node()
    learner.update(ones)
    (array,) = learner.parameters.values()
    np.testing.assert_array_equal(array.copy_to_host(), -5.0)


def test_schedules_reach_replays_by_refresh(device):
    def schedule(k):
        return 2.0**-k

    learner = descent([device.array(np.zeros(3))], lr=schedule)
    given = [device.array(np.ones(3))]
    learner.update(given)
    with device.capture() as graph:
        learner.update(given)
    (array,) = learner.parameters.values()
    for step_number in (2, 3, 4):
        before = array.copy_to_host()
        learner.refresh()
        for node in graph:
            node()
        np.testing.assert_array_equal(before - array.copy_to_host(), schedule(step_number))
        assert learner.step_count == step_number
    learner.hyperparameters["lr"] = 0.5
    before = array.copy_to_host()
    learner.update(given)
    np.testing.assert_array_equal(before - array.copy_to_host(), 0.5)


@pytest.mark.parametrize("warm_up", [False, True])
def test_a_capture_before_an_update_of_its_kind_is_refused(warm_up, device):
    learner = descent([device.array(np.zeros(3))])
    if warm_up:
        learner.update([device.array(np.ones(3))], minibatch_size=2)
    with device.capture(), pytest.raises(ld.LearnerError, match="Before capturing a CUDA graph"):
        learner.update([device.array(np.ones(3))], minibatch_size=3)
    device.graph = None
    assert learner.step_count == warm_up


def test_refresh_is_for_devices():
    with pytest.raises(ld.LearnerError, match="works on the host"):
        descent([np.zeros(3)]).refresh()


@pytest.mark.parametrize("rule", [every_state, adam, adafactor])
def test_skip_leaves_everything_as_it_was_and_waits_only_when_asked(rule, device):
    learner = rule(on(device, parameters("dict")), nonfinite="skip")
    given = parameters("dict")
    assert learner.update(on(device, given))
    before = learner.state_dict(), learner.parameters["w"].copy_to_host()
    given["w"][1, 2] = np.nan
    done = learner.update(on(device, given))
    assert not done
    assert repr(done) == "False"
    after = learner.state_dict(), learner.parameters["w"].copy_to_host()
    assert str(before) == str(after)
    given["w"][1, 2] = 1.0
    assert learner.update(on(device, given))
    assert learner.step_count == 2


def test_raise_names_the_gradient_and_changes_nothing(device):
    learner = every_state(on(device, parameters("dict")), nonfinite="raise")
    given = parameters("dict")
    given["b"][0] = np.inf
    before = str(learner.state_dict())
    with pytest.raises(ld.NonFiniteError, match="Gradients of 'b' hold NaN"):
        learner.update(on(device, given))
    assert str(learner.state_dict()) == before


def test_an_outcome_that_is_asked_for_too_late_is_unknown(device):
    learner = descent([device.array(np.zeros(1))], nonfinite="skip")
    given = [device.array(np.ones(1))]
    first = learner.update(given)
    for _ in range(256):
        learner.update(given)
    with pytest.raises(ld.LearnerError, match="ask earlier"):
        bool(first)


@pytest.mark.parametrize("rule", [every_state, clipped_adamw_ema, sgd, adafactor])
def test_training_goes_on_bitwise_after_a_checkpoint(rule, device, tmp_path):
    first = rule(on(device, parameters("dict")))
    given = [on(device, gradients(first_host(), seed)) for seed in range(4)]
    for each in given[:2]:
        first.update(each, minibatch_size=5)
    middle = {name: array.copy_to_host() for name, array in first.parameters.items()}
    first.save(tmp_path / "checkpoint")
    for each in given[2:]:
        first.update(each, minibatch_size=5)
    second = rule(on(device, middle))
    second.load(tmp_path / "checkpoint")
    for each in given[2:]:
        second.update(each, minibatch_size=5)
    assert str(first.state_dict()) == str(second.state_dict())
    for name, array in first.parameters.items():
        other = second.parameters[name]
        np.testing.assert_array_equal(other.copy_to_host(), array.copy_to_host())


def first_host():
    """A learner on the host whose parameters give gradients their shapes."""
    return descent(parameters("dict"))


def test_a_checkpoint_of_the_host_goes_on_on_a_device(device):
    host = every_state(parameters("dict"))
    host.update(gradients(host, 0))
    moved = every_state(on(device, dict(host.parameters)))
    moved.load_state_dict(host.state_dict())
    drawn = gradients(host, 1)
    host.update(drawn)
    moved.update(on(device, drawn))
    assert_same(moved, host)


def test_reset_starts_again(device):
    learner = every_state(on(device, parameters("dict")))
    start = str(learner.state_dict())
    learner.update(on(device, parameters("dict")))
    assert str(learner.state_dict()) != start
    learner.reset()
    assert str(learner.state_dict()) == start


def test_gradients_of_rows_touch_those_rows_alone(device):
    rng = np.random.default_rng(3)
    table = rng.standard_normal((50, 6)).astype(np.float32)
    bias = rng.standard_normal(6).astype(np.float32)
    learner = every_state([device.array(table), device.array(bias)])
    oracle = every_state([table.copy(), bias.copy()], backend="numpy")
    rows = np.array([3, 4, 17, 49])
    for _ in range(2):
        values = rng.standard_normal((4, 6)).astype(np.float32)
        whole = rng.standard_normal(6).astype(np.float32)
        learner.update([ld.RowSparse(rows, device.array(values), table.shape), device.array(whole)])
        oracle.update([ld.RowSparse(rows, values, table.shape), whole])
    dense = [rng.standard_normal(a.shape).astype(np.float32) for a in (table, bias)]
    learner.update(on(device, dense))
    oracle.update(dense)
    assert_same(learner, oracle)


def test_a_view_of_a_state_is_the_memory_that_updates_use(device):
    learner = adam(on(device, parameters("dict")))
    learner.update(on(device, parameters("dict")))
    view = learner.state["w"]["m"]
    assert view.__cuda_array_interface__["shape"] == (3, 4)
    np.testing.assert_array_equal(view.copy_to_host(), learner.state_dict()["state"]["w"]["m"])


def test_evaluation_parameters_are_new_arrays_on_the_device(device):
    chain = ld.chain(sgd, ema)
    learner, oracle = pair(chain, device)
    step((learner, oracle), 0, device)
    for name, expected in oracle.evaluation_parameters().items():
        got = learner.evaluation_parameters()[name]
        assert got.address != learner.parameters[name].address
        np.testing.assert_allclose(got.copy_to_host(), expected, rtol=1e-6)
