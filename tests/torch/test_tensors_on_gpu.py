"""Which tensors optimizers take on a GPU, and which they refuse; see test_on_gpu.py."""

import pytest
import torch
from support.host_device import gpu
from support.tiers import slow
from support.torch_layouts import LAYOUTS
from support.torch_models import backward, distance, network, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.transforms import clip_by_global_norm

__all__ = ["gpu"]

ClippedAdamW = ldt.optimizer_class(
    ld.chain(clip_by_global_norm, learners.adamw, name="clipped_adamw")
)


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


@pytest.mark.parametrize("tensor", LAYOUTS.values(), ids=LAYOUTS)
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


def test_autograd_notices_an_update(gpu):
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = ldt.SGD([p], lr=0.1)
    loss = (p * p).sum()
    p.grad = torch.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


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


def test_tensors_with_gaps_are_refused(gpu):
    p = torch.nn.Parameter(torch.ones(4, 4)[:, :2])
    with pytest.raises(ld.ArrayError, match="has gaps in memory"):
        ldt.AdamW([p])
