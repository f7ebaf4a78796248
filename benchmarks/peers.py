"""Adam by learnerdsl, by other libraries and by hand: arrays in, a function that updates out.

Every peer computes the same update with the same hyperparameters. Those that can update NumPy
memory in place share one set of parameters and gradients; states, and all arrays of JAX, are their
own. Gradients stay the same arrays from update to update unless a peer's name says otherwise.
"""

import functools
import importlib.util
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from learnerdsl.learners import adam

if TYPE_CHECKING:
    import torch

Arrays = list[np.ndarray]

OURS = "learnerdsl"

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def nothing() -> None:
    """What `Peer.finish` does for peers that are done when their step returns."""


@dataclass(frozen=True)
class Peer:
    """An optimizer bound to arrays.

    Attributes:
        step: does one update of all tensors.
        parameters: returns the parameters as they are after the updates done so far.
        finish: waits for updates that `step` has only queued.
        prepare: is called before each update, and not timed; None for nothing.
    """

    step: Callable[[], object]
    parameters: Callable[[], Arrays]
    finish: Callable[[], object] = nothing
    prepare: Callable[[], object] | None = None


@dataclass(frozen=True)
class PeerKind:
    """How to make a peer.

    Attributes:
        name: what tables call it.
        make: makes the peer from parameters, which it updates, and gradients, which it only reads.
        needs: names of the modules that must be installed.
        is_optimizer: False for a kernel that moves the same bytes but computes something else.
    """

    name: str
    make: Callable[[Arrays, Arrays], Peer]
    needs: tuple[str, ...] = ()
    is_optimizer: bool = True

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that it needs and that are not installed."""
        return tuple(module for module in self.needs if importlib.util.find_spec(module) is None)


def learnerdsl_adam(params: Arrays, grads: Arrays) -> Peer:
    """The built-in rule, through the call that a user writes."""
    learner = adam(params, lr=LR, beta1=BETA1, beta2=BETA2, eps=EPS)
    return Peer(functools.partial(learner.update, grads), lambda: params)


def learnerdsl_adam_new_gradients(params: Arrays, grads: Arrays) -> Peer:
    """As `learnerdsl_adam`, but all gradients are other arrays than in the update before."""
    learner = adam(params, lr=LR, beta1=BETA1, beta2=BETA2, eps=EPS)
    lists = itertools.cycle((grads, [gradient.copy() for gradient in grads]))
    return Peer(lambda: learner.update(next(lists)), lambda: params)


def torch_parameters(params: Arrays, grads: Iterable[np.ndarray]) -> "list[torch.nn.Parameter]":
    """Torch parameters with gradients, all in the memory of the given arrays."""
    import torch

    result = [torch.nn.Parameter(torch.from_numpy(p)) for p in params]
    for parameter, gradient in zip(result, grads, strict=True):
        parameter.grad = torch.from_numpy(gradient)
    return result


def torch_adam(params: Arrays, grads: Arrays, **implementation: bool) -> Peer:
    """`torch.optim.Adam`, with `fused=True` or `foreach=True`."""
    import torch

    optimizer = torch.optim.Adam(
        torch_parameters(params, grads), lr=LR, betas=(BETA1, BETA2), eps=EPS, **implementation
    )
    return Peer(optimizer.step, lambda: params)


class JittedLoop:
    """A jitted function that replaces its donated carry at every step, so XLA updates in place.

    Steps are only queued, as in a training loop; `finish` waits for the last one.

    Args:
        function: makes the next carry from a carry and the gradients; carry[0] is the parameters.
        carry: parameters and whatever else changes.
        grads: gradients.
    """

    def __init__(
        self, function: Callable[[Any, Any], Any], carry: Sequence[Any], grads: Arrays
    ) -> None:
        import jax

        self.jitted = jax.jit(function, donate_argnums=0)
        self.carry = carry
        self.grads = [jax.numpy.array(gradient) for gradient in grads]

    def step(self) -> None:
        """Queue one update."""
        self.carry = self.jitted(self.carry, self.grads)

    def finish(self) -> None:
        """Wait for all updates."""
        import jax

        jax.block_until_ready(self.carry)

    def parameters(self) -> Arrays:
        """The parameters as NumPy arrays."""
        return [np.array(parameter) for parameter in self.carry[0]]

    def peer(self) -> Peer:
        """This loop as a peer."""
        return Peer(self.step, self.parameters, self.finish)


def optax_adam(params: Arrays, grads: Arrays) -> Peer:
    """`optax.adam` and `apply_updates` in one jitted function with donated buffers."""
    import jax
    import optax

    transform = optax.adam(LR, b1=BETA1, b2=BETA2, eps=EPS)

    def update(carry: Any, gradients: Any) -> Any:
        parameters, state = carry
        updates, state = transform.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    own = [jax.numpy.array(p) for p in params]
    return JittedLoop(update, (own, transform.init(own)), grads).peer()


class NumpyAdam:
    """Adam written by hand: in place, no array is allocated after the first update."""

    def __init__(self, params: Arrays, grads: Arrays) -> None:
        self.count = 0
        states = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
        scratch = np.empty(max(p.size for p in params), np.float32)
        temporaries = [scratch[: p.size].reshape(p.shape) for p in params]
        self.tensors = list(zip(params, grads, states, temporaries, strict=True))

    def step(self) -> None:
        """One update of all tensors, one after the other."""
        self.count += 1
        rate = LR / (1 - BETA1**self.count)
        correction = (1 - BETA2**self.count) ** -0.5
        for p, g, (m, v), t in self.tensors:
            np.multiply(g, 1 - BETA1, out=t)
            m *= BETA1
            m += t
            np.square(g, out=t)
            t *= 1 - BETA2
            v *= BETA2
            v += t
            np.sqrt(v, out=t)
            t *= correction
            t += EPS
            np.divide(m, t, out=t)
            t *= rate
            p -= t


def numpy_adam(params: Arrays, grads: Arrays) -> Peer:
    """Adam in NumPy."""
    return Peer(NumpyAdam(params, grads).step, lambda: params)


ADAM = (
    PeerKind(OURS, learnerdsl_adam),
    PeerKind("torch fused", functools.partial(torch_adam, fused=True), ("torch",)),
    PeerKind("torch foreach", functools.partial(torch_adam, foreach=True), ("torch",)),
    PeerKind("optax jit", optax_adam, ("jax", "optax")),
    PeerKind("numpy", numpy_adam),
)
"""Adam as users call it; ours is the first."""

NEW_GRADIENTS = PeerKind("learnerdsl, new gradient arrays", learnerdsl_adam_new_gradients)
