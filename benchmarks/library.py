"""Builtin rules beside the learners of torch and optax that they follow."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.custom import by_rule
from benchmarks.peers import OURS, Arrays, JittedLoop, Peer, PeerKind, torch_parameters
from learnerdsl import learners

Shapes = list[tuple[int, ...]]
Peers = tuple[PeerKind, ...]

WIDTH = 768


def transformer_block() -> Shapes:
    """The matrices and vectors of one block of GPT-2: 7,087,872 elements."""
    matrices = [(WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)]
    vectors = [(shape[1],) for shape in matrices] + [(WIDTH,)] * 4
    return [*matrices, *vectors]


def matrices() -> Shapes:
    """The matrices of that block."""
    return [shape for shape in transformer_block() if len(shape) == 2]


def of_torch(name: str, arguments: Mapping[str, Any], params: Arrays, grads: Arrays) -> Peer:
    """A learner of torch.optim as torch chooses to run it: `foreach` where it has that."""
    import torch

    optimizer = getattr(torch.optim, name)(torch_parameters(params, grads), **arguments)
    return Peer(optimizer.step, lambda: params)


def of_optax(make: Callable[[Any], Any], params: Arrays, grads: Arrays) -> Peer:
    """A learner of optax and `apply_updates` in one jitted function with donated buffers."""
    import jax
    import optax

    transform = make(optax)

    def update(carry: Any, gradients: Any) -> Any:
        parameters, state = carry
        updates, state = transform.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    own = [jax.numpy.array(p) for p in params]
    # A copy: some states start as the parameters, and one array cannot be given away twice.
    state = jax.tree.map(jax.numpy.copy, transform.init(own))
    return JittedLoop(update, (own, state), grads).peer()


def peers(
    name: str,
    torch: str = "",
    optax: Callable[[Any], Any] | None = None,
    exact: bool = True,
    **arguments: Any,
) -> Peers:
    """Our rule with its defaults, torch's learner with these arguments, and optax's.

    `exact` is False where the other library computes in a narrower number type.
    """
    kinds = [PeerKind(OURS, functools.partial(by_rule, getattr(learners, name)))]
    if torch:
        make = functools.partial(of_torch, torch, arguments)
        kinds.append(PeerKind("torch", make, ("torch",), exact))
    if optax:
        make = functools.partial(of_optax, optax)
        kinds.append(PeerKind("optax jit", make, ("jax", "optax"), exact))
    return tuple(kinds)


RULES: dict[str, Peers] = {
    "sgd": peers("sgd", "SGD", lambda o: o.sgd(1e-3), lr=1e-3),
    "rmsprop": peers("rmsprop", "RMSprop"),
    "adagrad": peers("adagrad", "Adagrad"),
    "adadelta": peers("adadelta", "Adadelta", lambda o: o.adadelta(1.0, rho=0.9)),
    "adamax": peers("adamax", "Adamax", lambda o: o.adamax(2e-3)),
    "nadam": peers("nadam", "NAdam"),
    "radam": peers("radam", "RAdam"),
    "amsgrad": peers("amsgrad", "Adam", amsgrad=True),
    "asgd": peers("asgd", "ASGD"),
    "rprop": peers("rprop", "Rprop"),
    "lion": peers("lion", "", lambda o: o.lion(1e-4, weight_decay=0.0)),
    "lamb": peers("lamb", "", lambda o: o.lamb(1e-3)),
    "adabelief": peers("adabelief", "", lambda o: o.adabelief(1e-3)),
    "prodigy": peers("prodigy", "", lambda o: o.contrib.prodigy(1.0)),
    "adafactor": peers("adafactor", "Adafactor"),
    "sm3": peers("sm3", "", lambda o: o.sm3(1e-3)),
}
"""Rule -> its peers, on a block of a transformer."""


def gpt2_matrices() -> Shapes:
    """The matrices of the 12 blocks of GPT-2."""
    return matrices() * 12


def many_matrices() -> Shapes:
    """Small matrices, as of many small layers."""
    return [(64, 64)] * 48


def by_class(params: Arrays, grads: Arrays, **arguments: Any) -> Peer:
    """`learnerdsl.torch.Muon`, on the tensors that torch's gets."""
    import learnerdsl.torch as ldt

    optimizer = ldt.Muon(torch_parameters(params, grads), **arguments)
    return Peer(optimizer.step, lambda: params)


MUON = (
    PeerKind("ldt.Muon", by_class, ("torch",)),
    *(peer for peer in peers("muon", "Muon", exact=False) if peer.name != OURS),
    PeerKind(OURS, functools.partial(by_rule, learners.muon), is_optimizer=False),
)
"""The class in bfloat16, torch's, and the rule in float32."""


def of_pytorch_optimizer(name: str, params: Arrays, grads: Arrays) -> Peer:
    """A learner of the package pytorch_optimizer, with its defaults."""
    import pytorch_optimizer

    optimizer = getattr(pytorch_optimizer, name)(torch_parameters(params, grads))
    return Peer(optimizer.step, lambda: params)


def beside_pytorch_optimizer(rule: str, name: str) -> Peers:
    """Our rule and the learner of that package, each with its defaults."""
    make = functools.partial(of_pytorch_optimizer, name)
    ours = PeerKind(OURS, functools.partial(by_rule, getattr(learners, rule)))
    return ours, PeerKind("pytorch_optimizer", make, ("pytorch_optimizer",), is_optimizer=False)


SOAP = beside_pytorch_optimizer("soap", "SOAP")
SHAMPOO = beside_pytorch_optimizer("shampoo", "Shampoo")
