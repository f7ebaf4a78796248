"""Optimizers of torch on a GPU, beside those of torch; skipped without one."""

import copy
import functools

import pytest
from gpu.devices import DEVICE, MARKS, SLEEP
from support.rules import clipped_adamw_ema

import learnerdsl as ld

pytestmark = MARKS

SHAPES = ((130, 129), (7, 5), (), (0, 3), (100_003,))
STEPS = 6
CLASSES = {
    "AdamW": {"weight_decay": 0.1, "fused": True},
    "Adam": {"amsgrad": True, "fused": True},
    "SGD": {"momentum": 0.9, "nesterov": True, "fused": True},
    "RMSprop": {},
    "NAdam": {},
}


@pytest.fixture
def ldt(torch):
    """The classes of this package; they need torch."""
    return pytest.importorskip("learnerdsl.torch")


def parameters(torch, dtype=None, seed=0):
    """Parameters on the GPU, always with the same values."""
    generator = torch.Generator(DEVICE).manual_seed(seed)
    values = [torch.randn(shape, generator=generator, device=DEVICE) for shape in SHAPES]
    return [torch.nn.Parameter(value.to(dtype or torch.float32)) for value in values]


def give(torch, params, k):
    """Give parameters the gradients of step `k`."""
    generator = torch.Generator(DEVICE).manual_seed(100 + k)
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator, device=DEVICE).to(p.dtype)


def train(torch, params, optimizer, steps=range(STEPS)):
    """Do some steps, whose learning rate changes."""
    for k in steps:
        give(torch, params, k)
        optimizer.param_groups[0]["lr"] = 0.01 / (1 + k)
        optimizer.step()


def assert_equal(torch, own, theirs, rtol=1e-5, atol=1e-6):
    for p, q in zip(own, theirs, strict=True):
        torch.testing.assert_close(p.detach(), q.detach(), rtol=rtol, atol=atol)


def assert_follows_the_cpu(torch, own, make, rtol=1e-5, atol=1e-6):
    """Train beside copies on the CPU, which must end alike; return the optimizer of the GPU.

    Both round in float32, in another order; `rtol` and `atol` are wider where errors grow.
    """
    theirs = [torch.nn.Parameter(p.detach().cpu()) for p in own]
    optimizer, judge = make(own), make(theirs)
    for k in range(STEPS):
        give(torch, own, k)
        for p, q in zip(own, theirs, strict=True):
            q.grad = p.grad.cpu()
        optimizer.step()
        judge.step()
    assert_equal(torch, [p.cpu() for p in own], theirs, rtol, atol)
    return optimizer


@pytest.mark.parametrize("name", CLASSES)
def test_steps_are_those_of_torch(name, torch, ldt):
    own, theirs = parameters(torch), parameters(torch)
    optimizer = getattr(ldt, name)(own, **CLASSES[name])
    judge = getattr(torch.optim, name)(theirs, **CLASSES[name])
    train(torch, own, optimizer)
    train(torch, theirs, judge)
    assert_equal(torch, own, theirs)
    for p, q in zip(own, theirs, strict=True):
        for key, value in judge.state[q].items():
            found = optimizer.state[p][key]
            if key != "step" and torch.is_tensor(value) and value.ndim:
                assert found.device == p.device
                torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-6)
    # Each continues from the other's state dict.
    ours, given = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(judge.state_dict())
    optimizer.load_state_dict(given)
    judge.load_state_dict(ours)
    train(torch, own, optimizer, range(STEPS, STEPS + 3))
    train(torch, theirs, judge, range(STEPS, STEPS + 3))
    assert_equal(torch, own, theirs)


@pytest.mark.parametrize("kind", ["float64", "bfloat16", "float16"])
def test_number_types(kind, torch, ldt):
    dtype = getattr(torch, kind)
    # About one in the last digit of each type.
    rtol = {"float64": 1e-12, "bfloat16": 1e-2, "float16": 1e-3}[kind]
    own = parameters(torch, dtype)
    optimizer = assert_follows_the_cpu(torch, own, lambda ps: ldt.AdamW(ps, lr=0.01), rtol, rtol)
    wide = torch.float64 if kind == "float64" else torch.float32
    assert optimizer.state[own[0]]["exp_avg"].dtype == wide


def test_missing_gradients_are_left_out(torch, ldt):
    own, theirs = parameters(torch), parameters(torch)
    pair = (own, ldt.AdamW(own, lr=0.01)), (theirs, torch.optim.AdamW(theirs, lr=0.01))
    for k in range(STEPS):
        for params, optimizer in pair:
            give(torch, params, k)
            if k in (1, 3):
                params[1].grad = None
            optimizer.step()
    assert_equal(torch, own, theirs)
    steps = [[float(optimizer.state[p]["step"]) for p in params] for params, optimizer in pair]
    assert steps[0] == steps[1]


def test_sets_of_gradients_that_come_back_wait_for_nothing(torch, ldt):
    own, theirs = parameters(torch), parameters(torch)
    pair = (own, ldt.AdamW(own, lr=0.01)), (theirs, torch.optim.AdamW(theirs, lr=0.01))
    for k in range(STEPS):
        for params, optimizer in pair:
            give(torch, params, k)
            for p in params[:2] if k % 2 else params[2:]:
                p.grad = None
            is_back = params is own and k > 1
            torch.cuda.set_sync_debug_mode("error" if is_back else "default")
            optimizer.step()
            torch.cuda.set_sync_debug_mode("default")
    assert_equal(torch, own, theirs)


def test_no_step_waits(torch, ldt):
    own = parameters(torch)
    optimizer = ldt.optimizer_class(clipped_adamw_ema)(own, lr=0.01)
    train(torch, own, optimizer, range(2))
    give(torch, own, 2)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        torch.cuda._sleep(SLEEP)
        optimizer.step()
        assert not torch.cuda.current_stream().query()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()


def test_steps_run_on_the_current_stream(torch, ldt):
    own, theirs = parameters(torch), parameters(torch)
    optimizer, judge = ldt.AdamW(own, lr=0.01), torch.optim.AdamW(theirs, lr=0.01)
    stream = torch.cuda.Stream()
    for k in range(STEPS):
        give(torch, theirs, k)
        judge.step()
        values = [q.grad.clone() for q in theirs]
        for p in own:
            p.grad = torch.full_like(p, float("nan"))
        torch.cuda.synchronize()
        with torch.cuda.stream(stream if k % 2 else None):
            torch.cuda._sleep(SLEEP)
            for p, value in zip(own, values, strict=True):
                p.grad.copy_(value)
            optimizer.step()
        torch.cuda.synchronize()
    assert_equal(torch, own, theirs)


@pytest.mark.parametrize("fused", [True, None])
def test_a_scaler_leaves_out_infinite_gradients(fused, torch, ldt):
    ends = []
    for made in (ldt.AdamW, torch.optim.AdamW):
        params = parameters(torch)
        optimizer = made(params, lr=0.01, fused=fused)
        scaler = torch.amp.GradScaler(DEVICE, init_scale=1024.0, growth_interval=3)
        scaler.scale(torch.ones((), device=DEVICE))
        for k in range(STEPS):
            give(torch, params, k)
            for p in params:
                p.grad *= scaler.get_scale()
            if k in (1, 4):
                params[0].grad[0, 0] = float("inf")
            scaler.step(optimizer)
            scaler.update()
        steps = [float(optimizer.state[p]["step"]) for p in params]
        ends.append((params, steps, scaler.get_scale()))
    assert_equal(torch, ends[0][0], ends[1][0])
    assert ends[0][1:] == ends[1][1:]


def test_rules_with_one_norm_follow_the_cpu(torch, ldt):
    rule = ld.chain(ld.transforms.clip_by_global_norm, ld.learners.lamb, name="clipped_lamb")
    own = parameters(torch)
    assert_follows_the_cpu(torch, own, lambda ps: rule.torch(ps, lr=0.01, max_norm=0.5))


def test_functions_of_matrices_follow_the_cpu(torch, ldt):
    own = [p for p in parameters(torch) if p.ndim == 2 and p.numel()]
    # Newton-Schulz raises rounding errors by up to 3.4445**5 = 485.
    make = functools.partial(ldt.Muon, lr=0.01, products="full")
    assert_follows_the_cpu(torch, own, make, 1e-3, 1e-4)


def test_rows_of_sparse_gradients(torch, ldt):
    p = torch.nn.Parameter(torch.zeros(5, 3, device=DEVICE))
    optimizer = ldt.SGD([p], lr=0.5)
    values = torch.ones(2, 3, device=DEVICE)
    rows = torch.tensor([[3, 1]], device=DEVICE)
    p.grad = torch.sparse_coo_tensor(rows, values, (5, 3), check_invariants=True)
    optimizer.step()
    assert p.sum(1).tolist() == [0.0, -1.5, 0.0, -1.5, 0.0]


def test_states_are_in_memory_that_torch_has_allocated(torch, ldt):
    p = torch.nn.Parameter(torch.zeros(1 << 20, device=DEVICE))
    before = torch.cuda.memory_allocated()
    optimizer = ldt.AdamW([p])
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert torch.cuda.memory_allocated() - before >= 3 * p.nbytes
    assert optimizer.state[p]["exp_avg"].device == p.device


def test_parameters_on_two_devices_are_refused(torch, ldt):
    own = [torch.nn.Parameter(torch.ones(3, device=device)) for device in (DEVICE, "cpu")]
    with pytest.raises(ld.ArrayError, match="are on cuda:0 and the CPU"):
        ldt.AdamW(own)


def test_a_graph_of_a_step_is_refused(torch, ldt):
    own = parameters(torch)
    optimizer = ldt.AdamW(own)
    train(torch, own, optimizer, range(1))
    graph = torch.cuda.CUDAGraph()
    with (
        pytest.raises(ld.LearnerError, match="Make it with capturable=True"),
        torch.cuda.graph(graph),
    ):
        optimizer.step()


def test_a_graph_of_a_step_is_replayed_and_counted(torch, ldt):
    own, theirs = parameters(torch), parameters(torch)
    optimizer = ldt.AdamW(own, lr=0.01, capturable=True)
    judge = torch.optim.AdamW(theirs, lr=0.01)
    for params, one in ((own, optimizer), (theirs, judge)):
        give(torch, params, 0)
        one.step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    gradients = [p.grad for p in own]
    for k in range(1, STEPS):
        give(torch, theirs, k)
        for gradient, q in zip(gradients, theirs, strict=True):
            gradient.copy_(q.grad)
        optimizer.param_groups[0]["lr"] = judge.param_groups[0]["lr"] = 0.01 / k
        optimizer.refresh()
        graph.replay()
        judge.step()
    assert_equal(torch, own, theirs)
    assert [float(optimizer.state[p]["step"]) for p in own] == [STEPS] * len(own)
    assert optimizer.state_dict()["param_groups"][0]["step_count"] == STEPS


def test_an_optimizer_follows_its_model_to_the_gpu(torch, ldt):
    own, theirs = torch.nn.Linear(5, 4), torch.nn.Linear(5, 4)
    theirs.load_state_dict(own.state_dict())
    optimizer, judge = ldt.AdamW(own.parameters()), torch.optim.AdamW(theirs.parameters())
    for k in range(4):
        if k == 2:
            own.to(DEVICE)
        for p, q in zip(own.parameters(), theirs.parameters(), strict=True):
            q.grad = torch.randn(q.shape)
            p.grad = q.grad.to(p.device)
        optimizer.step()
        judge.step()
    assert_equal(torch, [p.cpu() for p in own.parameters()], list(theirs.parameters()))
    assert optimizer.state[own.weight]["exp_avg"].is_cuda
