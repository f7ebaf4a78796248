"""What is measured on a GPU: lists of tensors, the peers that meet on them, and the targets.

Every peer is an optimizer at work on parameters of PyTorch that have gradients: a function that
does one update. Those of one case share parameters and gradients; states are their own.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import learnerdsl as ld
from benchmarks.cases import CHECKED_UPDATES, FUSED, TOLERANCE, Shapes, flat, gpt2, small_tensors
from benchmarks.custom import DECAY, MAX_NORM
from benchmarks.library import matrices
from benchmarks.peers import OURS
from learnerdsl import learners
from learnerdsl.transforms import clip_by_global_norm, ema

Tensors = list[Any]
Step = Callable[[], object]
Optimizer = Callable[[Tensors], Step]
"""Function of parameters, whose gradients are in `.grad`: what does an update."""
Make = Callable[[Tensors, Tensors], Step]
"""Function of parameters and gradients: the same."""

DEVICE = "cuda"
FOREACH = "torch foreach"
COPY = "copy"
COPY_BYTES = 8
"""What a copy moves for an element of float32: it is read and written."""


@dataclass(frozen=True)
class GpuPeer:
    """A way to do the updates of a case.

    Attributes:
        name: what tables call it.
        make: makes what does an update.
        is_checked: whether its parameters must agree with ours.
        bytes_per_element: memory traffic, where bandwidths are compared instead of times.
    """

    name: str
    make: Make
    is_checked: bool = True
    bytes_per_element: int = 0


@dataclass(frozen=True)
class GpuCase:
    """A list of tensors and the peers that are measured on it in one process.

    Attributes:
        name: what tables call it.
        shapes: returns the shapes of its tensors.
        peers: the first one is ours.
        targets: peer -> least ratio of its time to ours, or of our bandwidth to its own.
        times_host: whether the time is of interest in which the host is busy with an update.
        checked: shapes on which the peers must agree before anything is timed.
    """

    name: str
    shapes: Callable[[], Shapes]
    peers: tuple[GpuPeer, ...]
    targets: Mapping[str, float] = field(default_factory=dict[str, float])
    times_host: bool = False
    checked: tuple[tuple[int, ...], ...] = ((777,), (21, 37), (4099,))

    @property
    def elements(self) -> int:
        """Number of elements of all tensors."""
        return sum(math.prod(shape) for shape in self.shapes())


def make_data(shapes: Shapes, seed: int = 0) -> Tensors:
    """Standard normal float32 values on the GPU, the same in every run."""
    import torch

    generator = torch.Generator(DEVICE).manual_seed(seed)
    return [torch.randn(shape, generator=generator, device=DEVICE) for shape in shapes]


def as_parameters(params: Tensors) -> Tensors:
    """Parameters of torch in the memory of these tensors."""
    import torch

    return [torch.nn.Parameter(p) for p in params]


def kept(optimizer: Optimizer, copies: bool = False) -> Make:
    """Gradients are the same tensors in every update; copies, for what writes to them."""

    def make(params: Tensors, grads: Tensors) -> Step:
        parameters = as_parameters(params)
        for parameter, gradient in zip(parameters, grads, strict=True):
            parameter.grad = gradient.clone() if copies else gradient
        return optimizer(parameters)

    return make


def renewed(optimizer: Optimizer) -> Make:
    """Gradients are other tensors than in the update before, as a backward pass leaves them."""

    def make(params: Tensors, grads: Tensors) -> Step:
        parameters = as_parameters(params)
        lists = itertools.cycle((grads, [gradient.clone() for gradient in grads]))

        def renew() -> None:
            for parameter, gradient in zip(parameters, next(lists), strict=True):
                parameter.grad = gradient

        renew()
        step = optimizer(parameters)

        def update() -> None:
            renew()
            step()

        return update

    return make


def of_rule(rule: Any, **arguments: Any) -> Optimizer:
    """A rule of learnerdsl, called as a user of torch calls it."""

    def make(parameters: Tensors) -> Step:
        learner = rule(parameters, **arguments)
        return lambda: learner.update([parameter.grad for parameter in parameters])

    return make


def of_torch(name: str, **arguments: Any) -> Optimizer:
    """A learner of torch.optim."""

    def make(parameters: Tensors) -> Step:
        import torch

        return getattr(torch.optim, name)(parameters, **arguments).step

    return make


def of_class(name: str, **arguments: Any) -> Optimizer:
    """A class of learnerdsl.torch."""

    def make(parameters: Tensors) -> Step:
        import learnerdsl.torch as ldt

        return getattr(ldt, name)(parameters, **arguments).step

    return make


def torch_full_step(parameters: Tensors) -> Step:
    """Three calls: clip_grad_norm_, fused AdamW, and _foreach_lerp_ of the average."""
    import torch

    averages = [parameter.detach().clone() for parameter in parameters]
    step_of_adamw = of_torch("AdamW", fused=True)(parameters)

    def step() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        step_of_adamw()
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - DECAY)

    return step


def lion_by_foreach(parameters: Tensors) -> Step:
    """Lion by hand, with torch's operations on lists of tensors."""
    import torch

    lr, beta1, beta2 = 1e-4, 0.9, 0.99
    momenta = [torch.zeros_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def step() -> None:
        gradients = [parameter.grad for parameter in parameters]
        directions = torch._foreach_lerp(momenta, gradients, 1 - beta1)
        torch._foreach_sign_(directions)
        torch._foreach_add_(parameters, directions, alpha=-lr)
        torch._foreach_lerp_(momenta, gradients, 1 - beta2)

    return step


def copying(params: Tensors, grads: Tensors) -> Step:
    """A copy within the GPU: the bandwidth that its memory has."""
    import torch

    del grads
    target = torch.empty_like(params[0])
    return lambda: target.copy_(params[0])


@ld.rule
def six_arrays(p, g, lr=1e-3, fast=0.9, slow=0.999, beta2=0.999, eps=1e-8):
    """A rule as a user writes it: two momenta, a mean square and an average of the weights."""
    m, n, v = ld.state("m"), ld.state("n"), ld.state("v")
    average = ld.state("average", init=p)
    m_new = ld.assign(m, fast * m + (1 - fast) * g)
    n_new = ld.assign(n, slow * n + (1 - slow) * g)
    v_new = ld.assign(v, beta2 * v + (1 - beta2) * g**2)
    p_new = ld.assign(p, p - lr * (m_new + n_new) / (ld.sqrt(v_new) + eps))
    return ld.assign(average, slow * average + (1 - slow) * p_new)


def traffic_of(name: str, rule: Any) -> GpuPeer:
    """A rule of ours of which the bandwidth is of interest."""
    return GpuPeer(name, kept(of_rule(rule)), False, rule.plan().bytes_per_element)


def ours(rule: Any) -> GpuPeer:
    """A rule of ours with its defaults."""
    return GpuPeer(OURS, kept(of_rule(rule)))


def small(name: str, shapes: Callable[[], Shapes], way: Callable[[Optimizer], Make]) -> GpuCase:
    """Adam on tensors that are small, so that the host matters."""
    peers = (
        GpuPeer(OURS, way(of_rule(learners.adam))),
        GpuPeer(FUSED, way(of_torch("Adam", fused=True))),
        GpuPeer(FOREACH, way(of_torch("Adam", foreach=True))),
    )
    return GpuCase(name, shapes, peers, {FUSED: 1, FOREACH: 3}, times_host=True)


def one_tensor(exponent: int) -> GpuCase:
    """Adam on one tensor of 10**exponent elements."""
    peers = (ours(learners.adam), GpuPeer(FUSED, kept(of_torch("Adam", fused=True))))
    return GpuCase(f"adam, 1e{exponent}", flat(10**exponent), peers, times_host=True)


def builtin(name: str, peer: str, optimizer: Optimizer, is_checked: bool = True) -> GpuCase:
    """A builtin rule on the tensors of GPT-2, or on matrices alone."""
    peers = (ours(getattr(learners, name)), GpuPeer(peer, kept(optimizer), is_checked))
    shapes = gpt2 if is_checked else matrices
    return GpuCase(f"{name}, {'GPT-2' if is_checked else 'block'}", shapes, peers)


BANDWIDTH = (
    traffic_of(OURS, learners.adam),
    GpuPeer(COPY, copying, False, COPY_BYTES),
)
FULL_STEP = ld.chain(clip_by_global_norm, learners.adamw, ema)

CASES = (
    GpuCase(
        "adam, 1e8",
        flat(10**8),
        (*BANDWIDTH, GpuPeer(FUSED, kept(of_torch("Adam", fused=True)))),
        {COPY: 0.9, FUSED: 1},
    ),
    GpuCase(
        "adamw, GPT-2",
        gpt2,
        (ours(learners.adamw), GpuPeer(FUSED, kept(of_torch("AdamW", fused=True)))),
        {FUSED: 1},
    ),
    small("adam, 1,000 x 1,000", small_tensors, kept),
    small("adam, 1,000 x 1,000, new gradients", small_tensors, renewed),
    GpuCase(
        "ldt.Adam, 1,000 x 1,000, new gradients",
        small_tensors,
        (
            GpuPeer(OURS, renewed(of_class("Adam"))),
            GpuPeer(FUSED, renewed(of_torch("Adam", fused=True))),
        ),
        {FUSED: 1},
        times_host=True,
    ),
    GpuCase(
        "clip + adamw + ema, GPT-2",
        gpt2,
        (ours(FULL_STEP), GpuPeer("torch, three calls", kept(torch_full_step, copies=True))),
        {"torch, three calls": 1.5},
    ),
    GpuCase(
        "six arrays of a user, 1e8",
        flat(10**8),
        (traffic_of(OURS, six_arrays), traffic_of("our adam", learners.adam)),
        {"our adam": 1},
    ),
    builtin("radam", "torch", of_torch("RAdam")),
    builtin("nadam", "torch", of_torch("NAdam")),
    builtin("lion", "torch, by foreach", lion_by_foreach),
    builtin("adafactor", "torch", of_torch("Adafactor")),
    # torch computes its products in bfloat16, ours in float32.
    builtin("muon", "torch", of_torch("Muon"), is_checked=False),
    *(one_tensor(exponent) for exponent in (3, 4, 5, 6)),
)
"""All cases in the order in which they run."""

SWEEP = GpuCase("adam, 1e8", flat(10**8), BANDWIDTH)
"""What is measured for every way to cut the work into blocks."""


def disagreement(peer: GpuPeer, reference: GpuPeer, shapes: Shapes) -> float:
    """How far a peer is from the reference after a few updates, relative to the way they went."""
    start, grads = make_data(shapes, 1), make_data(shapes, 2)
    ends: list[Tensors] = []
    for each in (peer, reference):
        params = [p.clone() for p in start]
        step = each.make(params, [g.clone() for g in grads])
        for _ in range(CHECKED_UPDATES):
            step()
        ends.append(params)
    pairs = zip(*ends, start, strict=True)
    return max(float((a - b).abs().max() / (b - p).abs().max()) for a, b, p in pairs)


def check(case: GpuCase) -> None:
    """Make sure that the peers do the same work.

    Raises:
        ValueError: a peer does not compute what ours computes.
    """
    for peer in case.peers[1:]:
        if peer.is_checked and not (
            (found := disagreement(peer, case.peers[0], list(case.checked))) <= TOLERANCE
        ):
            msg = f"{peer.name} and {OURS} differ by {found:.1e} of the update."
            raise ValueError(msg)
