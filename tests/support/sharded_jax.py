"""Updates of sharded arrays by JAX: what a process with eight devices does.

Each step is waited for: with more devices than cores, XLA ends a process whose devices do not meet
in time.
"""

import json
import re
import sys
from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl import learners
from learnerdsl.errors import LearnerError

SHAPES = {"a": (8, 4), "b": (4, 8), "c": (8,), "d": (4, 6, 4), "e": (2, 8, 4)}
NAMES = ("a", "b", "c")
STACKS = ("d", "e")
"""Stacks of matrices; devices have other matrices of `d`, and rows of other matrices of `e`."""
SPLITS = {"a": P("data", None), "b": P("data", "model"), "c": P("model")}
SPLITS |= {"d": P("data"), "e": P("model", "data")}
BOTH = ("data", "model")
SINGLE = {"a": P(BOTH), "b": P(None, ("model", "data")), "c": P(BOTH)}
"""Splits in which each part has length 1 along an axis."""
KINDS = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"
COLLECTIVES = re.compile(rf"= .*?\b({KINDS})(?:-start)?\(")


def values(seed, names=NAMES):
    """Return a tree of random arrays."""
    numbers = np.random.default_rng(seed)
    return {name: numbers.normal(size=SHAPES[name]) for name in names}


def mesh_of(kind):
    return jax.make_mesh((4, 2), BOTH, axis_types=(getattr(AxisType, kind),) * 2)


def whole(tree):
    return jax.tree.map(jnp.asarray, tree)


def split_over(mesh, splits=SPLITS):
    """Return a function that puts a tree of arrays on the devices of a mesh."""
    return lambda tree: {
        name: jax.device_put(x, NamedSharding(mesh, splits[name])) for name, x in tree.items()
    }


def names_for(tx):
    """Return the names of the parameters that a rule takes; some take matrices only."""
    try:
        tx.init(whole(values(0)))
    except LearnerError:
        return ("a", "b")
    return NAMES


def step_of(tx):
    """Return a function of parameters, state and gradients that returns the first two, updated."""
    rule = tx.rule.trace(shape=(4, 8))
    arrays = [e.name for e in rule.extras if e.shape != "model"]

    def step(params, state, grads):
        extras = {name: jax.tree.map(lambda g: jnp.abs(g) + 0.1, grads) for name in arrays}
        updates, state = tx.update(
            grads, state, params, minibatch_size=32, loss=jnp.asarray(0.7), **extras
        )
        return optax.apply_updates(params, updates), state

    return step


def trained(tx, place, steps=4, names=None):
    """Return the parameters and the states after each update, and the number of compilations."""
    names = names_for(tx) if names is None else names
    own = step_of(tx)
    compiled = 0

    @jax.jit
    def step(*arguments):
        nonlocal compiled
        compiled += 1
        return own(*arguments)

    params = place(values(0, names))
    found = [(params, tx.init(params))]
    for k in range(1, steps + 1):
        found.append(step(*found[-1], place(values(k, names))))
        jax.block_until_ready(found[-1])
    return found, compiled


def distance(one, other):
    """Return the largest difference of parameters in parts of how far they moved."""
    start, _ = one[0]
    ends = one[-1][0], other[-1][0]
    return max(
        float(
            np.abs(np.asarray(ends[0][name]) - np.asarray(ends[1][name])).max()
            / max(np.abs(np.asarray(ends[0][name]) - np.asarray(start[name])).max(), 1e-300)
        )
        for name in start
    )


def places(found):
    return [jax.tree.map(lambda x: x.sharding, one) for one in found]


def is_placed(x, like):
    return x.sharding.is_equivalent_to(like.sharding, x.ndim)


def compared(kinds, rules):
    """Compare updates of sharded arrays with those of whole ones.

    Returns:
        For each rule, and for each kind of the axes of a mesh, a dict of the difference, the number
        of traces, whether parameters and states stayed where they were, and whether states of the
        parameters' shapes are split as these.
    """
    result = {}
    for rule in rules:
        tx = ldj.factory(getattr(learners, rule))()
        one, _ = trained(tx, whole)
        result[rule] = {kind: against(one, tx, kind) for kind in kinds}
    return result


def against(one, tx, kind):
    found, compiled = trained(tx, split_over(mesh_of(kind)))
    params, state = found[-1]
    stays = all(
        is_placed(x, start)
        for k in range(1, len(found))
        for x, start in zip(jax.tree.leaves(found[k]), jax.tree.leaves(found[0]), strict=True)
    )
    alike = all(
        is_placed(x, params[name])
        for tree in state.states.values()
        for name, x in tree.items()
        if getattr(x, "shape", None) == params[name].shape
    )
    return {
        "difference": distance(one, found),
        "traces": compiled,
        "stays": stays,
        "alike": alike,
    }


PAIRS = {
    "adam": (lambda: ldj.adam(), lambda: optax.adam(1e-3)),
    "lamb": (lambda: ldj.lamb(), lambda: optax.lamb(1e-3)),
    "adafactor": (
        lambda: ldj.adafactor_optax(),
        lambda: optax.adafactor(1e-3, min_dim_size_to_factor=1),
    ),
    "muon": (lambda: ldj.muon_optax(), lambda: optax.contrib.muon(1e-3)),
    "prodigy": (lambda: ldj.prodigy(), lambda: optax.contrib.prodigy(1.0)),
    "clip+adamw": (
        lambda: optax.chain(optax.clip_by_global_norm(1.0), ldj.adamw()),
        lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3)),
    ),
    "soap": (lambda: ldj.soap(), None),
}


def counted(names):
    """Return for each pair the collectives of an update by this package and by optax."""
    return {name: [collectives(make) for make in PAIRS[name] if make] for name in names}


def collectives(make):
    """Return kind -> number of the collectives in an update of float32 arrays."""
    tx = make()
    names = names_for(tx) if hasattr(tx, "rule") else NAMES
    place = split_over(mesh_of("Auto"))
    params = place({n: x.astype(np.float32) for n, x in values(0, names).items()})

    def step(params, state, grads):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    text = jax.jit(step).lower(params, tx.init(params), params).compile().as_text()
    return dict(Counter(COLLECTIVES.findall(text)))


# shard_map


def mapped(tx, params, splits=SPLITS, check_vma=True):
    """Return functions of parts, compiled: the start of the states, and an update."""
    splits = {name: splits[name] for name in params}
    states = tx.state_specs(params, splits)
    mapped = partial(jax.shard_map, mesh=mesh_of("Auto"), check_vma=check_vma)
    start = mapped(tx.init, in_specs=(splits,), out_specs=states)
    step = mapped(step_of(tx), in_specs=(splits, states, splits), out_specs=(splits, states))
    return jax.jit(start), jax.jit(step)


def in_parts(tx, names=NAMES, splits=SPLITS, steps=3, check_vma=True, begins_inside=False):
    """Return the parameters and states after updates inside shard_map, in a list of the steps."""
    place = split_over(mesh_of("Auto"), splits)
    params = place(values(0, names))
    start, step = mapped(tx, params, splits, check_vma)
    found = [(params, (start if begins_inside else tx.init)(params))]
    for k in range(1, steps + 1):
        found.append(step(*found[-1], place(values(k, names))))
        jax.block_until_ready(found[-1])
    return found


def inside_shard_map(rules, axis_name):
    """Return for each rule how far updates of parts lead away from those of whole arrays."""
    result = {}
    for rule in rules:
        make = ldj.factory(getattr(learners, rule))
        one, _ = trained(make(), whole, steps=3)
        result[rule] = distance(one, in_parts(make(axis_name=axis_name)))
    return result


def with_specs(rules, is_single=False, begins_inside=False, names=None):
    """Return for each rule what `inside_shard_map` returns, and the same for its states."""
    splits = SINGLE if is_single else SPLITS
    result = {}
    for rule in rules:
        make = ldj.factory(getattr(learners, rule))
        own = names_for(make()) if names is None else names
        tx = make(specs={name: splits[name] for name in own})
        one, _ = trained(make(), whole, steps=3, names=own)
        parts = in_parts(tx, own, splits, begins_inside=begins_inside)
        states = zip(*(jax.tree.leaves(found[-1][1]) for found in (one, parts)), strict=True)
        result[rule] = max([distance(one, parts), *(unlike(*pair) for pair in states)])
    return result


@ld.rule
def scaled(p, g, lr=0.1):
    """Gradient descent with a rate for each tensor, row and column."""
    rate = ld.extra("of_tensors", shape="tensor") + ld.extra("of_rows", shape="rows")
    return ld.assign(p, p - lr * rate * ld.extra("of_cols", shape="cols") * g)


def extras_in_parts():
    """Return how far an update of a part leads away, if rates are given in parts as well."""
    spec, rows, cols = P("data", "model"), P("data"), P("model")
    arrays = [values(k, ["b"]) for k in (0, 1)]
    rates = [{"b": jnp.asarray(2.0)}, {"b": jnp.arange(4.0)}, {"b": jnp.arange(8.0)}]

    def step(tx, params, grads, of_tensors, of_rows, of_cols):
        extras = {"of_tensors": of_tensors, "of_rows": of_rows, "of_cols": of_cols}
        return tx.update(grads, tx.init(params), params, **extras)[0]

    one = step(scaled.optax(), *arrays, *rates)
    parts = jax.shard_map(
        partial(step, scaled.optax(specs=spec)),
        mesh=mesh_of("Auto"),
        in_specs=({"b": spec}, {"b": spec}, {"b": P()}, {"b": rows}, {"b": cols}),
        out_specs={"b": spec},
    )
    return unlike(one["b"], parts(*arrays, *rates)["b"])


def unlike(one, other):
    """Return the largest difference of arrays in parts of the largest element."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(np.abs(one - other).max() / max(np.abs(one).max(), 1e-300))


def counted_parts(rules, names=None):
    """Return for each rule the collectives that an update inside shard_map asks for."""
    result = {}
    for rule in rules:
        make = ldj.factory(getattr(learners, rule))
        own = names_for(make()) if names is None else names
        tx = make(specs={name: SPLITS[name] for name in own})
        params = whole(values(0, own))
        _, step = mapped(tx, params)
        text = str(jax.make_jaxpr(step)(params, tx.init(params), params))
        result[rule] = dict(Counter(re.findall(r" (all_gather|psum|pmax|pmin)\w*\[", text)))
    return result


def errors_of_specs():
    """Return what is said of specs that differ from the in_specs, and of a gradient of a part."""
    apart = P("data")

    def message(specs, in_specs, gradient_spec):
        tx = ldj.adafactor(specs={"a": specs}, axis_name=BOTH)
        params = {"a": jnp.ones(SHAPES["a"])}
        step = jax.shard_map(
            lambda params, grads: tx.update(grads, tx.init(params), params)[0],
            mesh=mesh_of("Auto"),
            in_specs=({"a": in_specs}, {"a": gradient_spec}),
            out_specs={"a": in_specs},
        )
        try:
            step(params, params)
        except LearnerError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    return [message(P(), apart, apart), message(apart, P(), P()), message(P(), P(), apart)]


def refused(rule, check_vma):
    """Return the error of an update inside shard_map."""
    tx = ldj.factory(getattr(learners, rule))(axis_name=BOTH)
    try:
        in_parts(tx, steps=1, check_vma=check_vma)
    except LearnerError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def distinct_draws(axis_name):
    """Return how many numbers are added to the 8 elements of `c`, which has two parts."""
    tx = ldj.noisy_sgd(lr=1.0, axis_name=axis_name)
    (start, _), (end, _) = in_parts(tx, steps=1)
    moved = np.asarray(end["c"]) - np.asarray(start["c"])
    return len(np.unique(np.round(moved + values(1)["c"], 9)))


def copied_to_devices():
    """Return how far pmap with averaged gradients leads away from updates on one device."""
    tx = ldj.lamb()
    one, _ = trained(tx, whole, steps=2)

    def step(params, state, grads):
        grads = jax.lax.pmean(grads, "i")
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    copies = jax.pmap(step, axis_name="i")
    params = whole(values(0))
    every = jax.tree.map(lambda x: jnp.stack([x] * 8), (params, tx.init(params)))
    found = [(params, None)]
    for k in (1, 2):
        grads = values(k)
        # Each device has other gradients, whose mean is that of one device.
        apart = np.arange(8).reshape(8, 1) - 3.5
        each = {n: g + np.reshape(apart, (8,) + (1,) * g.ndim) for n, g in grads.items()}
        every = copies(*every, each)
        jax.block_until_ready(every)
        found.append((jax.tree.map(lambda x: x[3], every[0]), None))
    return distance(one, found)


if __name__ == "__main__":
    jobs = json.loads(sys.argv[1])
    print(json.dumps([globals()[job](*arguments) for job, *arguments in jobs]))
