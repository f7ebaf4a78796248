"""Parameters without a gradient: they and their states stay, and so do their own steps."""

import numpy as np
import pytest
from support.battery import BUILTINS, RULES, extra_values, start_values, variants
from support.problems import EXTRAS, fitted, hyperparameters
from support.rules import clipped_adamw_ema
from support.small_rules import BACKENDS, contents, descent, every_state, gradients, parameters
from support.tiers import few_of_shared

import learnerdsl as ld
from learnerdsl.learners import adamw, sophia
from learnerdsl.runtime.absent import state_of_steps

SHAPES = ((), (7, 5), (3, 4, 2), (70, 61), (5_000,))
"""The last one has more than a chunk."""

ABSENT = ((), (1,), (0, 3), (0, 1, 2, 3, 4), (1, 2), (1, 2), (4,), ())
"""For each update the parameters without a gradient: the first has all, the fourth has none."""


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def run(name, absent, backend):
    """The parameters after each of some updates of a builtin, and the learner."""
    rule = RULES[name]
    rng = np.random.default_rng([7, *name.encode()])
    params = [np.array(rng.standard_normal(shape)) for shape in fitted(name, SHAPES)]
    hypers = hyperparameters(name, rng, SHAPES, len(absent))
    first = {n: v for n, v in hypers[0].items() if n in start_values(rule)}
    learner = rule(params, backend=backend, **first)
    path = []
    for hyper, left_out in zip(hypers, absent, strict=True):
        for key, value in hyper.items():
            if key not in EXTRAS:
                learner.hyperparameters[key] = value
        given = [np.array(rng.standard_normal(p.shape)) for p in params]
        given = [None if k in left_out else g for k, g in enumerate(given)]
        before = contents(learner)[0]
        learner.update(given, 3, **extra_values(hyper, np.float64))
        after = contents(learner)[0]
        assert {key[1] for key in before if before[key] != after[key]}.isdisjoint(left_out)
        path.append([p.copy() for p in params])
    return path, learner


def counts_steps_in_the_model(name):
    """Whether a rule refuses to leave out parameters."""
    return any(state_of_steps(rule) for rule in variants(RULES[name]))


COUNTING = [name for name in BUILTINS if counts_steps_in_the_model(name)]


@pytest.mark.parametrize("name", few_of_shared(sorted({*BUILTINS} - {*COUNTING})))
def test_builtins_leave_parameters_out_as_the_oracle_does(name):
    (found, learner), (expected, oracle) = (run(name, ABSENT, backend) for backend in BACKENDS)
    for own, wanted in zip(found, expected, strict=True):
        for a, b in zip(own, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    assert learner.step_count == oracle.step_count == len(ABSENT)
    assert learner.samples == oracle.samples == 3 * len(ABSENT)
    assert learner._engine.missed_steps == oracle._engine.missed_steps == [2, 4, 3, 2, 2]


@pytest.mark.parametrize("name", COUNTING)
def test_rules_with_a_state_of_the_model_that_counts_steps_refuse_it(name, backend):
    with pytest.raises(ld.ArrayError, match=r"The gradient of 0 is missing or None, .* Pass zeros"):
        run(name, ((), (0,)), backend)


@pytest.mark.parametrize("form", ["None", "left out"])
def test_adamw_skips_parameters_as_that_of_torch(form, backend):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    params = {"a": rng.standard_normal(5), "b": rng.standard_normal((3, 4)), "c": np.array(1.0)}
    theirs = {n: torch.tensor(p.copy(), requires_grad=True) for n, p in params.items()}
    their_learner = torch.optim.AdamW(list(theirs.values()), lr=0.1, weight_decay=0.1)
    learner = adamw(params, lr=0.1, weight_decay=0.1, backend=backend, missing="skip")
    for number in range(12):
        given = {n: rng.standard_normal(p.shape) for n, p in params.items()}
        given = {n: None if rng.random() < 0.4 or number == 5 else g for n, g in given.items()}
        for name, tensor in theirs.items():
            tensor.grad = None if given[name] is None else torch.tensor(given[name])
        their_learner.step()
        there = {n: g for n, g in given.items() if g is not None}
        learner.update(given if form == "None" else there)
        for name, tensor in theirs.items():
            np.testing.assert_allclose(params[name], tensor.detach().numpy(), rtol=1e-12)
    assert learner.step_count == 12


@ld.rule
def sums(p, g):
    """What a sum, a mean, a maximum and the size of the model are, whatever was left out."""
    new = [ld.state(name, shape="model") for name in ("total", "mean", "most", "size")]
    values = (ld.sum(g, over="model"), ld.mean(g, over="model"), ld.max(g, over="model"))
    values += (ld.sum(1 + 0 * g, over="model"),)
    assigned = [ld.assign(state, value) for state, value in zip(new, values, strict=True)]
    return ld.combine([*assigned, ld.assign(p, p - g)])


def test_reductions_over_the_model_are_of_the_others(backend):
    learner = sums([np.zeros(2), np.zeros(3), np.zeros(4)], backend=backend)
    learner.update([np.full(2, 1.0), None, np.full(4, -1.0)])
    assert learner.model_state == {"total": -2.0, "mean": -1 / 3, "most": 1.0, "size": 6.0}
    learner.update([None, None, np.full(4, -1.0)])
    assert learner.model_state == {"total": -4.0, "mean": -1.0, "most": -1.0, "size": 4.0}


def test_states_of_the_model_stay_where_nothing_has_a_gradient(backend):
    learner = every_state(parameters("list"), backend=backend)
    learner.update(gradients(learner, 0), 2)
    before = contents(learner)
    assert learner.update([None, None], 5) is True
    after = contents(learner)
    assert after[:2] == before[:2]
    assert (learner.step_count, learner.samples) == (2, 7)


def test_what_is_set_between_updates_reaches_parameters_that_missed_some(backend):
    learner = descent(
        [np.zeros(2), np.zeros(2), np.zeros(2)], backend=backend, groups=[{"params": [2], "lr": 2}]
    )
    ones = [np.ones(2)] * 3
    learner.update([np.ones(2), None, None])
    learner.hyperparameters["lr"] = 0.25
    learner.groups[0]["lr"] = 4.0
    learner.update(ones)
    assert [float(p[0]) for p in learner.parameters.values()] == [-0.75, -0.25, -4.0]


def test_schedules_follow_the_updates_of_the_learner(backend):
    learner = descent([np.zeros(1), np.zeros(1)], backend=backend, lr=lambda step: 10.0**step)
    for given in ([np.ones(1), None], [np.ones(1), np.ones(1)]):
        learner.update(given)
    assert [float(p[0]) for p in learner.parameters.values()] == [-110.0, -100.0]


@ld.rule
def draws(p, g):
    """Random numbers depend on the tensor and on its step."""
    return ld.assign(p, p + ld.uniform() + 0 * g)


def test_random_numbers_are_those_of_the_steps_of_a_parameter(backend):
    learner, whole = (draws([np.zeros(3), np.zeros(3)], backend=backend, seed=1) for _ in range(2))
    ones = [np.ones(3), np.ones(3)]
    for given in (ones, [None, ones[1]], ones):
        learner.update(given)
    for _ in range(2):
        whole.update(ones)
    np.testing.assert_array_equal(learner.parameters[0], whole.parameters[0])


def test_a_refused_update_is_missed_by_nobody(backend):
    learner = every_state(parameters("list"), backend=backend, nonfinite="skip")
    learner.update(gradients(learner, 0))
    before = contents(learner)
    bad = gradients(learner, 1)[1]
    bad[0] = np.nan
    assert not learner.update([None, bad])
    assert contents(learner) == before
    assert learner._engine.missed_steps == [0, 0]


@pytest.mark.parametrize("given", [[None], [None, None, None], (None, 1.0), None], ids=str)
def test_bad_gradients_beside_none_change_nothing(given, backend):
    learner = every_state(parameters("list"), backend=backend)
    learner.update(gradients(learner, 0))
    before = contents(learner)
    with pytest.raises(ld.LearnerError):
        learner.update(given)
    assert contents(learner) == before


def test_left_out_parameters_are_an_error_unless_they_may_be_missing(backend):
    params = parameters("dict")
    learner = every_state(params, backend=backend)
    given = {"w": np.ones((3, 4), np.float32)}
    with pytest.raises(ld.UnknownNameError, match="missing 'b'"):
        learner.update(given)
    lenient = every_state(parameters("dict"), backend=backend, missing="skip")
    lenient.update(given)
    np.testing.assert_array_equal(lenient.parameters["b"], parameters("dict")["b"])
    with pytest.raises(ld.UnknownNameError, match="not a parameter: 'bias'"):
        lenient.update({**given, "bias": np.ones(4, np.float32)})
    lenient.update({})
    assert lenient.step_count == 2


def test_a_list_leaves_nothing_out():
    learner = every_state(parameters("list"), missing="skip")
    with pytest.raises(ld.UnknownNameError, match="missing 1"):
        learner.update([np.ones((3, 4), np.float32)])


@pytest.mark.parametrize("missing", ["ignore", None, True, ["skip"]], ids=str)
def test_an_unknown_way_with_missing_gradients_is_refused(missing):
    with pytest.raises(ld.HyperparameterError, match="choose one of 'raise', 'skip'"):
        every_state(parameters("list"), missing=missing)


def test_no_rule_has_an_argument_called_missing():
    def rule(p, g, missing=1.0):
        return ld.assign(p, p - missing * g)

    with pytest.raises(ld.RuleError, match="missing"):
        ld.rule(rule)


def test_rows_and_none_go_together(backend):
    params = [np.zeros((4, 2)), np.zeros((4, 2)), np.zeros(3)]
    learner = descent(params, lr=1.0, backend=backend)
    rows = ld.RowSparse([1], np.ones((1, 2)), (4, 2))
    learner.update([rows, None, np.ones(3)])
    learner.update([None, rows, None])
    learner.update([np.ones((4, 2)), None, np.ones(3)])
    assert [p.sum() for p in params] == [-10.0, -2.0, -6.0]


def test_extras_of_parameters_without_a_gradient_may_be_none(backend):
    params = {"a": np.zeros(3), "b": np.zeros(3)}
    learner = sophia(params, backend=backend)
    ones = {"a": np.ones(3), "b": np.ones(3)}
    learner.update(ones, hessian_diag=ones)
    before = learner.state["b"]["h"].copy()
    learner.update({"a": ones["a"], "b": None}, hessian_diag={"a": ones["a"], "b": None})
    learner.update({"a": ones["a"], "b": None}, hessian_diag={"a": ones["a"]})
    np.testing.assert_array_equal(learner.state["b"]["h"], before)
    with pytest.raises(ld.ArrayError, match="The hessian_diag of 'b' is None"):
        learner.update(ones, hessian_diag={"a": ones["a"], "b": None})


@ld.rule
def past(p, g):
    """A ring, whose values lie where the step says."""
    last = ld.state("last", ring=3)
    return ld.combine([ld.assign(last, g), ld.assign(p, p - last[3] - g / ld.step)])


@pytest.mark.parametrize("rule", [clipped_adamw_ema, adamw, past])
def test_an_engine_goes_on_from_the_steps_that_parameters_missed(rule, backend):
    rng = np.random.default_rng(3)
    given = rng.standard_normal((6, 2, 5))
    first = rule([np.ones(5), np.zeros(5)], backend=backend)
    for number in range(4):
        first.update([given[number][0], None if number % 2 else given[number][1]])
    second = rule([p.copy() for p in first.parameters.values()], backend=backend)
    engine = first._engine
    second._engine.set_clock(engine.step_count, engine.samples)
    second._engine.missed_steps = engine.missed_steps
    second._engine.write_states({**engine.read_states(), **engine.read_model_states()})
    for learner in (first, second):
        for values in given[4:]:
            learner.update(list(values))
    assert contents(first) == contents(second)


def test_a_learner_that_starts_anew_has_missed_nothing(backend):
    learner = adamw([np.ones(3), np.ones(3)], backend=backend)
    learner.update([np.ones(3), None])
    learner.reset()
    assert learner._engine.missed_steps == [0, 0]


@pytest.mark.parametrize("rule", [clipped_adamw_ema, adamw, past, ld.learners.adafactor])
def test_steps_that_parameters_missed_are_saved(rule, backend, tmp_path):
    rng = np.random.default_rng(3)
    given = rng.standard_normal((6, 2, 5, 3))
    first = rule([np.ones((5, 3)), np.zeros(3)], backend=backend)
    for number in range(4):
        first.update([given[number][0], None if number % 2 else given[number][1][0].copy()])
    assert first.state_dict()["missed"] == [0, 2]
    first.save(tmp_path / "checkpoint")
    second = rule([p.copy() for p in first.parameters.values()], backend=backend)
    second.load(tmp_path / "checkpoint")
    for learner in (first, second):
        for values in given[4:]:
            learner.update([values[0], values[1][0].copy()])
    assert contents(first) == contents(second)
    assert all(map(np.array_equal, *(x.evaluation_parameters().values() for x in (first, second))))
