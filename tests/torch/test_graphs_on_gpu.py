"""Steps of optimizers in CUDA graphs, which record what is launched; see test_on_gpu.py."""

import copy
import gc
import weakref

import pytest
import torch
from support.host_device import gpu
from support.torch_models import backward, distance, network, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.transforms import sam

__all__ = ["gpu"]


@ld.rule
def by_axes(p, g, lr=0.1):
    """A norm of the model, and another rate for matrices, which makes variants of the rule."""
    v = ld.state("v")
    rate = lr * 2 if ld.ndim(p) > 1 else lr
    v_new = ld.assign(v, 0.9 * v + g / (1 + ld.norm(g, over="model")))
    return ld.assign(p, p - rate * v_new / ld.sqrt(ld.step))


MADE = {"one engine": (ldt.AdamW, {"lr": 0.01}), "two engines": (by_axes.torch, {"lr": 0.01})}


def captured(gpu, made, arguments):
    """A model, its optimizer after a step, a graph of the next one, and the gradients of it."""
    model = network()
    optimizer = made(model.named_parameters(), capturable=True, **arguments)
    train(model, optimizer, 1)
    with gpu.capture() as graph:
        optimizer.step()
    return model, optimizer, (graph, [p.grad for p in model.parameters()])


def replay(model, captured, k):
    """Compute gradients where the graph reads them, and replay a step."""
    graph, gradients = captured
    other = network()
    other.load_state_dict(model.state_dict())
    backward(other, k)
    for gradient, q in zip(gradients, other.parameters(), strict=True):
        gradient.copy_(q.grad)
    for node in graph:
        node()


def steps_of(optimizer):
    return [float(state["step"]) for state in optimizer.state.values()]


@pytest.mark.parametrize("case", MADE)
def test_replays_are_steps_that_are_counted(case, gpu):
    made, arguments = MADE[case]
    model, optimizer, graph = captured(gpu, made, arguments)
    assert steps_of(optimizer) == [1.0] * 4
    for k in range(1, 4):
        replay(model, graph, k)
        assert steps_of(optimizer) == [k + 1.0] * 4
    saved = copy.deepcopy(optimizer.state_dict())
    assert saved["param_groups"][0]["step_count"] == 4
    train(model, optimizer, 1, first=4)
    replay(model, graph, 5)
    assert steps_of(optimizer) == [6.0] * 4
    other = network()
    with gpu.away():
        judge = made(other.named_parameters(), **arguments)
        train(other, judge, 6)
        assert distance(model, other) < 1e-6
    # A step of other parameters makes all anew, from what the GPU has counted.
    backward(model, 6)
    model[2].bias.grad = None
    optimizer.step()
    assert [float(optimizer.state[p]["step"]) for p in model.parameters()] == [7.0, 7.0, 7.0, 6.0]


def test_a_state_dict_of_replays_continues(gpu):
    model, optimizer, graph = captured(gpu, ldt.AdamW, {"lr": 0.01})
    replay(model, graph, 1)
    other = network()
    other.load_state_dict(model.state_dict())
    again = torch.optim.AdamW(other.parameters(), lr=0.01)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # torch does not copy it
    again.param_groups[0]["capturable"] = False  # torch's is for tensors of a GPU alone
    train(other, again, 1, first=2)
    replay(model, graph, 2)
    assert distance(model, other) < 1e-6


@pytest.mark.parametrize("is_refreshed", [True, False])
def test_a_schedule_follows_replays(is_refreshed, gpu):
    model, optimizer, graph = captured(gpu, ldt.SGD, {"lr": 0.1 / ld.step})
    other = network()
    for k in range(1, 4):
        if is_refreshed:
            before = gpu.waits
            optimizer.refresh()
            assert gpu.waits == before
        replay(model, graph, k)
    train(model, optimizer, 1, first=4)
    with gpu.away():
        for k in range(5):
            # Without a refresh, replays use the rate of the step before the capture.
            rate = 0.1 / (k + 1) if is_refreshed or k == 4 else 0.1
            train(other, torch.optim.SGD(other.parameters(), lr=rate), 1, first=k)
    assert distance(model, other) < 1e-6


def test_a_learning_rate_that_is_set_reaches_replays_by_refresh(gpu):
    model, optimizer, (graph, gradients) = captured(gpu, ldt.SGD, {"lr": 0.1})
    for gradient in gradients:
        gradient.fill_(1.0)
    before = weights(model)
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.refresh()
    for node in graph:
        node()
    torch.testing.assert_close(before - weights(model), torch.full_like(before, 0.5))


def test_a_scaler_leaves_out_replays(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), lr=0.01, capturable=True, fused=True)
    found = optimizer.found_inf = torch.zeros(())
    train(model, optimizer, 1)
    with gpu.capture() as recorded:
        optimizer.step()
    graph = recorded, [p.grad for p in model.parameters()]
    found.fill_(1.0)
    before = weights(model)
    replay(model, graph, 1)
    assert torch.equal(weights(model), before)
    assert steps_of(optimizer) == [1.0] * 4
    found.zero_()
    replay(model, graph, 1)
    assert steps_of(optimizer) == [2.0] * 4


@pytest.mark.parametrize(
    ("made", "arguments", "message"),
    [
        (ldt.AdamW, {"capturable": False}, r"AdamW cannot .* Make it with capturable=True"),
        (ldt.AdaShift, {}, r"AdaShift cannot .*: its states change places"),
        (ld.chain(sam, learners.sgd, name="sam_sgd").torch, {}, "needs several gradients"),
        (ldt.AdamW, {"lr": torch.tensor(0.1)}, r"a tensor on the GPU; .* optimizer\.refresh"),
    ],
    ids=["not capturable", "a ring", "two gradients", "a tensor"],
)
def test_what_only_the_host_can_do_is_refused(made, arguments, message, gpu):
    model = network()
    optimizer = made(model.parameters(), **{"capturable": True, **arguments})
    train(model, optimizer, 2)
    with gpu.capture() as graph, pytest.raises(ld.LearnerError, match=message):
        optimizer.step()
    assert not graph
    train(model, optimizer, 2)


def test_what_has_to_be_made_or_sent_before_a_capture_is_refused(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), capturable=True)
    backward(model, 0)
    message = r"call optimizer\.step\(\) once with gradients of the same parameters"
    with gpu.capture(), pytest.raises(ld.LearnerError, match=message):
        optimizer.step()
    with pytest.raises(ld.LearnerError, match="no step that a graph could replay"):
        optimizer.refresh()
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.5
    message = r"changed since the last step, .* call optimizer\.refresh\(\) before it"
    with gpu.capture(), pytest.raises(ld.LearnerError, match=message):
        optimizer.step()
    optimizer.refresh()
    with gpu.capture() as graph:
        optimizer.step()
    assert graph
    model[0].bias.grad = None
    message = r"call optimizer\.step\(\) once with gradients of the same parameters"
    with gpu.capture(), pytest.raises(ld.LearnerError, match=message):
        optimizer.step()


@pytest.mark.parametrize("how", ["other gradients", "moved", "loaded", "a group more"])
def test_what_a_graph_replays_stays_in_memory(how, gpu):
    model, optimizer, _ = captured(gpu, ldt.AdamW, {"lr": 0.01})
    engine = weakref.ref(optimizer._members[0].engine)
    if how == "moved":
        for p in model.parameters():
            p.data = p.data.clone()
    elif how == "loaded":
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    elif how == "a group more":
        optimizer.add_param_group({"params": [("late", torch.nn.Parameter(torch.ones(2)))]})
    train(model, optimizer, 1)
    model[0].bias.grad = None
    optimizer.step()
    gc.collect()
    assert engine() is not None


def test_a_group_may_ask_for_it_later(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    train(model, optimizer, 2)
    optimizer.param_groups[0]["capturable"] = True
    train(model, optimizer, 1, first=2)
    with gpu.capture() as graph:
        optimizer.step()
    for node in graph:
        node()
    assert steps_of(optimizer) == [4.0] * 4
