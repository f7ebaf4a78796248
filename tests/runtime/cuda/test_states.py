"""States and parameters in the memory of a device: written, saved and loaded in place."""

import numpy as np
import pytest
from support.ptx_device import device
from support.small_rules import every_state, gradients, parameters
from tracing.test_rings import delayed_by_shape

import learnerdsl as ld

__all__ = ["device"]


def device_learner(device, updates=2):
    params = {name: device.array(a) for name, a in parameters("dict").items()}
    learner = every_state(params)
    for seed in range(updates):
        drawn = gradients(every_state(parameters("dict")), seed)
        learner.update({name: device.array(g) for name, g in drawn.items()})
    return learner


def values(learner):
    return {name: np.array(p.copy_to_host()) for name, p in learner.parameters.items()}


@pytest.mark.parametrize(("state", "value"), [("m", 0.25), ("peak", 3.0)])
def test_a_state_takes_the_value_that_it_is_set_to(state, value, device):
    learner = device_learner(device)
    expected = learner.state_dict()
    learner.state["w"][state] = value
    expected["state"]["w"][state][...] = value
    np.testing.assert_equal(learner.state_dict(), expected)


def test_a_state_of_the_model_takes_the_value_that_it_is_set_to(device):
    learner = device_learner(device)
    expected = learner.state_dict()
    learner.model_state["energy"] = 4.0
    expected["model_state"]["energy"] = 4.0
    np.testing.assert_equal(learner.state_dict(), expected)


def test_what_is_written_into_a_copy_is_not_lost_in_silence(device):
    learner = device_learner(device)
    with pytest.raises(ValueError, match="read-only"):
        learner.state["w"]["peak"][...] = 3.0


def test_parameters_are_saved_and_loaded_in_place(device, tmp_path):
    first, second = device_learner(device), device_learner(device, 1)
    first.save(tmp_path / "learner", parameters=True)
    second.load(tmp_path / "learner", parameters=True)
    np.testing.assert_equal(values(second), values(first))
    np.testing.assert_equal(second.state_dict(), first.state_dict())


def test_what_interrupts_loading_undoes_it(device, tmp_path, monkeypatch):
    first, second = device_learner(device), device_learner(device, 1)
    first.save(tmp_path / "learner", parameters=True)
    before, arrays = second.state_dict(), values(second)
    real, calls = second._backend.write_parameters, []

    def interrupted(given):
        calls.append(real(given))
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(second._backend, "write_parameters", interrupted)
    with pytest.raises(KeyboardInterrupt):
        second.load(tmp_path / "learner", parameters=True)
    np.testing.assert_equal(second.state_dict(), before)
    np.testing.assert_equal(values(second), arrays)


def test_rings_of_variants_of_a_rule_are_those_of_the_host(device):
    shapes = [(2,), (2, 2)]
    host = delayed_by_shape([np.ones(shape) for shape in shapes])
    learner = delayed_by_shape([device.array(np.ones(shape)) for shape in shapes])
    for t in range(5):
        drawn = [np.full(shape, float(t)) for shape in shapes]
        host.update(drawn)
        learner.update([device.array(g) for g in drawn])
    np.testing.assert_equal(learner.state_dict()["state"], host.state_dict()["state"])
    second = delayed_by_shape([device.array(np.ones(shape)) for shape in shapes])
    second.load_state_dict(host.state_dict())
    np.testing.assert_equal(second.state_dict(), host.state_dict())


def test_a_state_may_be_set_to_an_array_of_the_device(device):
    learner = device_learner(device)
    learner.state["w"]["m"] = device.array(np.full((3, 4), 0.5, np.float32))
    assert (learner.state["w"]["m"].copy_to_host() == 0.5).all()
    with pytest.raises(ld.ArrayError, match=r"has shape \(3, 4\)"):
        learner.state["w"]["m"] = device.array(np.zeros(3, np.float32))
