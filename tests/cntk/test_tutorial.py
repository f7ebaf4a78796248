"""What CNTK's tutorial on learners prints, number for number."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import learnerdsl.cntk as C

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "cntk_tutorial.ipynb"
MINIBATCH = C.UnitType.minibatch


def test_our_own_tutorial_runs_and_every_learner_reads_digits(capsys):
    pytest.importorskip("sklearn")
    names = {"__name__": "tutorial"}
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), f"{NOTEBOOK.name}, cell {number}", "exec")
            exec(code, names)
    assert len(names["accuracies"]) == 12
    assert min(names["accuracies"].values()) >= 0.95
    assert "1 pass, 20 bytes per element" in capsys.readouterr().out


def rate(value):
    return C.learning_rate_schedule(value, MINIBATCH)


def my_rmsprop(parameters, gradients):
    updates = []
    for p, g in zip(parameters, gradients, strict=True):
        a = C.constant(1e-6, shape=p.shape, dtype=p.dtype)
        a_new = C.assign(a, 0.999 * a + 0.001 * g * g)
        updates.append(C.assign(p, p - 0.01 * g / C.sqrt(a_new)))
    return C.combine(updates)


PER_300 = C.momentum_as_time_constant_schedule(300)
PER_1000 = C.momentum_as_time_constant_schedule(1000)
MOMENTUM = math.exp(-10 / 300)
RMSPROP = {"gamma": 0.999, "inc": 1 + 1e-9, "dec": 1 - 1e-9, "max": np.inf, "min": 1e-30}
CASES = {
    "per sample": (
        lambda p: C.sgd(p, C.learning_rate_schedule(0.5, C.UnitType.sample)),
        2,
        1,
        -0.5,
    ),
    "per minibatch": (lambda p: C.sgd(p, rate(0.5)), 2, 1, -0.25),
    "momentum": (lambda p: C.momentum_sgd(p, rate(1), MOMENTUM, unit_gain=False), 10, 5, -1.436),
    "time constant": (
        lambda p: C.momentum_sgd(p, rate(1), PER_300, unit_gain=False),
        10,
        5,
        -1.436,
    ),
    "unit gain": (lambda p: C.momentum_sgd(p, rate(1 / (1 - MOMENTUM)), MOMENTUM), 10, 5, -1.436),
    "adadelta": (lambda p: C.adadelta(p, rate(1), 0.999, 1e-6), 32, 10, -0.0099),
    "adagrad": (lambda p: C.adagrad(p, rate(1)), 32, 10, -0.3125),
    "adam": (lambda p: C.adam(p, rate(1), PER_1000, unit_gain=False), 32, 10, -9.9203),
    "adamax": (
        lambda p: C.adam(p, rate(1), PER_1000, unit_gain=False, adamax=True),
        32,
        10,
        -9.9227,
    ),
    "fsadagrad": (lambda p: C.fsadagrad(p, rate(1), PER_1000, unit_gain=False), 32, 10, -8.8573),
    "rmsprop": (lambda p: C.rmsprop(p, rate(1), **RMSPROP), 32, 10, -0.3125),
    "tuned adadelta": (lambda p: C.adadelta(p, rate(1004), 0.999, 1e-6), 32, 10, -9.9228),
    "universal": (lambda p: C.universal(my_rmsprop, p), 10, 2, -0.5397),
}


@pytest.mark.parametrize(("make", "size", "count", "expected"), CASES.values(), ids=CASES)
def test_gradients_of_1_lead_where_they_led_under_cntk(make, size, count, expected):
    p = C.parameter((4, 2), init=0)
    learner = make([p])
    for _ in range(count):
        learner.update({p: np.ones((4, 2), np.float32)}, size)
    assert p.value[0] == pytest.approx([expected] * 2, abs=6e-5)
