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
from learnerdsl.runtime.cuda.device import DeviceView
from learnerdsl.runtime.torch_matrices import TorchMatrices
from learnerdsl.transforms import clip_by_global_norm

__all__ = ["gpu"]

CLASSES = {
    "AdamW": {"weight_decay": 0.1},
    "Adam": {"amsgrad": True, "weight_decay": 0.01},
    "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Lion": {"weight_decay": 0.1},
}
ClippedAdamW = ldt.optimizer_class(
    ld.chain(clip_by_global_norm, learners.adamw, name="clipped_adamw")
)


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


@ld.rule
def slowing(p, g, lr=0.1):
    """Steps that get smaller by a state of the model."""
    n = ld.state("n", shape="model")
    n_new = ld.assign(n, n + ld.step)
    return ld.assign(p, p - lr * g / n_new)


RULES = {
    "clip_by_global_norm": (ClippedAdamW, {"max_norm": 0.1}),
    "lamb": (ldt.LAMB, {}),
    "adafactor": (ldt.optimizer_class(learners.adafactor), {}),
    "novograd, a number for each tensor": (ldt.NovoGrad, {}),
    "prodigy, states of the model": (ldt.Prodigy, {}),
    "averages": (ldt.ScheduleFreeAdamW, {}),
    "adashift, a ring": (ldt.AdaShift, {}),
    "8-bit states": (ldt.AdamW, {"states": {"m": "int8", "v": "uint8"}}),
}
QUICK = ("clip_by_global_norm", "adafactor", "prodigy, states of the model", "8-bit states")


@pytest.mark.parametrize("case", [n if n in QUICK else slow(n) for n in RULES])
def test_rules_of_every_kind_do_what_they_do_on_the_cpu(case, gpu):
    made, arguments = RULES[case]
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = made(model.named_parameters(), **arguments)
            train(model, optimizer, 3)
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = made(model.named_parameters(), **arguments)
            optimizer.load_state_dict(saved)
            train(model, optimizer, 2, first=3)
            averages = optimizer.evaluation_parameters()
        ends.append((model, optimizer, [averages[p] for p in model.parameters()]))
    (own, optimizer, averages), (theirs, other, expected) = ends
    start = network()
    assert distance(own, theirs) < 1e-4 * distance(start, theirs) + 1e-7
    for state, wanted in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert {n: (v.shape, v.dtype) for n, v in state.items()} == {
            n: (v.shape, v.dtype) for n, v in wanted.items()
        }
    for average, wanted in zip(averages, expected, strict=True):
        torch.testing.assert_close(average, wanted, rtol=1e-4, atol=1e-6)


def test_a_state_with_a_number_for_each_tensor_takes_what_is_written(gpu):
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ldt.NovoGrad(model.parameters(), lr=0.1)
            train(model, optimizer, 2)
            name = next(
                n for n, v in optimizer.state[model[0].weight].items() if n != "step" and not v.ndim
            )
            optimizer.state[model[0].weight][name] = 3.0
            train(model, optimizer, 2, first=2)
        ends.append((model, float(optimizer.state[model[0].weight][name])))
    assert distance(ends[0][0], ends[1][0]) < 1e-6
    assert ends[0][1] == pytest.approx(ends[1][1], rel=1e-5)


@pytest.mark.parametrize(
    ("dtype", "arguments"),
    [
        (torch.float64, {}),
        (torch.bfloat16, {}),
        (torch.bfloat16, {"states": "bfloat16", "master": "split16"}),
        slow(torch.bfloat16, {"rounding": "stochastic"}),
        slow(torch.float16, {"master": "float32"}),
    ],
    ids=str,
)
def test_number_types(dtype, arguments, gpu):
    ends = []
    for is_away in (False, True):
        model = network(dtype)
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ldt.AdamW(model.parameters(), lr=0.01, **arguments)
            train(model, optimizer, 4)
        ends.append((model, optimizer))
    step = {torch.float64: 1e-12, torch.bfloat16: 5e-3, torch.float16: 1e-3}[dtype]
    assert distance(ends[0][0], ends[1][0]) <= step
    state, wanted = (optimizer.state[model[0].weight] for model, optimizer in ends)
    assert {n: v.dtype for n, v in state.items()} == {n: v.dtype for n, v in wanted.items()}


def test_several_number_types_have_one_norm(gpu):
    ends = []
    for is_away in (False, True):
        first, second = network(), network(torch.float64, seed=2)
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ClippedAdamW([*first.parameters(), *second.parameters()], max_norm=0.1)
            for k in range(3):
                backward(first, k)
                backward(second, k)
                optimizer.step()
        ends.append(torch.cat([weights(first), weights(second)]))
    assert (ends[0] - ends[1]).abs().max() < 1e-6


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(2.0),
        torch.empty(0, 3),
        torch.arange(12.0).reshape(3, 4).T,
        torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.complex(torch.arange(6.0), torch.ones(6)),
    ],
    ids=["0-d", "empty", "transposed", "channels_last", "complex"],
)
def test_layouts(tensor, gpu):
    found = []
    torch.manual_seed(0)
    gradient = torch.randn_like(tensor).contiguous()
    for made in (ldt.AdamW, torch.optim.AdamW):
        other = torch.nn.Parameter(torch.ones(3))
        p = torch.nn.Parameter(tensor.clone())
        optimizer = made([p, other], lr=0.1)
        for _ in range(3):
            p.grad, other.grad = gradient.clone(), torch.ones(3)
            optimizer.step()
        found.append((p.detach(), optimizer.state[p]))
    (own, state), (theirs, expected) = found
    torch.testing.assert_close(own, theirs, rtol=1e-6, atol=1e-6)
    assert own.stride() == tensor.stride()
    for name in ("exp_avg", "exp_avg_sq"):
        torch.testing.assert_close(state[name], expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "gradient",
    [torch.ones(1, 4).expand(3, 4), torch.ones(4, 3).T, torch.ones(3, 4, dtype=torch.bfloat16)],
    ids=["expanded", "transposed", "bfloat16"],
)
def test_unusual_gradients_are_copied(gradient, gpu):
    found = []
    for given in (gradient, torch.ones(3, 4)):
        p = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))
        optimizer = ldt.AdamW([p], lr=0.1)
        for _ in range(2):
            p.grad = given.clone() if given.dtype == p.dtype else None
            if p.grad is None:
                p.grad_dtype = given.dtype
                p.grad = given
            elif given is gradient:
                p.grad = given
            optimizer.step()
        found.append(p.detach())
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_rows_of_a_sparse_gradient_are_updated(gpu):
    found = []
    for is_away in (False, True):
        p = torch.nn.Parameter(torch.arange(12.0).reshape(4, 3))
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ldt.AdamW([p], lr=0.1)
            for rows in ([2, 0], [1]):
                values = torch.arange(3.0 * len(rows)).reshape(-1, 3) + 1
                p.grad = torch.sparse_coo_tensor([rows], values, (4, 3), check_invariants=True)
                optimizer.step()
        found.append(p.detach())
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)
    assert torch.equal(found[0][3], torch.tensor([9.0, 10.0, 11.0]))


def test_states_follow_parameters_to_other_memory(gpu):
    model, other = network(), network()
    optimizer, judge = (
        made(m.parameters()) for made, m in ((ldt.AdamW, model), (torch.optim.AdamW, other))
    )
    train(model, optimizer, 2)
    train(other, judge, 2)
    for p in model.parameters():
        p.data = p.data.clone()
    train(model, optimizer, 2, first=2)
    train(other, judge, 2, first=2)
    assert distance(model, other) < 1e-6


def test_an_optimizer_follows_its_model_to_the_gpu_and_back(gpu):
    model, other = network(), network()
    optimizer, judge = ldt.AdamW(model.parameters()), torch.optim.AdamW(other.parameters())
    gpu.is_there = False
    for k in range(6):
        if k in (2, 4):
            gpu.is_there = not gpu.is_there
            for p in model.parameters():
                p.data = p.data.clone()
        train(model, optimizer, 1, first=k)
        train(other, judge, 1, first=k)
        assert bool(gpu.launched) == (k >= 2)
    assert distance(model, other) < 1e-6


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


def test_rules_with_functions_of_matrices_wait_for_the_scaler(matrices, gpu):
    model = torch.nn.Linear(6, 3, bias=False)
    optimizer = ldt.Muon(model.parameters(), lr=0.1)
    train(model, optimizer, 1)
    before = weights(model)
    optimizer.found_inf = torch.tensor(1.0)
    train(model, optimizer, 1)
    assert torch.equal(weights(model), before)
    assert float(optimizer.state[model.weight]["step"]) == 1.0


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
    torch.testing.assert_close(weights(model), before, rtol=1e-5, atol=1e-6)
    for name, value in optimizer.state[model[0].weight].items():
        torch.testing.assert_close(value, state[name], rtol=1e-4, atol=1e-5)
    train(model, optimizer, 1, first=2)
    assert float(optimizer.state[model[0].weight]["step"]) == 3.0


def in_two_phases(calls):
    """The weights after steps with a closure, which notes its calls."""
    model = network()
    rule = ld.chain(ld.transforms.sam, learners.sgd, name="sam_sgd")
    optimizer = rule.torch(model.parameters(), lr=0.1)

    def closure():
        calls.append(len(calls) // 2)
        return backward(model, calls[-1])

    for _ in range(2):
        optimizer.step(closure)
    return weights(model)


def test_a_rule_with_two_gradients_in_a_step_calls_the_closure_twice(gpu):
    calls = []
    found = in_two_phases(calls)
    assert calls == [0, 0, 1, 1]
    with gpu.away():
        assert (found - in_two_phases([])).abs().max() < 1e-6


def test_autograd_notices_an_update(gpu):
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = ldt.SGD([p], lr=0.1)
    loss = (p * p).sum()
    p.grad = torch.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_learner_has_its_states_in_memory_of_torch_too(gpu):
    p = torch.ones(5)
    learner = learners.adam([p])
    learner.update([torch.ones(5)])
    view = learner.state[0]["m"]
    (owned,) = learner._engine.owned_states()["m"]
    assert view.address == owned.data_ptr()
    np.testing.assert_allclose(view.copy_to_host(), owned.numpy())


def test_missing_gradients_leave_what_a_norm_is_of(gpu):
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ClippedAdamW(model.parameters(), max_norm=0.1)
            for k in range(3):
                backward(model, k)
                model[2].bias.grad = None
                optimizer.step()
        ends.append(model)
    assert distance(*ends) < 1e-6


def test_parameters_with_one_norm_must_have_done_the_same_steps(gpu):
    model = network()
    optimizer = ClippedAdamW(model.parameters(), max_norm=0.1)
    train(model, optimizer, 1)
    backward(model, 1)
    model[2].bias.grad = None
    optimizer.step()
    backward(model, 2)
    before = weights(model)
    message = r"ClippedAdamW .* different numbers of steps \(1 and 2\).* torch\.zeros_like\(p\)"
    with pytest.raises(ld.ArrayError, match=message):
        optimizer.step()
    assert torch.equal(weights(model), before)


def test_a_state_of_the_model_that_depends_on_the_step_needs_all_gradients(gpu):
    model = network()
    optimizer = slowing.torch(model.named_parameters())
    train(model, optimizer, 1)
    backward(model, 1)
    model[2].bias.grad = None
    with pytest.raises(ld.ArrayError, match=r"'2\.bias' is missing or None, but slowing cannot"):
        optimizer.step()


def test_parameters_on_several_devices_are_refused(gpu):
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2))
    gpu.leave(second)
    message = (
        r"Parameters of AdamW are on cpu and the CPU, .* AdamW\(\[p for p in model\.parameters"
    )
    with pytest.raises(ld.ArrayError, match=message):
        ldt.AdamW([first, second])
    optimizer = ldt.AdamW([first])
    with pytest.raises(ld.ArrayError, match=message):
        optimizer.add_param_group({"params": [second]})
    assert len(optimizer.param_groups) == 1
    gpu.on_host.clear()
    optimizer = ldt.AdamW([first, second])
    gpu.leave(second)
    first.grad, second.grad = torch.ones(3), torch.ones(2)
    with pytest.raises(ld.ArrayError, match=message):
        optimizer.step()


def test_other_accelerators_are_refused(gpu, monkeypatch):
    p = torch.nn.Parameter(torch.ones(3))
    monkeypatch.setattr(torch.version, "hip", "6.0")
    with pytest.raises(ld.ArrayError, match=r"device cpu, of AMD, but .* CPU and on NVIDIA GPUs"):
        ldt.AdamW([p])


def test_a_graph_of_a_step_is_refused(gpu):
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    train(model, optimizer, 1)
    backward(model, 1)
    gpu.captures = True
    launched = len(gpu.launched)
    with pytest.raises(ld.LearnerError, match=r"AdamW cannot be part of a CUDA graph, .* replay"):
        optimizer.step()
    assert len(gpu.launched) == launched


def test_tensors_with_gaps_are_refused(gpu):
    p = torch.nn.Parameter(torch.ones(4, 4)[:, :2])
    with pytest.raises(ld.ArrayError, match="has gaps in memory"):
        ldt.AdamW([p])


def test_parts_of_tensors_are_refused(gpu, monkeypatch):
    p = torch.nn.Parameter(torch.ones(3))
    p.device_mesh = None  # as a DTensor has one
    message = r"Parameter 0 is a DTensor on a GPU, but .* on GPUs use DistributedDataParallel"
    with pytest.raises(ld.ArrayError, match=message):
        ldt.AdamW([p])


@pytest.fixture
def matrices(monkeypatch):
    """Functions of matrices take tensors of the host for those of a GPU."""
    plain = TorchMatrices.array

    def array(self, view):
        is_view = isinstance(view, DeviceView)
        return plain(self, torch.from_numpy(view.in_simulator()) if is_view else view)

    monkeypatch.setattr(TorchMatrices, "array", array)
    monkeypatch.setattr(TorchMatrices, "on_stream", lambda self, stream: torch.no_grad())


@pytest.mark.usefixtures("matrices")
@pytest.mark.parametrize("products", ["bfloat16", slow("full")])
def test_functions_of_matrices_run_in_torch(products, gpu):
    ends = []
    for is_away in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Linear(6, 3, bias=False)
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ldt.Muon(model.parameters(), lr=0.1, products=products)
            train(model, optimizer, 3)
        ends.append((model, optimizer.state[model.weight]["momentum_buffer"]))
    assert distance(ends[0][0], ends[1][0]) < (1e-2 if products == "bfloat16" else 1e-5)
    torch.testing.assert_close(ends[0][1], ends[1][1], rtol=1e-2, atol=1e-2)


@pytest.mark.usefixtures("matrices")
def test_several_rules_in_one_optimizer(gpu):
    rules = {"muon": learners.muon, "adamw": learners.adamw}
    made = ldt.optimizer_class(rules, choose=lambda name, p: "muon" if p.ndim == 2 else "adamw")
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = made(model.named_parameters(), lr=0.01, products="full")
            train(model, optimizer, 3)
        ends.append(model)
    assert distance(*ends) < 1e-5
