"""The entries of the third track of modded-nanogpt beside their optimizers in NumPy."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import track3_by_hand as track3

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples/nanogpt_track3"
STEPS = 20
SOAP_LIKE = {"soap_h", "kl_soap_h", "record_46"}
TOLERANCE = 1e-9  # of the movement


@pytest.fixture(scope="module")
def entries():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("entries").ENTRIES
    sys.path.remove(str(FOLDER))


def shapes(name):
    """Return the parameters of a small model.

    The Gram matrices of one gradient that is not square are singular, and nothing says what basis
    of their null space SOAP begins with; so its matrices are square here.
    """
    wide = (6, 6) if name in SOAP_LIKE else (6, 9)
    return {
        "embed.weight": (7, 6),
        "proj.weight": (7, 6),
        "blocks.0.attn.q.weight": (6, 6),
        "blocks.0.attn.proj.weight": (6, 6),
        "blocks.0.mlp.fc.weight": wide[::-1],
        "blocks.0.mlp.proj.weight": wide,
        "blocks.0.norm1.gains": (6,),
        "blocks.0.attn.proj.bias": (6,),
        "blocks.0.mlp.fc.bias": (9,),
    }


def rate_of(peak, share, steps=STEPS, power=1.0, warm_up=1):
    def rate(k):
        left = min(1.0, (steps - k) / (share * steps))
        return peak * left**power * min(1.0, (k + 1) / warm_up)

    return rate


def power_cool(peak, coefficient):
    return lambda k: min(peak, coefficient * (2900 / STEPS) ** 1.2 * (STEPS - k) ** 1.2)


HIDDEN = {
    "adam": lambda _: track3.Adam(rate_of(0.0015, 0.7, warm_up=250), (0.9, 0.95), 0.1),
    "muon_tuned": lambda _: track3.Muon(rate_of(0.025, 0.7), decay=0.05),
    "muon_h": lambda _: track3.Muon(rate_of(0.018, 1)),
    "normuon_h": lambda _: track3.Muon(rate_of(0.018, 1), beta2=0.95),
    "kl_soap_h": lambda _: track3.KlSoapH(rate_of(0.018, 1)),
    "soap_h": lambda _: track3.SoapH(rate_of(0.018, 1, STEPS * 3200 // 3125, 1.25)),
    "psgd": lambda name: track3.Psgd(rate_of(0.025, 1), list(shapes("psgd")).index(name)),
    "shampoo": lambda _: track3.Shampoo(rate_of(0.0015, 0.7)),
    "muown": lambda name: track3.Muown(
        rate_of(0.00325, 0.7, power=0.9),
        STEPS,
        2.496 * (3.33333333333 if "mlp.proj" in name else 1.0),
    ),
}
# Rates of embedding, head and vectors; share of the cool-down, its power, warm-up and decay.
BASE = (0.3, 1 / 320, 0.01)
OTHERS = {
    "adam": (BASE, 0.7, 1.0, 250, 0.0),
    "muon_tuned": ((0.7, 0.004, 0.015), 0.7, 1.0, 1, 0.001),
    "shampoo": (BASE, 0.7, 1.0, 1, 0.0),
    "muown": ((0.6, 0.009375, 0.03), 0.7, 0.9, 1, 0.0),
}


def late(peak, steps=STEPS):
    return lambda k: peak * (1 - 0.9 * max(0.0, (k - steps // 2) / (steps - steps // 2)))


def optimizer(entry, name, shape):
    if len(shape) == 2 and name.startswith("blocks."):
        return HIDDEN[entry](name)
    rates, share, power, warm_up, decay = OTHERS.get(entry, (BASE, 0.4, 1.0, 1, 0.0))
    peak = rates[2] if len(shape) == 1 else rates[0] if name.startswith("embed") else rates[1]
    rate = late(peak) if entry == "psgd" else rate_of(peak, share, STEPS, power, warm_up)
    return track3.Adam(rate, (0.8, 0.95), decay)


def of_record(name, shape):
    """Return the optimizer of a parameter in #46, with its schedules squeezed into few steps."""
    if len(shape) == 1:
        beta2 = 0.99 if "gains" in name else 0.9965 if "attn.proj" in name else 0.997
        rate = power_cool(0.01, 1.6589351369335795e-06)
        return track3.Adam(rate, (0.8, beta2), corrects=False)
    if name == "embed.weight":
        return track3.Adam(power_cool(0.3, 4.976805410800738e-05), (0.8, 0.99))
    if name == "proj.weight":
        return track3.Adam(power_cool(1 / 320, 5.184172302917436e-07), (0.8, 0.99))

    def momentum(k):  # up until 2, down from 18 to 20
        return 0.85 + 0.1 * min(k / 2, 1, (20 - k) / 2)

    def gate(k):  # a floor until 9 that fades until 11
        return 0.45 * min(max((11 - k) / 2, 0), 1), 0.85 if k < 11 else 1.0

    is_gated = name.endswith("attn.proj.weight")
    rate = power_cool(0.0375, 3.3169534699576625e-06)
    return track3.Record(rate, momentum, gate if is_gated else None)


def draw(name):
    """Return parameters and gradients, which are long, as sums over a minibatch are.

    Not so for SOAP-H: in the eigenvectors of its first gradient that is diagonal, so the first
    update divides rounding errors by themselves, unless epsilon is much longer than these.
    """
    numbers = np.random.default_rng(3)
    length = 1e-3 if name == "soap_h" else 1e4
    start = {key: numbers.normal(size=shape) for key, shape in shapes(name).items()}
    gradients = [
        {key: length * numbers.normal(size=shape) for key, shape in shapes(name).items()}
        for _ in range(STEPS)
    ]
    return start, gradients


def assert_close(ours, expected, start):
    for key, value in expected.items():
        moved = np.abs(value - start[key]).max()
        assert moved > 1e-4, key
        assert np.abs(ours[key] - value).max() < TOLERANCE * moved, key


@pytest.mark.parametrize("name", HIDDEN)
def test_entry_is_the_optimizer_of_its_script(entries, name):
    start, gradients = draw(name)
    parameters = {key: value.copy() for key, value in start.items()}
    learner = entries[name](STEPS).learner(parameters)
    expected = dict(start)
    optimizers = {key: optimizer(name, key, value.shape) for key, value in start.items()}

    for k, given in enumerate(gradients):
        assert learner.update({key: value.copy() for key, value in given.items()})
        expected = {key: optimizers[key].move(expected[key], given[key], k) for key in start}

    assert_close(parameters, expected, start)


def test_record_is_its_script_with_both_averages(entries):
    start, gradients = draw("record_46")
    parameters = {key: value.copy() for key, value in start.items()}
    learner = entries["record_46"](STEPS).learner(parameters)
    rate = power_cool(0.3, 4.976805410800738e-05)
    for key, value in start.items():
        one, weights, moves, average = of_record(key, value.shape), value, 0.0 * value, value
        for k, given in enumerate(gradients):
            is_ahead = k + 1 > 2 and k < 13
            trained = weights + (rate(k - 1) * moves if is_ahead else 0)
            new = one.move(trained, given[key], k)
            moves, weights = 0.99 * moves + 0.01 * (new - weights), new
            average = average + (new - average) / 150 if k + 1 > 16 else new
        share = 0 if key == "embed.weight" else 0.6
        start[key] = value, weights, (1 - share) * weights + share * average

    for given in gradients:
        assert learner.update({key: value.copy() for key, value in given.items()})

    before, trained, averaged = ({k: v[i] for k, v in start.items()} for i in range(3))
    assert_close(parameters, trained, before)
    assert_close(learner.evaluation_parameters(), averaged, before)


def test_every_entry_says_its_number_and_steps(entries):
    for make in entries.values():
        entry = make()
        assert make.__doc__.startswith(f"#{entry.number}, {entry.reached} steps")
        table = (FOLDER / "README.md").read_text(encoding="utf-8")
        assert f"| `{make.__name__}` | {entry.number} | {entry.reached} |" in table


@pytest.mark.parametrize("name", ["muon_h", pytest.param("record_46", marks=pytest.mark.slow)])
def test_script_trains_a_tiny_model(name):
    pytest.importorskip("torch")
    arguments = ("--entry", name, "--tiny", "--steps", "3")
    done = subprocess.run(
        [sys.executable, str(FOLDER / "train.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = [float(x) for x in re.findall(r"validation loss ([\d.]+)", done.stdout)]
    assert len(losses) == 2
    assert losses[1] < losses[0]
