"""What is measured: lists of tensors, the peers that meet on them, and the ratios expected."""

import gc
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmarks.ceilings import NUMBA_LOOP, TRAFFIC, TRAFFIC_LOOP
from benchmarks.custom import FULL_STEP, MY_RMSPROP
from benchmarks.library import (
    MUON,
    RULES,
    SHAMPOO,
    SOAP,
    gpt2_matrices,
    many_matrices,
    matrices,
    transformer_block,
)
from benchmarks.peers import (
    ADAM,
    NEW_GRADIENTS,
    Arrays,
    PeerKind,
)
from benchmarks.timing import Effort, Timings, measure
from benchmarks.torch_step import ADAMW, ADAMW_BF16, CUSTOM, FOREACH, SMALL

Shapes = list[tuple[int, ...]]

FUSED = "torch fused"
TOLERANCE = 1e-3
"""Largest difference between a peer's parameters and ours after `CHECKED_UPDATES`, relative to how
far the parameters have moved. Rounding the parameters to float32 alone makes 2e-4."""

CHECKED_UPDATES = 3

FLAT_PLACEMENTS = 4
"""In a cache of a million elements' size, where arrays lie moves a ratio by a third."""


@dataclass(frozen=True)
class Case:
    """A list of tensors and the peers that are measured on it in one run.

    Attributes:
        name: what `--only` and the tables call it.
        shapes: returns the shapes of its tensors.
        peers: the peers; the first one is what the others are compared with.
        expected: peer -> least ratio of its time to ours that is expected.
        placements: how often all arrays are made anew, so that a ratio does not hang on where in
            memory, and so in the cache, they happen to lie.
        is_quick: whether `--quick` measures it too.
    """

    name: str
    shapes: Callable[[], Shapes]
    peers: tuple[PeerKind, ...]
    expected: Mapping[str, float] = field(default_factory=dict)
    placements: int = 1
    is_quick: bool = True

    def describe(self) -> str:
        """The name with the number of tensors and elements."""
        shapes = self.shapes()
        elements = sum(math.prod(shape) for shape in shapes)
        tensors = "1 tensor" if len(shapes) == 1 else f"{len(shapes):,} tensors"
        return f"{self.name} ({tensors}, {elements:,} elements)"


def resnet50() -> Shapes:
    """The 161 parameters of ResNet-50: 25,557,032 elements."""
    shapes: Shapes = [(64, 3, 7, 7), (64,), (64,)]
    width = 64
    for planes, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            shapes += [(planes, width, 1, 1), (planes,), (planes,)]
            shapes += [(planes, planes, 3, 3), (planes,), (planes,)]
            shapes += [(4 * planes, planes, 1, 1), (4 * planes,), (4 * planes,)]
            if block == 0:
                shapes += [(4 * planes, width, 1, 1), (4 * planes,), (4 * planes,)]
            width = 4 * planes
    return [*shapes, (1000, 2048), (1000,)]


def gpt2() -> Shapes:
    """The 148 parameters of the smallest GPT-2: 124,439,808 elements."""
    width = 768
    block: Shapes = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,)]
    block += [(width,), (width,), (width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    return [(50257, width), (1024, width), *(12 * block), (width,), (width,)]


def flat(size: int) -> Callable[[], Shapes]:
    """One tensor."""
    return lambda: [(size,)]


def small_tensors() -> Shapes:
    """A thousand tensors of a thousand elements."""
    return [(1000,)] * 1000


def flat_adam(exponent: int, expected: Mapping[str, float]) -> Case:
    """Adam on one tensor of 10**exponent elements."""
    peers = (*ADAM, NUMBA_LOOP, TRAFFIC, TRAFFIC_LOOP)
    return Case(f"adam-1e{exponent}", flat(10**exponent), peers, expected, FLAT_PLACEMENTS)


def flat_rmsprop(exponent: int) -> Case:
    """The user's rule on one tensor of 10**exponent elements."""
    size = flat(10**exponent)
    return Case(f"my-rmsprop-1e{exponent}", size, MY_RMSPROP, placements=FLAT_PLACEMENTS)


def block_rule(name: str, kinds: tuple[PeerKind, ...]) -> Case:
    """A builtin rule on one block of a transformer."""
    return Case(f"{name}-block", transformer_block, kinds, is_quick=False)


def few_elements(count: int) -> Callable[[], Shapes]:
    """Tensors of ten elements."""
    return lambda: [(SMALL,)] * count


def torch_step(count: int, expected: Mapping[str, float]) -> Case:
    """A step of a torch optimizer on tensors of ten elements."""
    return Case(f"torch-step-{count}", few_elements(count), ADAMW, expected)


CASES = (
    flat_adam(3, {FUSED: 50}),
    flat_adam(4, {FUSED: 15}),
    flat_adam(5, {FUSED: 3}),
    flat_adam(6, {FUSED: 2, TRAFFIC.name: 0.9, TRAFFIC_LOOP.name: 0.9}),
    flat_adam(7, {FUSED: 1, TRAFFIC.name: 0.9, TRAFFIC_LOOP.name: 0.9}),
    Case(
        "adam-1000x1000",
        small_tensors,
        (*ADAM, TRAFFIC, NEW_GRADIENTS),
        {FUSED: 20, TRAFFIC.name: 0.9},
    ),
    Case("adam-resnet50", resnet50, (*ADAM, TRAFFIC), {TRAFFIC.name: 0.9}, is_quick=False),
    Case("adam-gpt2", gpt2, (*ADAM, TRAFFIC), {FUSED: 1, TRAFFIC.name: 0.9}, is_quick=False),
    Case("full-step-resnet50", resnet50, FULL_STEP),
    flat_rmsprop(4),
    flat_rmsprop(6),
    flat_rmsprop(7),
    *(block_rule(name, kinds) for name, kinds in RULES.items()),
    Case("muon-block", matrices, MUON, {"torch": 1.0}, is_quick=False),
    Case("muon-gpt2", gpt2_matrices, MUON, {"torch": 1.0}, is_quick=False),
    Case("muon-48x64x64", many_matrices, MUON, {"torch": 1.0}, is_quick=False),
    Case("soap-block", matrices, SOAP, is_quick=False),
    Case("shampoo-block", matrices, SHAMPOO, is_quick=False),
    torch_step(1, {FUSED: 2}),
    torch_step(100, {FUSED: 5}),
    torch_step(1000, {FUSED: 6}),
    Case("torch-step-gpt2", gpt2, ADAMW, {FUSED: 1.05}, is_quick=False),
    Case("torch-step-gpt2-bf16", gpt2, ADAMW_BF16, {FUSED: 2}, is_quick=False),
    Case("torch-step-my-rmsprop-100", few_elements(100), CUSTOM, {FOREACH: 5}),
    Case("torch-step-my-rmsprop-gpt2", gpt2, CUSTOM, {FOREACH: 5}, is_quick=False),
)
"""All cases in the order in which they run."""


def make_data(shapes: Shapes) -> tuple[Arrays, Arrays]:
    """Parameters and gradients: standard normal float32 values, the same in every run."""
    generator = np.random.default_rng(0)
    params = [generator.standard_normal(shape, np.float32) for shape in shapes]
    grads = [generator.standard_normal(shape, np.float32) for shape in shapes]
    return params, grads


def disagreement(kind: PeerKind, reference: PeerKind, shape: tuple[int, ...]) -> float:
    """How far a peer is from the reference after a few updates, relative to the way they went."""
    params, grads = make_data([shape])
    results = []
    for each in (kind, reference):
        peer = each.make([p.copy() for p in params], [g.copy() for g in grads])
        for _ in range(CHECKED_UPDATES):
            peer.step()
        peer.finish()
        results.append(peer.parameters()[0])
    return float(np.abs(results[0] - results[1]).max() / np.abs(results[1] - params[0]).max())


def check(kinds: list[PeerKind], ndim: int) -> None:
    """Make sure that the peers do the same work on a tensor with `ndim` axes.

    Raises:
        ValueError: an optimizer among them does not compute what the first one computes.
    """
    shape = (777,) if ndim == 1 else (21, 37)
    for kind in kinds[1:]:
        if kind.is_optimizer and not (found := disagreement(kind, kinds[0], shape)) <= TOLERANCE:
            msg = f"{kind.name} and {kinds[0].name} differ by {found:.1e} of the update."
            raise ValueError(msg)


def run_case(case: Case, effort: Effort) -> Timings:
    """Measure the peers that are installed; their arrays are freed before this returns."""
    kinds = [kind for kind in case.peers if not kind.missing]
    check(kinds, len(case.shapes()[0]))
    timings = Timings()
    parts = min(case.placements, effort.rounds)
    for part in range(parts):
        timings.add(measure_once(case, kinds, range(part, effort.rounds, parts), effort))
        gc.collect()
    return timings


def measure_once(
    case: Case, kinds: list[PeerKind], rounds: Iterable[int], effort: Effort
) -> Timings:
    """Make new arrays and peers, and measure them in the given rounds."""
    params, grads = make_data(case.shapes())
    peers = {kind.name: kind.make(params, grads) for kind in kinds}
    return measure(peers, rounds, effort)
