"""Define `learnerdsl new`: a file with a rule, its reference in NumPy, and tests of both."""

import keyword
from pathlib import Path

import click

from learnerdsl.command.names import check_names
from learnerdsl.command.output import results
from learnerdsl.errors import FileError, LearnerError, UnknownNameError
from learnerdsl.files import replace_file

TEMPLATE = '''"""The rule {name}, a reference in NumPy, and tests that compare them.

Run the tests with `pytest {file}`; see what the rule compiles to with `learnerdsl show {file}`.
"""

import numpy as np

import learnerdsl as ld


@ld.rule
def {name}(p, g, lr=0.01, beta=0.9):
    """TODO: say in one line what the rule does. This one is SGD with a running mean.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate.
        beta: share of the mean that is kept.
    """
    m = ld.state("m")
    m_new = ld.assign(m, beta * m + (1 - beta) * g)
    return ld.assign(p, p - lr * m_new)


def {name}_by_hand(p, gradients, lr=0.01, beta=0.9):
    """Return the parameter after each gradient: write it from the paper, without the rule."""
    m = np.zeros_like(p)
    for g in gradients:
        m = beta * m + (1 - beta) * g
        p = p - lr * m
        yield p


def test_follows_the_reference():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4))
    gradients = rng.normal(size=(20, 3, 4))
    weights = start.copy()
    learner = {name}([weights])
    for gradient, expected in zip(gradients, {name}_by_hand(start, gradients)):
        learner.update([gradient])
        np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-12)


def test_computes_what_its_function_says():
    ld.check({name})


def test_lowers_a_loss():
    weights = np.array([3.0, -2.0])
    learner = {name}([weights])
    for _ in range(1000):
        learner.update([weights.copy()])  # the gradient of half the square
    assert np.abs(weights).max() < 0.1
'''


@click.command("new")
@click.argument("name")
@click.option("--output", metavar="FILE", help="Where to write it; default: NAME.py.")
def command(name: str, output: str | None) -> None:
    """Write a file with a rule NAME to fill in, its reference in NumPy, and tests that pass."""
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        msg = f"A rule is a function, so {name!r} cannot be its name; write for example my_rule."
        raise LearnerError(msg)
    if _is_builtin(name):
        msg = f"{name} is a builtin; choose another name, so that the two are not confused."
        raise LearnerError(msg)
    path = Path(output or f"{name}.py")
    if path.exists():
        msg = f"{path} exists and is not overwritten; choose another name or --output."
        raise FileError(msg)
    replace_file(path, TEMPLATE.format(name=name, file=path).encode(), "file")
    results().print(f"wrote {path}; run pytest {path}", soft_wrap=True)


def _is_builtin(name: str) -> bool:
    try:
        check_names(name)
    except UnknownNameError:
        return False
    return True
