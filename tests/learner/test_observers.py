"""What a learner observes in the sweeps of an update, beside NumPy's view of the same update."""

import json

import ml_dtypes
import numpy as np
import pytest
from support.battery import BUILTINS, RULES, update_once
from support.problems import fitted
from support.small_rules import BACKENDS, descent, every_state, gradients, parameters, train
from support.tiers import FEW_TRANSFORMS, few_of_shared, slow

import learnerdsl as ld
from learnerdsl import transforms
from learnerdsl.learners import adam, adamw, lamb, lion, muon, sgd

NAMES = ["grad_norm", "update_norm", "param_norm", "update_ratio", "nonfinite"]
SHAPES = {"a": (7, 5), "b": (9_000,), "c": (130, 129)}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def of_arrays(before, after, gradients):
    """The five observers of some arrays, by NumPy."""

    def norm(arrays):
        return np.sqrt(sum(np.sum(np.square(a.astype(np.float64))) for a in arrays))

    moved = norm([a - b for a, b in zip(after, before, strict=True)])
    return {
        "grad_norm": norm(gradients),
        "update_norm": moved,
        "param_norm": norm(before),
        "update_ratio": moved / norm(before),
        "nonfinite": sum(np.sum(~np.isfinite(g)) for g in gradients),
    }


def followed(rule, backend, shapes=SHAPES, updates=3, dtype=np.float64, **arguments):
    """A learner after some updates, and what NumPy observed in each, over the model."""
    rng = np.random.default_rng(3)
    params = {n: rng.standard_normal(s).astype(dtype) for n, s in shapes.items()}
    learner = rule(params, backend=backend, observe=NAMES, **arguments)
    seen, last = [], {}
    for _ in range(updates):
        before = {n: p.copy() for n, p in params.items()}
        given = {n: rng.standard_normal(s).astype(dtype) for n, s in shapes.items()}
        update_once(learner, given)
        last = {n: of_arrays([before[n]], [params[n]], [given[n]]) for n in params}
        seen.append(of_arrays(before.values(), params.values(), given.values()))
    return learner, seen, last


def assert_observed(learner, seen, last, rtol=1e-12):
    for name in NAMES:
        wanted = [row[name] for row in seen]
        np.testing.assert_allclose(learner.history[name], wanted, rtol=rtol)
        assert learner.observed[name] == learner.history[name][-1]
        found = learner.observed_by_parameter[name]
        assert list(found) == list(last)
        for parameter, own in last.items():
            np.testing.assert_allclose(found[parameter], own[name], rtol=rtol)
    assert learner.observed.step == len(seen)
    assert not learner.observed.skipped
    assert learner.history.steps.tolist() == list(range(1, len(seen) + 1))


@pytest.mark.parametrize("name", few_of_shared(BUILTINS))
def test_builtin_observes_what_numpy_and_the_oracle_see(name):
    found = []
    for backend in BACKENDS:
        learner, seen, last = followed(RULES[name], backend, fitted(name, SHAPES))
        # A difference of nearly equal numbers has the roundings of these.
        smallest = min(row["update_ratio"] for row in (*seen, *last.values()))
        assert_observed(learner, seen, last, 1e-12 if smallest > 1e-3 else 1e-9)
        found.append(learner.history)
    for observer in ("grad_norm", "param_norm", "nonfinite"):
        np.testing.assert_allclose(found[0][observer], found[1][observer], rtol=1e-12)


@pytest.mark.parametrize(
    "name", [n if n in FEW_TRANSFORMS else slow(n) for n in transforms.__all__ if n != "qk_clip"]
)
def test_chain_observes_what_numpy_sees(name):
    transform = getattr(transforms, name)
    members = (sgd, transform) if transform.place == "after" else (transform, sgd)
    learner, seen, last = followed(ld.chain(*members), "cpu")
    assert_observed(learner, seen, last, 1e-9)


@pytest.mark.parametrize("rule", [adam, lamb, muon, lion], ids=lambda rule: rule.name)
def test_observers_load_nothing_more(rule):
    learner = rule({"w": np.ones((6, 5), np.float32)}, observe=NAMES)
    assert learner.plan().bytes_per_element == rule.plan().bytes_per_element
    assert len(learner.plan().passes) == len(rule.plan().passes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_observing_does_not_change_a_bit_of_the_update(dtype):
    ends = []
    for observe in (None, NAMES):
        learner = every_state(parameters("dict", dtype), observe=observe)
        train(learner, [0, 1, 2])
        ends.append([learner.parameters[n].tobytes() for n in "wb"])
        ends[-1] += [str(learner.model_state), learner.state["w"]["m"].tobytes()]
    assert ends[0] == ends[1]


def test_update_norm_in_bfloat16_is_that_before_rounding():
    rng = np.random.default_rng(0)
    start = rng.standard_normal(20_000).astype(np.float32).astype(ml_dtypes.bfloat16)
    g = rng.standard_normal(20_000).astype(np.float32)
    params = [start.copy()]
    learner = adam(params, lr=1e-4, observe=["update_norm"])
    learner.update([g])
    exact = np.float32(1e-4) * g / (np.abs(g) + np.float32(1e-8))  # the first step of Adam
    wanted = np.linalg.norm(exact.astype(np.float64))
    from_outside = np.linalg.norm(params[0].astype(np.float64) - start.astype(np.float64))
    assert learner.observed["update_norm"] == pytest.approx(wanted, rel=1e-3)
    assert wanted / from_outside > 5  # most of the steps are lost in the rounding


def test_squares_of_large_gradients_do_not_overflow(backend):
    learner = sgd([np.zeros(2, np.float32)], lr=0.0, observe=["grad_norm"], backend=backend)
    learner.update([np.array([3e30, 4e30], np.float32)])
    assert learner.observed["grad_norm"] == pytest.approx(5e30, rel=1e-6)


OWN = {
    "largest": lambda p, new: ld.max(ld.abs(new - p)),
    "mean_square": lambda g: ld.mean(g**2, over="model"),
    "momentum": lambda m_new: ld.norm(m_new),
    "angle": lambda g, m: ld.sum(g * m) / (ld.norm(g) * ld.norm(m)),
    "smallest": lambda g: ld.min(g),
    "rate": lambda lr: ld.max(lr),
    "share": lambda g, p: ld.count(g > 0) / ld.size(p),
    "grad_norm": "grad_norm",
}


def test_observers_of_ones_own_see_named_values(backend):
    learner = every_state(parameters("dict", np.float64), backend=backend, observe=OWN)
    train(learner, [0, 1])
    before = {n: p.copy() for n, p in learner.parameters.items()}
    m = {n: own["m"].copy() for n, own in learner.state.items()}
    given = gradients(learner, 2)
    learner.update(given)
    for names, found in (
        ("wb", learner.observed),
        ("w", {n: own["w"] for n, own in learner.observed_by_parameter.items()}),
    ):

        def flat(arrays, names=names):
            return np.concatenate([np.ravel(arrays[n]) for n in names])

        g, moment = flat(given), flat({n: own["m"] for n, own in learner.state.items()})
        wanted = {
            "largest": np.abs(flat(learner.parameters) - flat(before)).max(),
            "mean_square": np.mean(g**2),
            "momentum": np.linalg.norm(moment),
            "angle": g @ flat(m) / np.linalg.norm(g) / np.linalg.norm(flat(m)),
            "smallest": g.min(),
            "rate": 0.1,
            "share": np.mean(g > 0),
            "grad_norm": np.linalg.norm(g),
        }
        assert list(found) == list(wanted)
        np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-9)


def test_rules_in_one_learner_are_observed_together(backend):
    rule = ld.by_parameter(lambda name, shape: lamb if len(shape) > 1 else adamw)
    learner, seen, last = followed(rule, backend)
    assert_observed(learner, seen, last, 1e-9)


def test_values_that_only_one_rule_has_are_refused():
    rule = ld.by_parameter(lambda name, shape: lamb if len(shape) > 1 else adamw)
    with pytest.raises(ld.UnknownNameError, match="asks for 'trust', which is not a value of"):
        rule(parameters("dict"), observe={"trust": lambda trust: ld.max(trust)})


def test_groups_are_observed_together(backend):
    groups = [{"params": ["b"], "lr": 0.5}]
    learner, seen, last = followed(every_state, backend, groups=groups)
    assert_observed(learner, seen, last)


def test_parameters_without_a_gradient_are_left_out(backend):
    params = parameters("dict", np.float64)
    learner = adam(params, observe=NAMES, backend=backend, missing="skip")
    train(learner, [0])
    before = {n: p.copy() for n, p in params.items()}
    given = {"w": gradients(learner, 1)["w"]}
    learner.update(given)
    wanted = of_arrays([before["w"]], [params["w"]], [given["w"]])
    assert dict(learner.observed) == pytest.approx(wanted, rel=1e-9)
    assert {n: list(own) for n, own in learner.observed_by_parameter.items()} == {
        n: ["w"] for n in NAMES
    }
    learner.update({})
    assert learner.observed["grad_norm"] == 0.0
    assert learner.observed_by_parameter["grad_norm"] == {}
    assert learner.history["grad_norm"][1] == learner.history["grad_norm"][1]


def test_sparse_gradients_are_observed_where_their_rows_are_enough(backend):
    params = [np.linspace(1, 2, 12).reshape(4, 3)]
    before = params[0].copy()
    names = ["grad_norm", "update_norm", "nonfinite"]
    learner = adam(params, observe=names, backend=backend)
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    learner.update([ld.RowSparse([3, 1], values, (4, 3))])
    wanted = [np.linalg.norm(values), np.linalg.norm(params[0] - before), 0.0]
    np.testing.assert_allclose(list(learner.observed.values()), wanted, rtol=1e-9)


def test_sparse_gradients_are_refused_where_they_are_not(backend):
    learner = adam([np.ones((4, 3))], observe=["update_ratio"], backend=backend)
    sparse = ld.RowSparse([3, 1], np.ones((2, 3)), (4, 3))
    with pytest.raises(ld.ArrayError, match="The observer 'update_ratio' needs all rows, but"):
        learner.update([sparse])
    assert learner.step_count == 0


def test_a_skipped_update_says_so(backend):
    learner = adam([np.ones(4)], observe=NAMES, nonfinite="skip", backend=backend)
    learner.update([np.ones(4)])
    assert learner.update([np.array([1.0, np.nan, np.inf, 2.0])]) is False
    assert learner.observed.skipped
    assert learner.observed.step == 2
    assert learner.observed["nonfinite"] == 2.0
    assert np.isnan([v for n, v in learner.observed.items() if n != "nonfinite"]).all()
    assert np.isnan(learner.observed_by_parameter["grad_norm"][0])
    learner.update([np.ones(4)])
    assert not learner.observed.skipped
    assert learner.history.skipped.tolist() == [False, True, False]
    assert learner.history.steps.tolist() == [1, 2, 2]
    np.testing.assert_array_equal(learner.history["nonfinite"], [0.0, 2.0, 0.0])


def test_a_raising_update_is_observed_too(backend):
    learner = adam([np.ones(4)], observe=NAMES, nonfinite="raise", backend=backend)
    with pytest.raises(ld.NonFiniteError):
        learner.update([np.array([1.0, np.nan, 1.0, 2.0])])
    assert learner.observed["nonfinite"] == 1.0


def test_gradients_that_are_not_finite_are_counted_where_they_propagate(backend):
    learner = adam([np.ones(4), np.ones(3)], observe=["nonfinite"], backend=backend)
    learner.update([np.array([1.0, np.nan, np.inf, 2.0]), np.array([-np.inf, 0, 0])])
    assert learner.observed == {"nonfinite": 3.0}
    assert learner.observed_by_parameter == {"nonfinite": {0: 2.0, 1: 1.0}}


def test_before_the_first_update_there_is_nothing(backend):
    learner = adam([np.ones(4)], observe=["grad_norm"], backend=backend)
    for _ in range(2):
        assert np.isnan(learner.observed["grad_norm"])
        assert np.isnan(learner.observed_by_parameter["grad_norm"][0])
        assert learner.observed.step == 0
        learner.update([np.ones(4)])
        learner.reset()


def test_checkpoints_do_not_know_of_observers(tmp_path):
    observed = adam(parameters("dict"), observe=NAMES)
    plain = adam(parameters("dict"))
    for learner in (observed, plain):
        train(learner, [0, 1])
        assert list(learner.state["w"]) == ["m", "v"]
    assert str(observed.state_dict(parameters=True)) == str(plain.state_dict(parameters=True))
    observed.save(tmp_path / "observed")
    assert (tmp_path / "observed").exists()
    plain.load(tmp_path / "observed")
    plain.save(tmp_path / "plain")
    observed.load(tmp_path / "plain")
    assert np.isnan(observed.observed["grad_norm"])
    train(observed, [2])
    assert observed.observed.step == 3
    assert observed.history.steps.tolist() == [1, 2, 3]


def test_states_are_written_beside_observers(backend):
    learner = every_state(parameters("dict"), observe=NAMES, backend=backend)
    train(learner, [0])
    learner.state["w"]["m"] = np.full((3, 4), 0.5, np.float32)
    learner.model_state["energy"] = 2.0
    assert (learner.state["w"]["m"] == 0.5).all()
    assert learner.model_state == {"energy": 2.0}


@pytest.mark.parametrize(
    "precision",
    [
        {"states": "bfloat16"},
        {"states": {"m": "int8", "v": "uint8"}, "master": "split16"},
        {"rounding": "stochastic"},
        {"master": "float32"},
    ],
    ids=str,
)
def test_narrow_number_types_are_observed(precision, backend):
    rng = np.random.default_rng(1)
    params = [rng.standard_normal((40, 30)).astype(np.float32).astype(ml_dtypes.bfloat16)]
    learner = adam(params, lr=0.25, observe=NAMES, backend=backend, **precision)
    before = params[0].astype(np.float64)
    g = rng.standard_normal((40, 30)).astype(np.float32)
    learner.update([g])
    wanted = of_arrays([before], [params[0].astype(np.float64)], [g])
    assert dict(learner.observed) == pytest.approx(wanted, rel=1e-2)


def test_history_keeps_what_it_is_asked_to():
    learner = descent(parameters("list"), observe=["grad_norm", "update_norm"])
    train(learner, range(5))
    every = learner.history["grad_norm"]
    assert list(learner.history) == ["grad_norm", "update_norm"]
    assert "5 updates" in repr(learner.history)
    learner.history.keep = 3
    assert (learner.history["grad_norm"] == every[-3:]).all()
    train(learner, range(2))
    assert learner.history.steps.tolist() == [5, 6, 7]
    assert json.loads(json.dumps(learner.history.to_dict()))["step"] == [5, 6, 7]
    learner.history.clear()
    assert learner.history["grad_norm"].size == 0
    learner.history.keep = 0
    train(learner, [0])
    assert learner.history.steps.size == 0
    assert learner.observed.step == 8
    learner.history.keep = None
    assert learner.history.keep is None
    train(learner, range(4))
    assert learner.history.steps.size == 4


@pytest.mark.parametrize(
    ("observe", "error", "message"),
    [
        (
            "grad_norm",
            ld.UnknownNameError,
            "observe must be a list of names or a dict of",
        ),
        (["gradnorm"], ld.UnknownNameError, "There is no observer 'gradnorm'; there are"),
        (["grad_norm"] * 2, ld.UnknownNameError, "observe names 'grad_norm' twice"),
        ({1: "grad_norm"}, ld.UnknownNameError, "The name of an observer is text, got 1"),
        ({"n": 3.0}, ld.UnknownNameError, "There is no observer 3.0"),
        (
            {"n": lambda g, lr: ld.norm(g) * lr},
            ld.RuleError,
            r"goes into one: norm\(\(new - p\) / lr",
        ),
        ({"n": lambda g: g}, ld.RuleError, "'n' is g, which is not one number: outside of"),
        ({"n": lambda g, lr: lr * ld.norm(g)}, ld.RuleError, "there is lr"),
        ({"n": lambda: 1.0}, ld.RuleError, "no reduction at all"),
        ({"n": lambda g: ld.sum(g - ld.mean(g))}, ld.RuleError, "would need sweeps of its own"),
        (
            {"n": lambda g: ld.sum(g, axis=0)},
            ld.RuleError,
            "axes, blocks or of='tensors', which",
        ),
        ({"n": lambda *g: ld.norm(g[0])}, ld.RuleError, "'n' takes any argument; name the values"),
        ({"n": lambda q: ld.norm(q)}, ld.UnknownNameError, "asks for 'q', which is not a value of"),
        ({"n": lambda g: ld.norm(ld.clip(g))}, TypeError, "missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_observed_is_refused(observe, error, message):
    with pytest.raises(error, match=message):
        adam(parameters("dict"), observe=observe)


def test_a_learner_that_observes_nothing_says_what_to_write():
    learner = adam(parameters("dict"))
    for name in ("observed", "observed_by_parameter", "history"):
        with pytest.raises(ld.LearnerError, match="This learner observes nothing; make it with"):
            getattr(learner, name)


def test_history_refuses_what_it_does_not_have():
    learner = adam(parameters("dict"), observe=["grad_norm"])
    with pytest.raises(ld.UnknownNameError, match="The history has no 'loss'; it has grad_norm"):
        learner.history["loss"]
    with pytest.raises(ld.HyperparameterError, match="keep is a number of updates, or None"):
        learner.history.keep = -1


def test_a_rule_cannot_have_an_argument_of_that_name():
    with pytest.raises(ld.RuleError, match="has the name of an argument of every learner"):

        @ld.rule
        def rule(p, g, observe=1.0):
            return ld.assign(p, p - observe * g)
