"""Time updates of rules and of the same rules in torch and optax, in turns."""

import gc
import importlib
import importlib.util
import inspect
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.cards import counted
from learnerdsl.command.names import find_rule
from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError

BLOCK = 0.005
"""Seconds of updates in one turn, at least."""

TOLERATED = 0.5
"""Load average above the number of processors from which on a machine counts as busy."""

REST = 0.02
"""Seconds before a turn, in which the threads of the peer before stop spinning."""

TORCH = {
    "adadelta": "Adadelta",
    "adagrad": "Adagrad",
    "adam": "Adam",
    "adamax": "Adamax",
    "adamw": "AdamW",
    "asgd": "ASGD",
    "nadam": "NAdam",
    "radam": "RAdam",
    "rmsprop": "RMSprop",
    "rprop": "Rprop",
    "sgd": "SGD",
}
"""Name of a rule -> the class of torch.optim that computes the same with its defaults."""

OPTAX = {
    "adabelief": "adabelief",
    "adadelta": "adadelta",
    "adam": "adam",
    "adamax": "adamax",
    "adamaxw": "adamaxw",
    "adamw": "adamw",
    "lamb": "lamb",
    "lion": "lion",
    "nadam": "nadam",
    "nadamw": "nadamw",
    "novograd": "novograd",
    "radam_optax": "radam",
    "rmsprop_optax": "rmsprop",
    "sgd": "sgd",
    "yogi": "yogi",
}
"""Name of a rule -> the function of optax."""

Make = Callable[[np.ndarray, np.ndarray], Callable[[], Any]]
"""Takes parameters and gradients, returns a function that does one update."""


@dataclass(frozen=True)
class Timings:
    """What was measured for one number of elements.

    Attributes:
        size: the number of elements.
        seconds: peer -> seconds for one update, in each round.
    """

    size: int
    seconds: dict[str, list[float]]

    @property
    def first(self) -> str:
        """The peer that the others are compared with."""
        return next(iter(self.seconds))

    def median(self, peer: str) -> float:
        """Return the median of the seconds of a peer."""
        return statistics.median(self.seconds[peer])

    def ratio(self, peer: str) -> float:
        """Return the median of the ratios to the first peer, each within one round."""
        pairs = zip(self.seconds[peer], self.seconds[self.first], strict=True)
        return statistics.median(own / reference for own, reference in pairs)


def peers_of(names: Sequence[str]) -> dict[str, Make]:
    """Return what is timed: every rule, then those of them that torch and optax have.

    Raises:
        LearnerError: a rule does not exist, or an update needs more than gradients.
    """
    found: dict[str, Make] = {}
    for name in names:
        rule = find_rule(name)
        if rule.trace().extras:
            listed = ", ".join(map(str, rule.trace().extras))
            msg = f"{name} cannot be timed by this command: its updates need {listed} as well."
            raise HyperparameterError(msg)
        found[name] = _ours(rule)
    for name in names:
        found |= _of_torch(name)
        found |= _of_optax(name)
    return found


def _ours(rule: UpdateRule) -> Make:
    def make(p: np.ndarray, g: np.ndarray) -> Callable[[], Any]:
        learner, gradients = rule([p.copy()]), [g]
        return lambda: learner.update(gradients)

    return make


def _of_torch(name: str) -> dict[str, Make]:
    if name not in TORCH or importlib.util.find_spec("torch") is None:
        return {}
    torch = importlib.import_module("torch")
    optimizer = getattr(torch.optim, TORCH[name])
    known = inspect.signature(optimizer).parameters

    def maker(kind: str) -> Make:
        def make(p: np.ndarray, g: np.ndarray) -> Callable[[], Any]:
            parameter = torch.nn.Parameter(torch.from_numpy(p.copy()))
            parameter.grad = torch.from_numpy(g)
            return optimizer([parameter], lr=1e-3, **{kind: True}).step

        return make

    kinds = [kind for kind in ("fused", "foreach") if kind in known]
    return {f"{name}, torch {kind}": maker(kind) for kind in kinds}


def _of_optax(name: str) -> dict[str, Make]:
    if name not in OPTAX or importlib.util.find_spec("optax") is None:
        return {}
    jax, optax = (importlib.import_module(module) for module in ("jax", "optax"))
    transform = getattr(optax, OPTAX[name])(1e-3)

    def update(p: Any, state: Any, g: Any) -> Any:
        updates, state = transform.update(g, state, p)
        return optax.apply_updates(p, updates), state

    def make(p: np.ndarray, g: np.ndarray) -> Callable[[], Any]:
        # Arrays of JAX are float32 unless JAX is asked for more before it starts.
        gradient, own = jax.numpy.asarray(g), jax.numpy.array(p)
        step = jax.jit(update, donate_argnums=(0, 1))
        held = [own, transform.init(own)]

        def once() -> None:
            held[:] = step(*held, gradient)
            jax.block_until_ready(held)

        return once

    return {f"{name}, optax jit": make}


def measure(
    peers: dict[str, Make], size: int, dtype: str, rounds: int, step: Callable[[int], None]
) -> Timings:
    """Time all peers in turn; every round starts with another one.

    Args:
        peers: what is timed; those of optax are left out for float64, which JAX does not have.
        size: number of elements.
        dtype: number type of parameters and gradients.
        rounds: number of turns of each.
        step: called with the size before the rounds and after each of them.
    """
    rng = np.random.default_rng(0)
    p, g = (rng.normal(size=size).astype(dtype) for _ in range(2))
    makes = {n: m for n, m in peers.items() if dtype == "float32" or "optax" not in n}
    updates = {name: make(p, g) for name, make in makes.items()}
    counts = {name: _count(update) for name, update in updates.items()}
    step(size)
    seconds: dict[str, list[float]] = {name: [] for name in updates}
    names = list(updates)
    for number in range(rounds):
        begin = number % len(names)
        for name in (*names[begin:], *names[:begin]):
            seconds[name].append(_visit(updates[name], counts[name]))
        step(size)
    return Timings(size, seconds)


def _count(update: Callable[[], Any]) -> int:
    """Return how many updates fill a block; the first ones compile."""
    for _ in range(3):
        update()
    count = 1
    while (taken := _run(update, count)) < BLOCK and count < 1 << 16:
        count *= 2 if taken > BLOCK / 8 else 8
    return count


def _visit(update: Callable[[], Any], count: int) -> float:
    time.sleep(REST)
    update()
    gc.disable()
    try:
        return _run(update, count) / count
    finally:
        gc.enable()


def _run(update: Callable[[], Any], count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        update()
    return time.perf_counter() - begin


def described(found: Timings) -> dict[str, Any]:
    """Return timings as JSON can write them."""
    return {
        "elements": found.size,
        "peers": {
            name: {
                "seconds": seconds,
                "median": found.median(name),
                "ratio": found.ratio(name),
            }
            for name, seconds in found.seconds.items()
        },
    }


def machine() -> str:
    """Return what the times were measured on, and whether others used it at the same time."""
    count = os.cpu_count() or 1
    text = f"{platform.machine()}, {counted(count, 'processor')}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = f", busy (load {load:.1f}): the times are not to be trusted"
    return text + (busy if load > count + TOLERATED else "")
