"""Minimising functions: beside SciPy's own minimum, in every form of weights, and every end."""

import builtins
import collections
import dataclasses
import importlib

import numpy as np
import pytest
import scipy.optimize

import learnerdsl as ld
from learnerdsl.learners import adam, momo, muon_with_adamw, sgd

Layer = collections.namedtuple("Layer", "weight bias")


@dataclasses.dataclass
class Net:
    """Weights of some layers, and a setting."""

    layers: list
    scale: np.ndarray
    name: str = "net"


def rosen(x):
    return scipy.optimize.rosen(x), scipy.optimize.rosen_der(x)


def bowl(x):
    return np.sum((x - 3.0) ** 2), 2 * (x - 3.0)


def test_finds_the_minimum_that_scipy_finds():
    x0 = np.array([-0.5, 0.8, 0.3])
    wanted = scipy.optimize.minimize(rosen, x0, jac=True, method="BFGS", tol=1e-10)
    found = ld.minimize(rosen, x0, adam, lr=0.02, tol=1e-7, steps=20_000)
    assert found.success
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-5)
    assert np.abs(scipy.optimize.rosen_der(found.x)).max() <= 1e-7
    assert found.fun == scipy.optimize.rosen(found.x)
    assert (x0 == [-0.5, 0.8, 0.3]).all()
    assert isinstance(found, scipy.optimize.OptimizeResult)
    assert found.nfev == found.njev == found.nit + 1 == len(found.losses)


def test_is_a_method_of_scipy():
    seen = []
    found = scipy.optimize.minimize(
        scipy.optimize.rosen,
        [0.5, -0.5],
        method=ld.minimize_method(adam, lr=0.05),
        jac=scipy.optimize.rosen_der,
        callback=seen.append,
        options={"maxiter": 50},
    )
    same = ld.minimize(rosen, [0.5, -0.5], adam, lr=0.05, steps=50)
    assert (found.x == same.x).all()
    assert found.nit == 50
    assert len(seen) == 51
    both = scipy.optimize.minimize(
        lambda x, c: (np.sum((x - c) ** 2), 2 * (x - c)),
        [0.0],
        args=(2.0,),
        jac=True,
        method=ld.minimize_method(sgd, lr=0.5),
    )
    assert both.x == 2.0


@pytest.mark.parametrize(
    "given", [{"bounds": [(0, 1)]}, {"constraints": {"type": "eq", "fun": np.sum}}]
)
def test_bounds_and_constraints_are_refused(given):
    with pytest.raises(ld.LearnerError, match="Rules do not know bounds or constraints"):
        scipy.optimize.minimize(bowl, [0.0], jac=True, method=ld.minimize_method(sgd), **given)


def test_keeps_the_best_weights():
    found = ld.minimize(bowl, [0.0], sgd, lr=1.1, steps=5)  # diverges
    assert found.x == 0.0
    assert found.fun == found.losses[0] == found.losses.min()
    assert (found.jac == bowl(found.x)[1]).all()


FORMS = {
    "dict": {"a": np.zeros((2, 3)), "b": np.zeros(3)},
    "list": [np.zeros((2, 3)), np.zeros(3)],
    "nested dict": {"one": {"w": np.zeros(2), "b": np.zeros(1)}, "two": [np.zeros(2)]},
    "named tuple": Layer(np.zeros((2, 2)), np.zeros(2)),
    "dataclass": Net([Layer(np.zeros(2), np.zeros(1))], np.zeros(3)),
    "array": np.zeros((2, 2)),
    "float32": np.zeros(3, np.float32),
    "number": np.float64(0.0),
}


def leaves(tree):
    """The arrays of a tree, by recursion over its kind."""
    if dataclasses.is_dataclass(tree):
        return [*leaves(tree.layers), *leaves(tree.scale)]
    if isinstance(tree, dict):
        return [leaf for child in tree.values() for leaf in leaves(child)]
    if isinstance(tree, (list, tuple)):
        return [leaf for child in tree for leaf in leaves(child)]
    return [tree]


def like(tree, function):
    """A tree of the same form."""
    if dataclasses.is_dataclass(tree):
        return Net(like(tree.layers, function), like(tree.scale, function), tree.name)
    if isinstance(tree, dict):
        return {key: like(child, function) for key, child in tree.items()}
    if isinstance(tree, Layer):
        return Layer(*(like(child, function) for child in tree))
    if isinstance(tree, list):
        return [like(child, function) for child in tree]
    return function(tree)


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_any_form(form):
    x0 = FORMS[form]

    def fun(x):
        assert type(x) is type(x0) or form == "number"
        loss = sum(np.sum((leaf - 3.0) ** 2) for leaf in leaves(x))
        return loss, like(x, lambda leaf: 2 * (leaf - 3.0))

    found = ld.minimize(fun, x0, sgd, lr=0.25, steps=40)
    assert type(found.x) is type(x0) or form == "number"
    for leaf, start in zip(leaves(found.x), leaves(x0), strict=True):
        np.testing.assert_allclose(leaf, 3.0, rtol=1e-5)
        assert leaf.dtype == start.dtype
        assert not np.any(start)


def test_lists_of_numbers_are_vectors():
    assert ld.minimize(bowl, [1, 2], sgd, lr=0.5, steps=3).x.tolist() == [3.0, 3.0]


def test_a_rule_that_needs_the_loss_gets_it():
    found = ld.minimize(bowl, np.zeros(3), momo, lr=1.0, steps=20)
    x = np.zeros(3)
    learner = momo([x], lr=1.0)
    for _ in range(20):
        loss, gradient = bowl(x)
        learner.update([gradient], loss=loss)
    assert (found.learner.parameters["x"] == x).all()


def test_arguments_reach_the_learner():
    x0 = {"w": np.zeros((3, 3)), "b": np.zeros(3)}

    def fun(x):
        return sum(np.sum((v - 1) ** 2) for v in x.values()), {n: 2 * (v - 1) for n, v in x.items()}

    groups = [{"params": "b", "frozen": True}]
    found = ld.minimize(fun, x0, muon_with_adamw, groups=groups, observe=["grad_norm"], steps=3)
    assert not found.x["b"].any()
    assert found.x["w"].any()
    assert len(found.learner.history["grad_norm"]) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_stops_where_something_is_not_finite(where, bad):
    calls = []

    def fun(x):
        calls.append(1)
        loss, gradient = bowl(x)
        if len(calls) == 4:
            return (bad, gradient) if where == "loss" else (loss, gradient * bad)
        return loss, gradient

    found = ld.minimize(fun, np.zeros(2), sgd, lr=0.1, steps=10)
    assert (found.status, found.success, found.nit) == (2, False, 3)
    assert "NaN or infinite" in found.message
    assert np.isfinite(found.x).all()
    assert np.isfinite(found.fun)


def test_says_when_the_tolerance_was_not_reached():
    found = ld.minimize(bowl, [0.0], sgd, lr=0.01, steps=3, tol=1e-3)
    assert (found.status, found.success) == (1, False)
    assert "largest number of steps" in found.message
    assert ld.minimize(bowl, [0.0], sgd, lr=0.01, steps=3).success
    assert ld.minimize(bowl, [3.0], sgd, steps=3, tol=0.0).nit == 0


def test_callback_stops_and_sees_copies():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        if intermediate_result.nit == 3:
            raise StopIteration

    found = ld.minimize(bowl, [0.0], sgd, lr=0.25, callback=callback)
    assert (found.status, found.success, found.nit) == (99, False, 3)
    assert [float(r.x[0]) for r in seen] == [0.0, 1.5, 2.25, 2.625]
    assert [r.fun for r in seen] == found.losses.tolist()


def test_progress_is_shown(capfd):
    ld.minimize(bowl, [0.0], sgd, lr=0.25, steps=7, progress=True)
    shown = capfd.readouterr().err
    assert "7/7" in shown
    assert "loss=" in shown


def test_without_scipy_and_tqdm(monkeypatch):
    real = importlib.import_module

    def without(name, *more):
        if name.split(".")[0] in ("scipy", "tqdm", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", without)
    found = ld.minimize(bowl, [0.0], sgd, lr=0.5, steps=2)
    assert found.x == found["x"] == 3.0
    assert type(found).__mro__[1] is builtins.dict
    with pytest.raises(AttributeError, match="hess"):
        found.hess  # noqa: B018
    with pytest.raises(ld.LearnerError, match=r"A progress bar needs tqdm: .* 'learnerdsl\[fit\]'"):
        ld.minimize(bowl, [0.0], sgd, progress=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fun": lambda x: 1.0}, "returned 1.0; it must return the loss and the gradients"),
        ({"fun": lambda x: (1.0, {"w": x})}, "The gradient must be one array, as the weights are"),
        ({"x0": {"w": np.ones(1)}, "fun": lambda x: (1.0, {"v": np.ones(1)})}, "expected 'w', got"),
        ({"fun": lambda x: ("low", x)}, "The loss must be a number, got 'low'"),
        ({"steps": 1.5}, "steps is the largest number of updates, got 1.5"),
        ({"jac": "2-point"}, "jac is a function that returns the gradients, or True"),
        ({"rule": "adam"}, "A rule makes the learner, such as .*; got 'adam'"),
        ({"rate": 1.0}, "sgd has no argument 'rate'.*of minimize are: .*tol, steps"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_minimised_is_refused(arguments, message):
    given = {"fun": bowl, "x0": np.zeros(2), "rule": sgd, **arguments}
    with pytest.raises(ld.LearnerError, match=message):
        ld.minimize(**given)
