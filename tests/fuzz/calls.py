"""Wrong calls of the public API: only a LearnerError is right, and an unchanged learner."""

import itertools
import random

import numpy as np
import sympy

import learnerdsl as ld
from learnerdsl import learners, transforms

VALUES = (
    *(None, True, False, 0, -1, 3, 2**70, 10**400, 0.5, float("nan"), float("inf"), -1e308, 1j),
    *("", "x", "lr", "not a name", "class", "\u00b5", b"bytes", (), [], {}, set(), (1, 2), [None]),
    *({"a": 1}, {"lr": "x"}, range(3), object(), int, len, lambda: 1, lambda step: "x", Ellipsis),
    *(np.float32(1), np.nan, np.zeros(0), np.zeros(3), np.zeros((3, 4), int), np.array("x")),
    *(
        np.zeros(3, complex),
        np.ma.zeros(3),
        np.zeros((3, 4))[::2],
        np.zeros(3, object),
        [np.ones(3)],
    ),
    *(sympy.Symbol("z"), sympy.oo, sympy.nan, sympy.I, sympy.Integer(2), ld.step, ld.pi > 3),
    *(learners.adam, transforms.ema, ld.RowSparse(np.array([0]), np.ones((1, 4)), (3, 4))),
)
"""What is put in every place."""


@ld.rule
def victim(p, g, lr=0.1, mu=0.9, nesterov=False):
    v = ld.state("v")
    total = ld.state("total", shape="model")
    v_new = ld.assign(v, mu * v + g)
    total_new = ld.assign(total, total + ld.sum(g, over="model"))
    return ld.combine([total_new, ld.assign(p, p - lr * (g if nesterov else v_new))])


class Target:
    """A learner that wrong calls are made on, and what it must still hold afterwards."""

    def __init__(self):
        self.params = {"w": np.ones((3, 4)), "b": np.ones(4)}
        self.gradients = {"w": np.full((3, 4), 0.5), "b": np.full(4, 0.25)}
        self.learner = victim(self.params)
        self.learner.update(self.gradients)

    def held(self):
        state = self.learner.state_dict()
        arrays = [a.tobytes() for own in state.pop("state").values() for a in own.values()]
        return repr(state), arrays, [p.tobytes() for p in self.params.values()]

    def calls(self):
        """Name -> function of one wrong value."""
        learner, params, gradients = self.learner, self.params, self.gradients

        def in_state_dict(key):
            return lambda x: learner.load_state_dict({**learner.state_dict(), key: x})

        def set_hyper(x):
            learner.hyperparameters["lr"] = x

        return {
            "update": learner.update,
            "update of one": lambda x: learner.update({**gradients, "w": x}),
            "minibatch_size": lambda x: learner.update(gradients, x),
            "an extra": lambda x: learner.update(gradients, loss=x),
            "a name": lambda x: learner.update(gradients, **{str(x): 1.0}),
            "hyperparameter": set_hyper,
            "hyperparameter name": lambda x: learner.hyperparameters[x],
            "load_state_dict": learner.load_state_dict,
            **{f"state dict's {key}": in_state_dict(key) for key in learner.state_dict()},
            "load": lambda x: learner.load(x) if not isinstance(x, int) else None,
            "params": lambda x: victim(x),
            "params of one": lambda x: victim({**params, "w": x}),
            "backend": lambda x: victim(params, backend=x),
            "groups": lambda x: victim(params, groups=x),
            "group": lambda x: victim(params, groups=[{"params": ["w"], "lr": x}]),
            "group params": lambda x: victim(params, groups=[{"params": x}]),
            "nonfinite": lambda x: victim(params, nonfinite=x),
            "seed": lambda x: victim(params, seed=x),
            "states": lambda x: victim(params, states=x),
            "a state's type": lambda x: victim(params, states={"v": x}),
            "name of a state's type": lambda x: victim(params, states={str(x): "int8"}),
            "master": lambda x: victim(params, master=x),
            "rounding": lambda x: victim(params, rounding=x),
            "option": lambda x: victim(params, nesterov=x),
            "RowSparse indices": lambda x: ld.RowSparse(x, np.ones((1, 4)), (3, 4)),
            "RowSparse values": lambda x: ld.RowSparse(np.array([0]), x, (3, 4)),
            "RowSparse shape": lambda x: ld.RowSparse(np.array([0]), np.ones((1, 4)), x),
            "chain": lambda x: ld.chain(x, victim),
            "chain name": lambda x: ld.chain(victim, name=x),
            "renamed": lambda x: ld.renamed(x, lr="rate"),
            "renamed to": lambda x: ld.renamed(victim, lr=x),
            "rule": lambda x: ld.rule(x),
            "rule default": lambda x: ld.rule(_with_default(x)),
            "transform": lambda x: ld.transform(x),
            "transform place": lambda x: ld.transform(_with_default(0.5), place=x),
            **{f"rule: {name}": _in_rule(made) for name, made in IN_RULES.items()},
            **{f"schedule: {name}": made for name, made in SCHEDULES.items()},
        }


def _with_default(value):
    def function(p, g, lr=value):
        return ld.assign(p, p - lr * g)

    return function


def _in_rule(made):
    """A wrong value within a rule's function."""

    def call(x):
        def function(p, g):
            return made(p, g, x)

        return ld.rule(function).trace(shape=(3, 4))

    return call


IN_RULES = {
    "state name": lambda p, g, x: ld.combine([ld.assign(ld.state(x), g), ld.assign(p, g)]),
    "state init": lambda p, g, x: ld.combine([ld.assign(ld.state("s", x), g), ld.assign(p, g)]),
    "state shape": lambda p, g, x: ld.combine(
        [ld.assign(ld.state("s", shape=x), 1), ld.assign(p, g)]
    ),
    "state dtype": lambda p, g, x: ld.combine(
        [ld.assign(ld.state("s", dtype=x), g), ld.assign(p, g)]
    ),
    "state ring": lambda p, g, x: ld.combine(
        [ld.assign(ld.state("s", ring=x), g), ld.assign(p, g)]
    ),
    "assign": lambda p, g, x: ld.assign(p, x),
    "assign to": lambda p, g, x: ld.assign(x, g),
    "let": lambda p, g, x: ld.assign(p, ld.let("u", x) + g),
    "let name": lambda p, g, x: ld.assign(p, ld.let(x, g)),
    "let dtype": lambda p, g, x: ld.assign(p, ld.let("u", g, dtype=x)),
    "extra": lambda p, g, x: ld.assign(p, p - ld.extra(x) * g),
    "extra shape": lambda p, g, x: ld.assign(p, p - ld.extra("h", shape=x) * g),
    "combine": lambda p, g, x: ld.combine(x),
    "combine of": lambda p, g, x: ld.combine([ld.assign(p, g), x]),
    "evaluate": lambda p, g, x: (ld.evaluate(x), ld.assign(p, g))[1],
    "where": lambda p, g, x: ld.assign(p, ld.where(x, p, g)),
    "where then": lambda p, g, x: ld.assign(p, ld.where(g > 0, x, g)),
    "clip": lambda p, g, x: ld.assign(p, ld.clip(g, x, 1)),
    "maximum": lambda p, g, x: ld.assign(p, ld.maximum(g, x)),
    "sum": lambda p, g, x: ld.assign(p, g * ld.sum(x)),
    "sum over": lambda p, g, x: ld.assign(p, ld.sum(g, over=x)),
    "sum axis": lambda p, g, x: ld.assign(p, g * ld.sum(g, axis=x)),
    "sum block": lambda p, g, x: ld.assign(p, g * ld.sum(g, block=x)),
    "size": lambda p, g, x: ld.assign(p, g * ld.size(x)),
    "size axis": lambda p, g, x: ld.assign(p, g * ld.size(p, axis=x)),
    "matmul": lambda p, g, x: ld.assign(p, ld.matmul(ld.matmul(g, ld.transpose(g)), x)),
    "identity": lambda p, g, x: ld.assign(p, ld.matmul(ld.identity(x), g)),
    "inverse_root": lambda p, g, x: ld.assign(
        p, ld.matmul(ld.inverse_root(ld.matmul(g, ld.transpose(g)), x), g)
    ),
    "ndim": lambda p, g, x: ld.assign(p, g * ld.ndim(x)),
    "returned": lambda p, g, x: (ld.assign(p, g), x)[1],
    "remainder": lambda p, g, x: ld.assign(p, g % x),
    "power": lambda p, g, x: ld.assign(p, g**x),
    "equal": lambda p, g, x: ld.assign(p, ld.where(ld.equal(g, x), p, g)),
}
SCHEDULES = {
    "cosine": lambda x: ld.schedules.cosine(x, steps=10),
    "cosine steps": lambda x: ld.schedules.cosine(0.1, steps=x),
    "linear": lambda x: ld.schedules.linear(0.1, x, steps=10),
    "exponential": lambda x: ld.schedules.exponential(0.1, x),
    "step": lambda x: ld.schedules.cosine(0.1, steps=10)(x),
}
PYTHONS = (TypeError, AttributeError)
"""What Python itself raises for a signature, or for what a value of another library cannot do."""


def wrong_calls(seed, count):
    """So many wrong calls of a seed: those that end in another way than they should."""
    rng = random.Random(seed)
    target = Target()
    places = list(itertools.product(target.calls(), range(len(VALUES))))
    found = []
    for name, number in rng.sample(places, min(count, len(places))):
        sentence = tried(target, name, VALUES[number])
        if sentence:
            found.append(f"{name} <- {VALUES[number]!r:.60}: {sentence}")
            target = Target()
    return found


def tried(target, name, value):
    """What is wrong with a call, or None."""
    before = target.held()
    try:
        with np.errstate(all="ignore"):
            target.calls()[name](value)
    except ld.LearnerError:
        if target.held() != before:
            return "refused, but the learner has changed"
    except PYTHONS as error:
        if "unexpected keyword" in str(error) or _is_of_sympy(error):
            return None
        return f"{type(error).__name__}: {str(error)[:120]}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    else:
        if target.held() != before:
            target.__init__()
    return None


def _is_of_sympy(error):
    """Whether the user's own line raised it: arithmetic of a symbol with what is no number."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    return "learnerdsl" not in frame.tb_frame.f_code.co_filename.replace("tests", "")
