"""The loss after some jitted updates as a function of hyperparameters, to be differentiated."""

import jax
import numpy as np
import optax

import learnerdsl.jax as ldj
from support.problems import ARRAY_EXTRAS, fitted

STEPS = 12
"""More than the ten steps after which adashift begins to move."""

SHARE = 0.8
"""Part of the default learning rate: at exactly 1 the estimates of distances have a kink."""


class Training:
    """Some updates by a rule that minimize a sum of squares, and what they depend on."""

    def __init__(self, rule):
        numbers = np.random.default_rng(5)
        self.rule = rule
        shapes = fitted(rule.name, ((4, 3), (6,)))
        self.traced = rule.trace(shape=shapes[0])
        self.start = [jax.numpy.asarray(numbers.normal(size=s)) for s in shapes]
        self.targets = [jax.numpy.asarray(numbers.normal(size=s)) for s in shapes]
        names = [h.name for h in self.traced.hyperparameters]
        defaults = dict(zip(names, self.traced.defaults, strict=True))
        known = {n: v for n, v in defaults.items() if isinstance(v, (int, float))}
        chosen = [n for n in ("lr", "beta2") if n in known] or sorted(known)[:1]
        self.names = chosen
        self.values = jax.numpy.asarray([known[n] * (SHARE if n == "lr" else 1) for n in chosen])

    def loss(self, params):
        pairs = zip(params, self.targets, strict=True)
        weights = [jax.numpy.arange(1.0, 1 + t.size).reshape(t.shape) for t in self.targets]
        return sum(((p - t) ** 2 * w).mean() for (p, t), w in zip(pairs, weights, strict=True))

    def __call__(self, values):
        """Return the loss after the updates."""
        transformation = ldj.factory(self.rule)(**dict(zip(self.names, values, strict=True)))
        update = jax.jit(transformation.update)

        def once(held, _):
            params, state = held
            loss, gradients = jax.value_and_grad(self.loss)(params)
            extras = {e.name: loss for e in self.traced.extras if e.shape == "model"}
            extras |= dict.fromkeys(self.own_arrays(), gradients)
            changes, state = update(gradients, state, params, minibatch_size=3, **extras)
            return (optax.apply_updates(params, changes), state), None

        held = self.start, transformation.init(self.start)
        (params, _), _ = jax.lax.scan(once, held, None, length=STEPS)
        return self.loss(params)

    def own_arrays(self):
        return [e.name for e in self.traced.extras if e.name in ARRAY_EXTRAS]

    def differences(self):
        """Return the derivatives by differences."""
        loss = jax.jit(self)
        found = []
        for place, value in enumerate(self.values):
            step = 1e-4 * min(abs(value), abs(1 - value))  # what a mean forgets is 1 - beta
            above, below = (loss(self.values.at[place].add(s)) for s in (step, -step))
            found.append(float(above - below) / float(2 * step))
        return np.array(found)
