"""Random number types for random rules, judged as rules are, beside a step of each storage."""

import random
from dataclasses import dataclass, replace

import numpy as np
from support.precisions import BITS, LOWEST, copied, level, numpy_type, spacing

import learnerdsl as ld
from learnerdsl.check.comparison import TIMES
from learnerdsl.check.judges import Judges
from learnerdsl.check.running import OnArrays
from learnerdsl.check.values import Precision, Value
from learnerdsl.interpret.pieces import decode_states
from learnerdsl.storage import BLOCK, MASTERS, STORAGES

NARROW = ("bfloat16", "float16")
LARGEST = {"bfloat16": 3.3e38, "float16": 65000.0, "float32": 3.4e38, "float64": 1e308}
EXTENDED = {"float32": 24, "split16": 24, "split8": 16, "kahan": 16}
"""Bits of a weight that a master keeps, at least."""


@dataclass(frozen=True)
class Choice:
    """Number types of a trial.

    Attributes:
        parameters: type of each tensor, in turn.
        gradients: type of the gradients of each update, in turn; "" for those of the parameters.
        states: types for the states, in turn; "" for that of the arithmetic.
        master: of the narrow parameters, if all of these can have it.
        rounding: how values are rounded.
    """

    parameters: tuple[str, ...] = ("bfloat16",)
    gradients: tuple[str, ...] = ("",)
    states: tuple[str, ...] = ("",)
    master: str | None = None
    rounding: str = "nearest"

    def fitted(self, rule, params):
        """The arguments that a rule allows: a state that is refused a type has the usual one."""
        own = {array.dtype.name for array in params} - {"float32"}
        master = self.master if own and own <= set(_parameters_of(self.master)) else None
        states = {}
        names = list(dict.fromkeys(_names(rule, params)))
        for k, name in enumerate(names):
            wanted = self.states[k % len(self.states)]
            if not wanted:
                continue
            try:
                rule(params, backend="numpy", states={**states, name: wanted})
            except ld.HyperparameterError as error:
                if "cannot be stored as" not in str(error):
                    raise
            else:
                states[name] = wanted
        return {"states": states, "master": master, "rounding": self.rounding}


def _parameters_of(master):
    return MASTERS[master].parameters if master else ()


def _names(rule, params):
    for array in params:
        for spec in rule.trace(shape=array.shape).states:
            symbol = spec.symbol
            is_ring = type(symbol).__name__ == "RingState"
            yield symbol.name.rpartition("_")[0] if is_ring else symbol.name


def random_choice(seed, is_sparse):
    """The number types of a seed, or None for the plain dtype of a recipe."""
    rng = random.Random(f"number types {seed}")
    if rng.random() < 0.5:
        return None
    kinds = ["", "bfloat16", "bfloat16", "float16"]
    kinds += [] if is_sparse else ["int8", "uint8"]
    one = rng.choice((*NARROW, "float32"))
    several = tuple(rng.choice((*NARROW, "float32")) for _ in range(2))
    return Choice(
        parameters=(one,) if rng.random() < 0.7 else several,
        gradients=tuple(rng.choice(("", "", *BITS)) for _ in range(3)),
        states=tuple(rng.choice(kinds) for _ in range(3)),
        master=rng.choice((None, None, *MASTERS)),
        rounding=rng.choice(("nearest", "stochastic")),
    )


def simpler_choices(choice):
    """Choices that are a little plainer."""
    plain = Choice(parameters=choice.parameters[:1])
    for name in ("gradients", "states", "master", "rounding", "parameters"):
        if getattr(choice, name) != getattr(plain, name):
            yield replace(choice, **{name: getattr(plain, name)})


class NarrowJudges(Judges):
    """Judges of a rule whose arrays are stored in narrow types.

    The function on arrays gets what was in memory, decoded; what it gives may be off by a step of
    the storage of each array.
    """

    def __init__(self, rule, params, choice, groups, seed):
        kinds = [choice.parameters[k % len(choice.parameters)] for k in range(len(params))]
        with np.errstate(all="ignore"):
            pairs = zip(params, kinds, strict=True)
            self.memory = [np.asarray(p).astype(numpy_type(kind)) for p, kind in pairs]
        self.twin_memory = [p.copy() for p in self.memory]
        more = {**choice.fitted(rule, self.memory), "groups": groups, "seed": seed}
        self.learner = rule(self.memory, backend="cpu", **more)
        self.oracle = rule(self.twin_memory, backend="numpy", **more)
        self.function = OnArrays.of(rule)
        described = self.learner.state_dict()
        self.rules = self.learner._rules
        self.options = described["options"]
        self.group_of = [row[3] for row in described["parameters"]]
        self.kind = Precision.of(np.float32)
        self.clock = {"step": 0.0, "samples": 0.0, "minibatch_size": 1.0, "seed": float(seed)}

    @property
    def parameters(self):
        return list(self.learner.master_parameters().values())

    @property
    def twins(self):
        return list(self.oracle.master_parameters().values())

    def level(self):
        level(self.learner, self.oracle, self.memory, self.twin_memory)

    def inputs(self, gradients, extras, starting=False):
        return super().inputs(list(map(in_float32, gradients)), extras, starting)

    def states(self, tensor):
        return self.values(self.learner, tensor)

    def values(self, learner, tensor):
        """The decoded states of a tensor and of the model."""
        pieces = {n: a[tensor] for n, a in copied(learner).items() if a[tensor] is not None}
        values = decode_states(self.rules[tensor], learner._precisions[tensor], pieces)
        return {**values, **{n: np.float64(v) for n, v in learner.model_state.items()}}

    def judged(self, update, expected, rows=None):
        own, other = self.parameters, self.twins
        found = []
        for k, values in enumerate(expected):
            got = {"parameter": own[k], **self.values(self.learner, k)}
            twin = {"parameter": other[k], **self.values(self.oracle, k)}
            some = ... if rows is None or rows[k] is None else rows[k]
            for name, value in values.items():
                pair = [
                    np.array(a[name][some] if np.ndim(a[name]) else a[name]) for a in (got, twin)
                ]
                found.append(self.judgement(name, k, value, *pair, update))
        return found

    def judgement(self, name, tensor, value, own, other, update=None):
        own, other = (np.asarray(a).astype(np.float64) for a in (own, other))
        precision = self.learner._precisions[tensor]
        storage, bits = STORAGES[precision.parameter], 0
        if name == "parameter" and precision.master:
            bits = EXTENDED[precision.master]
        elif name not in ("parameter", "evaluation parameter"):
            storage = precision.state(name)
        if value.is_array or own.ndim:
            value = widened(value, storage, bits or BITS.get(storage.name, 0))
        return super().judgement(name, tensor, value, own, other, update)


def in_float32(gradient):
    """A gradient as kernels read it."""
    with np.errstate(all="ignore"):
        if isinstance(gradient, ld.RowSparse):
            values = gradient.values.astype(np.float32)
            return ld.RowSparse(gradient.indices, values, gradient.shape)
        return gradient.astype(np.float32)


def widened(value, storage, bits):
    """A value whose bound has room for a step of its storage."""
    with np.errstate(all="ignore"):
        size = np.abs(value.number) + TIMES * value.bound
        if storage.block:
            step = step_of_8_bits(size, storage)
        else:
            step = spacing(size.astype(np.float64), bits, LOWEST[storage.name])
            step = np.where(size < LARGEST[storage.name], step, np.inf)
        bound = value.bound + step / TIMES
    return Value(value.number, bound, value.is_array)


def step_of_8_bits(size, storage):
    """The largest step of a code at these magnitudes."""
    flat = np.asarray(size, np.float64).reshape(-1)
    found = np.empty(flat.size)
    for start in range(0, flat.size, BLOCK):
        part = flat[start : start + BLOCK]
        top = part.max() if np.isfinite(part).all() and part.max() < 1e38 else np.inf
        if storage.is_signed:
            found[start : start + BLOCK] = top * 4 / 254 + 1e-44
        else:
            found[start : start + BLOCK] = 2 * np.sqrt(part * top) / 255 + top / 255**2 + 1e-44
    return found.reshape(np.shape(size))


def given(gradients, kinds, params, update):
    """The gradients of an update in the type of the choice, and as the function gets them."""
    kind = kinds[update % len(kinds)]
    with np.errstate(all="ignore"):
        return [
            g.astype(numpy_type(kind or p.dtype.name))
            for g, p in zip(gradients, params, strict=True)
        ]
