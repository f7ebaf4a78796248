"""A step of a torch optimizer of this package, of torch, and of a user's rule in torch operations.

As in training, the gradients of every step are other tensors than those of the step before. They
are given to the parameters before the clock starts.
"""

import functools
from typing import Any

from benchmarks.custom import RHO, RMS_LR, WARM, my_rmsprop
from benchmarks.peers import BETA1, BETA2, EPS, LR, OURS, Arrays, Peer, PeerKind

WEIGHT_DECAY = 1e-2
FUSED, FOREACH = "torch fused", "torch foreach"
SMALL = 10
"""Elements of each tensor where the number of tensors counts."""


def peer_of(make: Any, dtype: str, params: Arrays, grads: Arrays) -> Peer:
    """A peer with tensors of its own; `make` returns the function that does a step.

    Two sets of gradients, of equal values, take turns.
    """
    import torch

    kind = getattr(torch, dtype)
    tensors = [torch.nn.Parameter(torch.from_numpy(p).to(kind, copy=True)) for p in params]
    sets = [[torch.from_numpy(g).to(kind, copy=True) for g in grads] for _ in range(2)]

    def prepare() -> None:
        sets.reverse()
        # A view is another object, as a gradient is that autograd has made.
        for tensor, gradient in zip(tensors, sets[0], strict=True):
            tensor.grad = gradient.detach()

    def parameters() -> Arrays:
        return [tensor.detach().float().numpy() for tensor in tensors]

    prepare()
    return Peer(make(tensors), parameters, prepare=prepare)


def adamw(is_ours: bool, tensors: Any, **implementation: bool) -> Any:
    """The step of AdamW."""
    import torch

    import learnerdsl.torch as ldt

    make: Any = ldt.AdamW if is_ours else torch.optim.AdamW
    own = {"lr": LR, "betas": (BETA1, BETA2), "eps": EPS, "weight_decay": WEIGHT_DECAY}
    return make(tensors, **own, **implementation).step


def rmsprop(tensors: Any) -> Any:
    """The step of a user's rule."""
    return my_rmsprop.torch(tensors).step


def rmsprop_by_foreach(tensors: Any) -> Any:
    """The lines of that rule, each as an operation on all tensors at once."""
    import torch

    accumulators = [torch.full_like(p, WARM) for p in tensors]

    @torch.no_grad()
    def step() -> None:
        gradients = [p.grad for p in tensors]
        squares = torch._foreach_mul(gradients, gradients)
        torch._foreach_mul_(accumulators, RHO)
        torch._foreach_add_(accumulators, squares, alpha=1 - RHO)
        roots = torch._foreach_sqrt(accumulators)
        directions = torch._foreach_div(gradients, roots)
        torch._foreach_add_(tensors, directions, alpha=-RMS_LR)

    return step


def kinds_of_adamw(dtype: str) -> tuple[PeerKind, ...]:
    """AdamW of this package and both of torch."""
    made = {
        OURS: functools.partial(adamw, True),
        FUSED: functools.partial(adamw, False, fused=True),
        FOREACH: functools.partial(adamw, False, foreach=True),
    }
    # Torch keeps the states of bfloat16 parameters in bfloat16, and rounds otherwise.
    is_exact = dtype == "float32"
    return tuple(
        PeerKind(name, functools.partial(peer_of, make, dtype), ("torch",), is_exact)
        for name, make in made.items()
    )


ADAMW, ADAMW_BF16 = kinds_of_adamw("float32"), kinds_of_adamw("bfloat16")
"""Peers on tensors of each type; ours is the first."""

CUSTOM = (
    PeerKind(OURS, functools.partial(peer_of, rmsprop, "float32"), ("torch",)),
    PeerKind(FOREACH, functools.partial(peer_of, rmsprop_by_foreach, "float32"), ("torch",)),
)
"""Peers of a user's rule; ours is the first."""
