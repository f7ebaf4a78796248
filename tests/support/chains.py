"""Random runs of every transform with a rule, and the same runs by hand."""

import inspect

import numpy as np

import learnerdsl as ld
from learnerdsl import learners, transforms
from support import transforms_by_hand as references
from support.problems import RANGES
from support.references import REFERENCES

STEPS = 12
SHAPES = ((), (1,), (0,), (7, 5), (3, 4, 2))
RULES = ("sgd", "adam")
RANDOM = {"add_noise", "magma", "perturb"}
"""Transforms that draw random numbers, which no reference can."""

TRANSFORM_RANGES = {
    "max_value": (0.2, 1.0),
    "max_norm": (0.5, 3.0),
    "threshold": (0.2, 1.5),
    "clip_factor": (0.2, 1.5),
    "clip_eps": (0.5, 1.0),
    "largest_norm": (1.0, 2.0),
    "norm_scale": (0.5, 2.0),
    "norm_eps": (1e-6, 1e-3),
    "trust_coefficient": (0.5, 2.0),
    "trust_eps": (0.0, 1e-3),
    "min_scale": (0.5, 1.0),
    "coupled_decay": (0.01, 0.1),
    "decoupled_decay": (0.01, 0.1),
    "fixed_decay": (0.01, 0.1),
    "cautious_decay": (0.1, 0.5),
    "decay": (0.5, 0.9),
    "slow_step": (0.3, 0.7),
    "low": (-0.5, -0.1),
    "high": (0.1, 0.5),
    "radius": (3.0, 6.0),
    "l1": (0.1, 1.0),
    "noise_eta": (0.01, 0.1),
    "noise_gamma": (0.5, 0.6),
    "noise_std": (0.01, 0.1),
    "eta": (0.01, 0.2),
    "grokfast_alpha": (0.5, 0.9),
    "grokfast_lamb": (0.5, 2.0),
    "magma_beta": (0.5, 0.9),
    "magma_tau": (1.0, 3.0),
    "alignment_beta": (0.5, 0.9),
    "mechanic_decay": (0.01, 0.1),
    "mechanic_init": (0.01, 0.01),
    "mechanic_eps": (1e-8, 1e-6),
    "hyperball_eps": (1e-12, 1e-9),
    "qk_tau": (50.0, 200.0),
    "qk_alpha": (0.3, 1.0),
    "outward": (0.3, 0.7),
    "inward": (0.8, 1.2),
    "pinned_decay": (0.1, 0.5),
    "pin_eps": (1e-9, 1e-7),
    "floor": (0.5, 2.0),
    "row_floor": (0.5, 2.0),
    "ahead": (0.1, 0.5),
    "ahead_decay": (0.5, 0.9),
    "tail_steps": (2.0, 5.0),
    "tail_share": (0.3, 0.7),
}
OPTIONS = {
    "k": 3,
    "mechanic_betas": 3,
    "swa_start": 3,
    "swa_every": 2,
    "sync_period": 4,
    "tail_start": 3,
}


def extras_of(name, params, t=0):
    """What an update with a transform takes besides the gradients."""
    if name != "qk_clip":
        return {}
    rng = np.random.default_rng(t)
    return {"max_logit": [np.array(rng.uniform(1, 400, p.shape[0]), p.dtype) for p in params]}


def chain_of(name, rule_name):
    """The transform on its side of the rule."""
    transform, rule = getattr(transforms, name), getattr(learners, rule_name)
    members = (transform, rule) if transform.place == "before" else (rule, transform)
    return ld.chain(*members)


def options_of(name):
    """Values of the options of a transform."""
    return {option: OPTIONS[option] for option in getattr(transforms, name).options}


def hyperparameters(chain, rng, steps=STEPS):
    """A dict of hyperparameters for each step, all drawn anew."""
    names = [str(symbol) for symbol in chain.trace().hyperparameters]
    ranges = {**RANGES, **TRANSFORM_RANGES}
    return [{n: rng.uniform(*ranges[n]) for n in names} for _ in range(steps)]


def problem(name, rule_name, dtype=np.float64, shapes=SHAPES):
    """Parameters, gradients and hyperparameters of a run."""
    rng = np.random.default_rng([11, *name.encode(), *rule_name.encode()])
    shapes = [s for s in shapes if s or name != "qk_clip"]
    params = [np.array(rng.standard_normal(s), dtype) for s in shapes]
    gradients = [[np.array(rng.standard_normal(s), dtype) for s in shapes] for _ in range(STEPS)]
    if name in ("zero_nans", "apply_if_finite"):
        for k in (1, 4, 5):
            gradients[k][3][2, 1] = np.nan
    return params, gradients, hyperparameters(chain_of(name, rule_name), rng)


def follow(name, rule_name, start, gradients, hypers, **arguments):
    """Parameters and states after each update."""
    params = [p.copy() for p in start]
    learner = chain_of(name, rule_name)(params, **options_of(name), **arguments)
    path = []
    for t, (one, values) in enumerate(zip(gradients, hypers, strict=True), 1):
        for hyper, value in values.items():
            learner.hyperparameters[hyper] = value
        learner.update(one, **extras_of(name, params, t))
        states = [a.copy() for states in learner.state.values() for a in states.values()]
        path.append(([p.copy() for p in params], states))
    return path, learner


def follow_by_hand(name, rule_name, start, gradients, hypers):
    """The parameters after each update of the reference, and its states in the end."""
    transform = getattr(references, name)
    params, state, rule_state, updates, path = [p.copy() for p in start], {}, {}, 0, []
    for t, (one, values) in enumerate(zip(gradients, hypers, strict=True), 1):
        own = _taken(transform, {**values, **options_of(name), **extras_of(name, params, t)})
        grads = one
        if "new" not in inspect.signature(transform).parameters:
            grads = transform(params, one, state, t, **own)
        if grads is not None:
            updates += 1
            new = [p.copy() for p in params]
            rule = REFERENCES[rule_name]
            rule(new, [g.copy() for g in grads], rule_state, updates, **_taken(rule, values))
            if grads is one and "new" in inspect.signature(transform).parameters:
                new = transform(params, new, grads, state, t, **own)
            params = [np.array(n) for n in new]
        path.append([p.copy() for p in params])
    return path, state


def _taken(function, values):
    """The values that a reference takes."""
    arguments = inspect.signature(function).parameters.values()
    return {a.name: values[a.name] for a in arguments if a.kind is a.KEYWORD_ONLY}
