"""Optimizers of parameters on a GPU: PTX runs on tensors of the host that stand for them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from support.host_device import gpu
from support.tiers import slow
from support.torch_models import backward, distance, network, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners

__all__ = ["gpu"]

CLASSES = {
    "AdamW": {"weight_decay": 0.1},
    "Adam": {"amsgrad": True, "weight_decay": 0.01},
    "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Lion": {"weight_decay": 0.1},
}


def worked(optimizer_class, arguments):
    """The weights, and the optimizer, after all that people do with one."""
    model, late = network(), torch.nn.Parameter(torch.arange(4.0))
    optimizer = optimizer_class(model.parameters(), lr=0.02, **arguments)
    for k in range(7):
        backward(model, k)
        optimizer.param_groups[0]["lr"] = 0.02 / (1 + k)
        if k in (2, 4):
            model[2].bias.grad = None
        if k == 3:
            optimizer.add_param_group({"params": [late], "lr": 0.5})
        if k >= 3:
            late.grad = torch.ones(4) * k
        if k == 5:
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = optimizer_class([{"params": model.parameters()}, {"params": [late]}])
            optimizer.load_state_dict(saved)
        optimizer.step()
    return torch.cat([weights(model), late.detach().double()]), optimizer


@pytest.mark.parametrize("name", ["AdamW", "SGD", *map(slow, ["Adam", "Lion"])])
def test_training_is_that_of_torch_and_of_the_cpu(name, gpu):
    found, optimizer = worked(getattr(ldt, name), CLASSES[name])
    assert gpu.launched
    with gpu.away():
        expected, other = worked(getattr(ldt, name), CLASSES[name])
    assert (found - expected).abs().max() < 1e-6
    if hasattr(torch.optim, name):
        judge, theirs = worked(getattr(torch.optim, name), CLASSES[name])
        assert (found - judge).abs().max() < 2e-6
        known = theirs.state_dict()["state"]
        for k, state in optimizer.state_dict()["state"].items():
            assert float(state["step"]) == float(known[k].get("step", state["step"]))
    for own, wanted in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert own.keys() == wanted.keys()
        for key, value in own.items():
            torch.testing.assert_close(value, wanted[key], rtol=1e-5, atol=1e-6)
    steps = [float(state["step"]) for state in optimizer.state.values()]
    assert steps == [7.0, 7.0, 7.0, 5.0, 4.0]
    assert optimizer.state_dict()["param_groups"][0]["step_count"] == 7


def test_a_step_waits_for_nothing_and_uses_the_stream_of_torch(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    train(model, optimizer, 1)
    before, gpu.stream, gpu.streams = gpu.waits, 11, []
    train(model, optimizer, 3, first=1)
    optimizer.param_groups[0]["lr"] = 0.5
    train(model, optimizer, 1, first=4)
    assert gpu.waits == before
    assert gpu.launched[-3:] == ["begin", "adam_scalars_1", "adam_pass_1"]
    assert set(gpu.streams) == {11}
    assert [float(state["step"]) for state in optimizer.state.values()] == [5.0] * 4


def test_addresses_of_gradients_are_read_in_one_call(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    train(model, optimizer, 2)
    (members,) = optimizer._members
    read = members.reader.read([p.grad for p in model.parameters()])
    assert read.values.tolist() == [p.grad.data_ptr() for p in model.parameters()]


def test_states_are_tensors_of_torch_whose_memory_updates_use(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), lr=0.1, betas=(0.5, 0.999))
    assert len(optimizer.state) == 0
    train(model, optimizer, 1)
    state = optimizer.state[model[0].weight]
    average = state["exp_avg"]
    assert type(average) is torch.Tensor
    assert average.dtype == torch.float32
    assert average.untyped_storage().nbytes() == 4 * average.numel()
    engine = optimizer._members[0].engine
    assert engine.places[0]["m"][0] == average.data_ptr()
    model[0].weight.grad.zero_()
    average.fill_(8.0)
    optimizer.step()
    torch.testing.assert_close(average, torch.full_like(average, 4.0))
    state["exp_avg"] = torch.full_like(average, 2.0)
    optimizer.step()
    assert optimizer.state[model[0].weight]["exp_avg"] is average
    torch.testing.assert_close(average, torch.ones_like(average))


def test_a_step_that_is_written_counts(gpu):
    ends = []
    for place in (None, gpu.away):
        model = network()
        optimizer = ldt.AdamW(model.parameters(), lr=0.1)
        with place() if place else torch.enable_grad():
            train(model, optimizer, 2)
            optimizer.state[model[0].weight]["step"].fill_(9.0)
            train(model, optimizer, 2)
        ends.append((model, [float(s["step"]) for s in optimizer.state.values()]))
    assert distance(ends[0][0], ends[1][0]) < 1e-6
    assert ends[0][1] == ends[1][1] == [11.0, 4.0, 4.0, 4.0]


def test_a_schedule_counts_the_updates_of_the_optimizer(gpu):
    ends = []
    for place in (None, gpu.away):
        model = network()
        optimizer = ldt.SGD(model.parameters(), lr=0.1 / ld.step)
        with place() if place else torch.enable_grad():
            for k in range(5):
                backward(model, k)
                if k in (1, 2):
                    model[0].weight.grad = None
                optimizer.step()
        ends.append(model)
    assert distance(*ends) < 1e-6


def test_training_continues_from_a_checkpoint_of_torch_and_back(gpu):
    own, theirs = network(), network()
    judge = torch.optim.AdamW(theirs.parameters(), lr=0.01)
    train(theirs, judge, 4)
    own.load_state_dict(theirs.state_dict())
    optimizer = ldt.AdamW(own.parameters())
    optimizer.load_state_dict(judge.state_dict())
    train(own, optimizer, 3, first=4)
    train(theirs, judge, 3, first=4)
    assert distance(own, theirs) < 1e-6
    again = torch.optim.AdamW(own.parameters())
    again.load_state_dict(optimizer.state_dict())
    train(own, again, 2, first=7)
    train(theirs, judge, 2, first=7)
    assert distance(own, theirs) < 1e-6


@pytest.mark.parametrize("how", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_continue(how, gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), lr=0.01)
    train(model, optimizer, 2)
    other = how(optimizer)
    twins = [p for group in other.param_groups for p in group["params"]]
    train(model, optimizer, 1, first=2)
    for p, twin in zip(model.parameters(), twins, strict=True):
        twin.grad = p.grad.clone()
    other.step()
    for p, twin in zip(model.parameters(), twins, strict=True):
        torch.testing.assert_close(p, twin, rtol=0, atol=0)
        assert float(other.state[twin]["step"]) == 3.0


@ld.rule
def by_axes(p, g, lr=0.1):
    """A norm of the model, and another rate for matrices, which makes variants of the rule."""
    v = ld.state("v")
    rate = lr * 2 if ld.ndim(p) > 1 else lr
    v_new = ld.assign(v, 0.9 * v + g / (1 + ld.norm(g, over="model")))
    return ld.assign(p, p - rate * v_new / ld.sqrt(ld.step))


def test_a_scaler_leaves_out_infinite_gradients(gpu):
    ends = []
    for made in (ldt.AdamW, torch.optim.AdamW):
        model = network()
        optimizer = made(model.parameters(), lr=0.01, fused=True)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
        for k in range(5):
            backward(model, k)
            for p in model.parameters():
                p.grad *= scaler.scale(torch.ones(()))
            if k in (1, 3):
                model[2].bias.grad[1] = float("inf")
            scaler.step(optimizer)
            scaler.update()
        ends.append(
            (model, [float(s["step"]) for s in optimizer.state.values()], scaler.get_scale())
        )
    assert distance(ends[0][0], ends[1][0]) < 1e-6
    assert ends[0][1:] == ends[1][1:]
    assert ends[0][1] == [3.0] * 4


@pytest.mark.parametrize("made", [ldt.AdamW, by_axes.torch], ids=["one engine", "two engines"])
def test_the_gpu_leaves_out_an_update_while_the_host_goes_on(made, gpu):
    model, other = network(), network()
    optimizer, judge = (made(m.named_parameters(), lr=0.01) for m in (model, other))
    train(model, optimizer, 2)
    for k, found in enumerate((0.0, 1.0, 0.0, 1.0, None)):
        backward(model, 2 + k)
        optimizer.found_inf = None if found is None else torch.tensor(found)
        optimizer.grad_scale = torch.tensor(4.0)
        for p in model.parameters():
            p.grad *= 4
        before = gpu.waits
        optimizer.step()
        assert gpu.waits == before or k == 0
    with gpu.away():
        train(other, judge, 3)
        train(other, judge, 1, first=4)
        train(other, judge, 1, first=6)
    assert distance(model, other) < 1e-6
    assert [float(s["step"]) for s in optimizer.state.values()] == [5.0] * 4
    saved = copy.deepcopy(optimizer.state_dict())
    assert saved["param_groups"][0]["step_count"] == 5
    # Steps go on from there, also those of which gradients are missing.
    backward(model, 7)
    model[0].bias.grad = None
    optimizer.found_inf = optimizer.grad_scale = None
    optimizer.step()
    steps = [float(optimizer.state[p]["step"]) for p in model.parameters()]
    assert steps == [6.0, 5.0, 6.0, 6.0]


def test_updates_with_nan_are_skipped_and_not_counted(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), nonfinite="skip")
    before = weights(model)
    backward(model, 0)
    model[0].weight.grad[0, 0] = float("nan")
    optimizer.step()
    assert torch.equal(weights(model), before)
    assert [float(s["step"]) for s in optimizer.state.values()] == [0.0] * 4
    train(model, optimizer, 1)
    assert [float(s["step"]) for s in optimizer.state.values()] == [1.0] * 4
    optimizer = ldt.AdamW(model.named_parameters(), nonfinite="raise")
    backward(model, 0)
    model[0].weight.grad[0, 0] = float("nan")
    with pytest.raises(ld.NonFiniteError, match=r"'0\.weight' hold NaN"):
        optimizer.step()


def test_a_step_is_taken_back(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), lr=0.01)
    train(model, optimizer, 2)
    before, state = weights(model), copy.deepcopy(dict(optimizer.state[model[0].weight]))
    train(model, optimizer, 1, first=2)
    optimizer.undo()
    # The inverse rounds as well, and its subtractions lose digits.
    torch.testing.assert_close(weights(model), before, rtol=1e-5, atol=1e-6)
    for name, value in optimizer.state[model[0].weight].items():
        torch.testing.assert_close(value, state[name], rtol=1e-4, atol=1e-5)
    train(model, optimizer, 1, first=2)
    assert float(optimizer.state[model[0].weight]["step"]) == 3.0


def test_a_learner_has_its_states_in_memory_of_torch_too(gpu):
    p = torch.ones(5)
    learner = learners.adam([p])
    learner.update([torch.ones(5)])
    view = learner.state[0]["m"]
    (owned,) = learner._engine.owned_states()["m"]
    assert view.address == owned.data_ptr()
    np.testing.assert_allclose(view.copy_to_host(), owned.numpy())


def test_states_that_are_asked_for_before_there_are_gradients_begin_at_zero(gpu):
    model, other = network(), network()
    optimizer, judge = ldt.AdamW(model.parameters()), torch.optim.AdamW(other.parameters())
    assert bool(optimizer.state)
    assert len(optimizer.state) == 4
    assert not optimizer.state[model[0].bias]["exp_avg"].any()
    for k in range(3):
        for trained, own in ((model, optimizer), (other, judge)):
            backward(trained, k)
            trained[0].bias.grad = None if k == 0 else trained[0].bias.grad
            own.step()
    assert distance(model, other) < 1e-6
    assert float(optimizer.state[model[0].bias]["step"]) == 2.0


def test_what_does_not_fit_begins_anew(gpu):
    model = network()
    optimizer = ldt.AdamW(model.named_parameters())
    train(model, optimizer, 2)
    saved = optimizer.state_dict()
    saved["state"][1]["exp_avg"] = torch.zeros(7)
    other = network()
    again = ldt.AdamW(other.named_parameters())
    with pytest.raises(ld.CheckpointError, match=r"'0\.bias' has shape \(7,"):
        again.load_state_dict(saved)
    assert list(again.load_state_dict(saved, strict=False).misfits) == ["0.bias"]
    steps = [again.state[p].get("step", 0) for p in other.parameters()]
    assert list(map(float, steps)) == [2.0, 0.0, 2.0, 2.0]
    train(other, again, 1, first=2)
    assert [float(again.state[p]["step"]) for p in other.parameters()] == [3.0, 1.0, 3.0, 3.0]
