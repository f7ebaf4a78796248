"""A step of optax's transformations and of those of this package: `python -m benchmarks.jax_step`.

Both are jitted with `optax.apply_updates` and donated arrays, and take turns in one process. What
may be quoted is the median of the ratios of neighbouring steps.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import learnerdsl.jax as ldj

LR = 1e-3
Make = Callable[[], Any]

BOTH: dict[str, tuple[Make, Make]] = {
    "sgd": (lambda: ldj.sgd(LR), lambda: optax.sgd(LR)),
    "momentum": (lambda: ldj.momentum_sgd(LR, 0.9), lambda: optax.sgd(LR, 0.9)),
    "sign_sgd": (lambda: ldj.sign_sgd(LR), lambda: optax.sign_sgd(LR)),
    "signum": (lambda: ldj.signum(LR), lambda: optax.signum(LR)),
    "lion": (lambda: ldj.lion(LR), lambda: optax.lion(LR, weight_decay=0.0)),
    "adam": (lambda: ldj.adam(LR), lambda: optax.adam(LR)),
    "adamw": (
        lambda: ldj.adamw(LR, weight_decay=0.1),
        lambda: optax.adamw(LR, weight_decay=0.1),
    ),
    "nadam": (lambda: ldj.nadamw(LR, weight_decay=0.0), lambda: optax.nadam(LR)),
    "amsgrad": (lambda: ldj.amsgrad_optax(LR), lambda: optax.amsgrad(LR)),
    "adamax": (lambda: ldj.adamax(LR), lambda: optax.adamax(LR)),
    "adabelief": (lambda: ldj.adabelief(LR), lambda: optax.adabelief(LR)),
    "radam": (lambda: ldj.radam_optax(LR), lambda: optax.radam(LR)),
    "yogi": (lambda: ldj.yogi(LR), lambda: optax.yogi(LR)),
    "adan": (lambda: ldj.adan(LR), lambda: optax.adan(LR)),
    "adagrad": (lambda: ldj.adagrad_optax(LR), lambda: optax.adagrad(LR)),
    "rmsprop": (lambda: ldj.rmsprop_optax(LR), lambda: optax.rmsprop(LR)),
    "adadelta": (lambda: ldj.adadelta(LR), lambda: optax.adadelta(LR)),
    "ademamix": (lambda: ldj.ademamix(LR), lambda: optax.contrib.ademamix(LR)),
    "lamb": (lambda: ldj.lamb(LR), lambda: optax.lamb(LR)),
    "lars": (lambda: ldj.lars(LR), lambda: optax.lars(LR)),
    "fromage": (lambda: ldj.fromage(LR), lambda: optax.fromage(LR)),
    "novograd": (lambda: ldj.novograd(LR), lambda: optax.novograd(LR)),
    "adafactor": (lambda: ldj.adafactor_optax(LR), lambda: optax.adafactor(LR)),
    "sm3": (lambda: ldj.sm3(LR), lambda: optax.sm3(LR)),
    "prodigy": (lambda: ldj.prodigy(), lambda: optax.contrib.prodigy()),
    "dadapt_adamw": (lambda: ldj.dadapt_adamw(), lambda: optax.contrib.dadapt_adamw()),
    "muon": (lambda: ldj.muon_optax(LR), lambda: optax.contrib.muon(LR)),
}
"""Name -> how to make ours and optax's, which compute the same or nearly so."""

WIDTH = 96
BLOCK = [(WIDTH,), (WIDTH,), (WIDTH, 3 * WIDTH), (3 * WIDTH,), (WIDTH, WIDTH), (WIDTH,)]
BLOCK += [(WIDTH,), (WIDTH,), (WIDTH, 4 * WIDTH), (4 * WIDTH,), (4 * WIDTH, WIDTH), (WIDTH,)]
TREES: dict[str, list[tuple[int, ...]]] = {
    "1e4": [(100, 100)],
    "1e6": [(1000, 1000)],
    "1e7": [(2000, 5000)],
    "19 tensors": [(512, 512)] * 8 + [(512,)] * 9 + [(1024, 512), (128, 512)],
    "148 tensors": [(2000, WIDTH), (64, WIDTH), *BLOCK * 12, (WIDTH,), (WIDTH,)],
}
"""Name -> shapes of the parameters."""
MATRICES = ("muon",)
"""Rules that are measured up to a million elements, as products of matrices take long."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print for each rule the ratios on all trees, and their median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*", default=list(BOTH), help=", ".join(BOTH))
    parser.add_argument("--seconds", type=float, default=1.5, help="time for each tree")
    parser.add_argument("--compile", action="store_true", help="time to trace and compile, too")
    given = parser.parse_args(arguments)
    print("optax's time / ours:", ", ".join(TREES), "-> median")
    for rule in given.rules:
        trees = [n for n in TREES if rule not in MATRICES or n != "1e7"]
        ratios = [ratio(*BOTH[rule], TREES[name], given.seconds) for name in trees]
        shown = " ".join(f"{own:.2f}" for own in ratios)
        more = ""
        if given.compile:
            ours, theirs = (compile_seconds(make()) for make in BOTH[rule])
            more = f", trace and compile {ours:.2f} s / {theirs:.2f} s = {ours / theirs:.2f}"
        print(f"{rule:13} {shown} -> {statistics.median(ratios):.2f}{more}", flush=True)


def stepping(tx: Any, params: list[Any]) -> Callable[[], float]:
    """Return a function that does a step and returns its seconds."""

    # In this order: JAX gives the memory of the first donated argument to the first result of its
    # shape, and in another one XLA copies the arrays.
    def update(own: Any, state: Any, gradients: Any) -> Any:
        changes, state = tx.update(gradients, state, own)
        return optax.apply_updates(own, changes), state

    step = jax.jit(update, donate_argnums=(0, 1))
    gradients = [jnp.cos(p) for p in params]
    now = [jax.tree.map(jnp.copy, params), tx.init(params)]

    def run() -> float:
        start = perf_counter()
        own, state = step(*now, gradients)
        jax.block_until_ready((own, state))
        now[:] = own, state
        return perf_counter() - start

    return run


def ratio(ours: Make, theirs: Make, shapes: list[tuple[int, ...]], seconds: float) -> float:
    """Return optax's time by ours: the median over neighbouring steps."""
    generator = np.random.default_rng(0)
    params = [jnp.asarray(generator.standard_normal(s), jnp.float32) for s in shapes]
    runs = [stepping(make(), params) for make in (ours, theirs)]
    for run in runs * 3:
        run()
    found: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(found) < 11:
        order = runs if len(found) % 2 else runs[::-1]
        times = {id(run): run() for run in order}
        found.append(times[id(runs[1])] / times[id(runs[0])])
    return statistics.median(found)


def compile_seconds(tx: Any) -> float:
    """Return the time to trace and compile a step of 148 tensors; the better of two."""
    params = [jax.ShapeDtypeStruct(s, jnp.float32) for s in TREES["148 tensors"]]
    state = jax.eval_shape(tx.init, params)
    times: list[float] = []
    for _ in range(2):
        jax.clear_caches()

        def update(own: Any, state: Any, gradients: Any) -> Any:
            changes, state = tx.update(gradients, state, own)
            return optax.apply_updates(own, changes), state

        start = perf_counter()
        jax.jit(update, donate_argnums=(0, 1)).lower(params, state, params).compile()
        times.append(perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
