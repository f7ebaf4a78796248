"""What tests of number types share: learners of each kind, and what they hold."""

import ml_dtypes
import numpy as np

from learnerdsl.learners import adamw
from support.small_rules import train

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
TYPES = {
    "float32": np.dtype("f4"),
    "float64": np.dtype("f8"),
    "bfloat16": BFLOAT16,
    "float16": np.dtype("f2"),
}
CODES = {"m": "int8", "v": "uint8"}
STATES = {"float32": None, "bfloat16": "bfloat16", "float16": "float16", "8 bits": CODES}
MASTERS = (None, "float32", "split16", "split8", "kahan")


def arrays(kind):
    """More elements than a block of 8-bit states, and a vector."""
    wide = {"w": np.linspace(-1, 1, 300).reshape(20, 15), "b": np.linspace(1, 2, 4)}
    return {name: array.astype(TYPES[kind]) for name, array in wide.items()}


def learner_of(kind="bfloat16", rule=adamw, updates=0, **settings):
    """A learner of parameters of a number type, after some updates."""
    learner = rule(arrays(kind), lr=0.01, **settings)
    train(learner, range(updates))
    return learner


def everything(learner):
    """All arrays of a learner, as bytes, and its clock."""
    saved = learner.state_dict(parameters=True)
    kept = [{**saved["state"][n], "parameter": saved["values"][n]} for n in saved["state"]]
    bytes_of = [{key: np.asarray(a).tobytes() for key, a in one.items()} for one in kept]
    return bytes_of, saved["step_count"], saved["seed"]


def fits(kind, master):
    """Whether parameters of a type can have a master weight."""
    return kind == "bfloat16" or (kind == "float16" and master in (None, "float32", "kahan"))


CHOICES = {
    "float32": {"kind": "float32"},
    "float64": {"kind": "float64"},
    "bfloat16": {"kind": "bfloat16"},
    "bfloat16 states": {"kind": "bfloat16", "states": "bfloat16"},
    "float16": {"kind": "float16", "states": "float16"},
    "8 bits": {"kind": "bfloat16", "states": CODES},
    "master": {"kind": "bfloat16", "master": "float32", "states": CODES},
    "split16": {"kind": "bfloat16", "master": "split16"},
    "split8": {"kind": "bfloat16", "master": "split8", "states": "bfloat16"},
    "kahan": {"kind": "bfloat16", "master": "kahan", "states": "bfloat16"},
}
"""Name -> arguments of `learner_of`."""
