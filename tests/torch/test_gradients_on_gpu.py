"""Optimizers on a GPU whose parameters do not all have gradients; see test_on_gpu.py."""

import pytest
import torch
from support.host_device import gpu
from support.torch_models import backward, distance, network

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.transforms import clip_by_global_norm

__all__ = ["gpu"]

EXPERTS = [(0, 1, 2, 3), (0, 1), (2, 3), (0, 1, 2), (3,), (0, 1, 3), (0, 1, 2, 3), (1,), (0, 2)]
"""The numbers of the parameters that have gradients, in each step."""


def step(model, optimizer, k, having):
    """A step in which only some parameters have gradients."""
    backward(model, k)
    for number, p in enumerate(model.parameters()):
        if number not in having:
            p.grad = None
    optimizer.step()


class Count:
    """What a device has allocated and sent, since it was made."""

    def __init__(self, gpu, monkeypatch):
        self.gpu, self.allocated = gpu, 0
        plain = gpu.allocate

        def allocate(nbytes):
            self.allocated += 1
            return plain(nbytes)

        monkeypatch.setattr(gpu, "allocate", allocate)
        self.start()

    def start(self):
        self.allocated, self.waits, self.sent = 0, self.gpu.waits, len(self.gpu.uploads)
        self.launched = len(self.gpu.launched)

    def now(self):
        """Allocations, waits, copies from the host, and launches since `start`."""
        gpu = self.gpu
        sent, launched = len(gpu.uploads) - self.sent, len(gpu.launched) - self.launched
        return self.allocated, gpu.waits - self.waits, sent, launched


@pytest.mark.parametrize(
    ("made", "arguments"),
    [
        pytest.param(ldt.AdamW, {"lr": 0.01}, id="element states"),
        pytest.param(ldt.SGD, {"lr": 0.1 / ld.step}, id="a schedule"),
        pytest.param(ldt.AdaShift, {"lr": 0.01}, id="a ring"),
        pytest.param(ldt.NovoGrad, {"lr": 0.01}, id="tensor states", marks=pytest.mark.slow),
        pytest.param(
            ldt.optimizer_class(learners.adafactor), {}, id="axis states", marks=pytest.mark.slow
        ),
    ],
)
def test_changing_sets_of_gradients_are_updated_as_on_the_cpu(made, arguments, gpu):
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = made(model.parameters(), **arguments)
            for k, having in enumerate([*EXPERTS, *EXPERTS]):
                step(model, optimizer, k, having)
        ends.append((model, optimizer))
    assert distance(ends[0][0], ends[1][0]) < 1e-5
    for p, q in zip(*(model.parameters() for model, _ in ends), strict=True):
        own, wanted = ends[0][1].state[p], ends[1][1].state[q]
        assert own.keys() == wanted.keys()
        for name, value in own.items():
            torch.testing.assert_close(value, wanted[name], rtol=1e-5, atol=1e-6)


@ld.rule
def counting(p, g, lr=0.1):
    """Steps that get smaller with the number of all updates."""
    n = ld.state("n", shape="model")
    n_new = ld.assign(n, n + 1)
    return ld.assign(p, p - lr * g / n_new)


@pytest.mark.parametrize(
    "rule",
    [counting, ld.chain(clip_by_global_norm, learners.adamw, name="clipped_adamw")],
    ids=lambda rule: rule.name,
)
def test_what_is_over_the_model_follows_changing_sets(rule, gpu):
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = rule.torch(model.parameters())
            for k in range(6):
                step(model, optimizer, k, ((0, 1), (2, 3))[k % 2])
        ends.append((model, optimizer.state_dict()["param_groups"][0].get("model.n")))
    assert distance(ends[0][0], ends[1][0]) < 1e-6
    assert ends[0][1] == ends[1][1]


@pytest.mark.parametrize(
    ("dtype", "made", "arguments"),
    [
        (torch.float32, ldt.ScheduleFreeAdamW, {"lr": 0.1}),
        (torch.bfloat16, ldt.SGD, {"lr": 0.1, "master": "float32"}),
    ],
    ids=["averages", "master weights"],
)
def test_learners_that_had_no_gradients_last_are_asked_too(dtype, made, arguments, gpu):
    ends = []
    for is_away in (False, True):
        model = network(dtype)
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = made(model.parameters(), **arguments)
            for k in range(4):
                step(model, optimizer, k, ((0, 1), (2, 3))[k % 2])
            with torch.no_grad():
                for p in model.parameters() if "master" in arguments else ():
                    p.fill_(1.0)
            optimizer.adopt_parameters()
            found = optimizer.evaluation_parameters()
            step(model, optimizer, 4, (0, 1))
            step(model, optimizer, 5, (2, 3))
        ends.append([*(found[p] for p in model.parameters()), *model.parameters()])
    for own, wanted in zip(*ends, strict=True):
        # One in the last digit of the parameter.
        tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(own, wanted, rtol=tolerance, atol=tolerance)


def test_sets_that_come_back_make_nothing(gpu, monkeypatch):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), lr=0.01)
    first, second = (0, 1), (2, 3)
    for k in range(4):
        step(model, optimizer, k, (first, second)[k % 2])
    kept = {p: dict(state) for p, state in optimizer.state.items()}
    count = Count(gpu, monkeypatch)
    for k in range(4, 8):
        step(model, optimizer, k, (first, second)[k % 2])
    allocated, waits, sent, launched = count.now()
    # A step sends the addresses of new gradients, and launches three kernels.
    assert (allocated, waits, launched) == (0, 0, 12)
    assert sent <= 4
    for p, state in optimizer.state.items():
        assert float(state["step"]) == 4.0
        assert state["exp_avg"] is kept[p]["exp_avg"]


def test_what_has_no_gradient_at_times_is_soon_updated_by_learners_that_are_there(gpu, monkeypatch):
    model = network()
    optimizer = ldt.AdamW(model.parameters(), lr=0.01)
    for k, having in enumerate(EXPERTS):
        step(model, optimizer, k, having)
    count = Count(gpu, monkeypatch)
    for k, having in enumerate(EXPERTS):
        step(model, optimizer, k, having)
    assert count.now()[:2] == (0, 0)


def test_learners_of_moved_parameters_are_not_used_again(gpu):
    ends = []
    for made in (ldt.AdamW, torch.optim.AdamW):
        model = network()
        optimizer = made(model.parameters(), lr=0.01)
        for k in range(8):
            if k == 4:
                for p in model.parameters():
                    p.data = p.data.clone()
            step(model, optimizer, k, ((0, 1), (2, 3))[k % 2])
        ends.append(model)
    assert distance(*ends) < 1e-6


def test_a_step_that_is_written_between_sets_counts(gpu):
    ends = []
    for made in (ldt.AdamW, torch.optim.AdamW):
        model = network()
        optimizer = made(model.parameters(), lr=0.01)
        for k in range(6):
            step(model, optimizer, k, ((0, 1), (2, 3))[k % 2])
            if k == 3:
                for p in list(model.parameters())[:2]:
                    optimizer.state[p]["step"].fill_(9.0)
        ends.append((model, [float(s["step"]) for s in optimizer.state.values()]))
    assert distance(ends[0][0], ends[1][0]) < 1e-6
    assert ends[0][1] == ends[1][1] == [10.0, 10.0, 3.0, 3.0]
