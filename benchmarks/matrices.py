"""Steps of rules of matrices beside those of torch.optim and pytorch_optimizer, in turns.

`python -m benchmarks.matrices` prints CPU time on one thread, which a busy machine changes little;
`--wall` prints elapsed time on all threads, for a machine that does nothing else.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

LAYER = ((768, 768), (768, 3072), (3072, 768))
"""Matrices of a layer of GPT-2 small."""

SQUARE = ((768, 768),)


def contenders(rule: str) -> Mapping[str, Callable[..., Any]]:
    """Name -> what makes an optimizer of parameters; the last one is the peer."""
    import pytorch_optimizer
    import torch

    import learnerdsl.torch as ldt
    from learnerdsl.learners import shampoo, soap

    own = {"muon": ldt.Muon, "soap": ldt.optimizer_class(soap)}
    if rule == "muon":
        return {
            "ldt.Muon": own["muon"],
            "products='full'": partial(own["muon"], products="full"),
            "products='full', ns_gram": partial(own["muon"], products="full", ns_gram=True),
            "torch.optim.Muon": torch.optim.Muon,
        }
    if rule == "soap":
        peer = partial(pytorch_optimizer.SOAP, precondition_frequency=10)
        return {"soap": own["soap"], "pytorch_optimizer.SOAP": peer}
    peer = partial(pytorch_optimizer.Shampoo, preconditioning_compute_steps=10)
    every = partial(ldt.optimizer_class(shampoo), every=10)
    return {"shampoo, every=10": every, "pytorch_optimizer.Shampoo": peer}


def measured(
    makers: Mapping[str, Callable[..., Any]],
    shapes: tuple[tuple[int, int], ...],
    steps: int,
    clock: Callable[[], float],
) -> dict[str, list[float]]:
    """Time the steps of each contender, in turns; the first one, which compiles, is left out."""
    import torch

    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in shapes]
    rivals: dict[str, tuple[list[Any], Any]] = {}
    for name, make in makers.items():
        tensors = [torch.nn.Parameter(p.clone()) for p in start]
        rivals[name] = tensors, make(tensors, lr=1e-2)
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(steps + 1):
        gradients = [torch.randn(shape) for shape in shapes]
        for name, (tensors, optimizer) in rivals.items():
            for tensor, gradient in zip(tensors, gradients, strict=True):
                tensor.grad = gradient.clone()
            begin = clock()
            optimizer.step()
            times[name].append(clock() - begin)
    return {name: own[1:] for name, own in times.items()}


def main() -> None:
    """Print a line for each contender: seconds of a step, and how often it fits into the peer's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matrices", description=__doc__)
    parser.add_argument("--rule", choices=("muon", "soap", "shampoo"), default="muon")
    parser.add_argument("--square", action="store_true", help="one matrix of 768 x 768 alone")
    parser.add_argument("--steps", type=int, default=3, help="steps of each; 10 have one due step")
    parser.add_argument("--own", action="store_true", help="leave out the peer")
    parser.add_argument("--wall", action="store_true", help="elapsed time, on all threads")
    options = parser.parse_args()
    if not options.wall:
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
        os.environ.update(dict.fromkeys(names, "1"))  # before NumPy and torch are imported
    clock = time.perf_counter if options.wall else time.process_time
    shapes = SQUARE if options.square else LAYER
    makers = dict(contenders(options.rule))
    if options.own:
        makers.popitem()
    times = measured(makers, shapes, options.steps, clock)
    means = {name: sum(own) / len(own) for name, own in times.items()}
    peer = list(means.values())[-1]
    for name, mean in means.items():
        each = " ".join(f"{one:.3f}" for one in times[name])
        print(f"{name:28} {mean:8.3f} s  {peer / mean:6.2f}   ({each})", flush=True)


if __name__ == "__main__":
    main()
