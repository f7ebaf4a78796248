"""Exported NumPy: against the oracle, in one process without this package, and as text."""

import subprocess
import sys

import numpy as np
import pytest
from support.exported import RULES, Problem, loaded, of_file
from support.tiers import few_of_shared

import learnerdsl as ld
from learnerdsl.learners import adam, asgd, muon, schedule_free_sgd
from learnerdsl.transforms import clip_by_global_norm

CLOSE = 1e-12


@pytest.mark.parametrize("name", few_of_shared(sorted(RULES)))
def test_file_follows_the_oracle(name):
    problem, options = of_file(name)
    module = loaded(RULES[name].export("numpy", **options))
    expected, learner = problem.path_of_rule()
    path, state = problem.path_of_numpy(module)
    assert problem.error(path, expected) <= CLOSE
    for parameter, states in learner.state.items():
        for key, value in states.items():
            if key in state["tensors"][parameter]:
                own = np.reshape(state["tensors"][parameter][key], np.shape(value))
                np.testing.assert_allclose(own, value, rtol=1e-9, atol=1e-12)
    for key, value in learner.model_state.items():
        np.testing.assert_allclose(state["model"][key], value, rtol=1e-9)


@pytest.mark.parametrize("name", ["adam", "adafactor", "prodigy"])
def test_file_keeps_float32(name):
    problem = Problem(RULES[name], np.float32)
    expected, _ = problem.path_of_rule()
    path, state = problem.path_of_numpy(loaded(RULES[name].export("numpy")))
    assert all(p.dtype == np.float32 for p in path[-1])
    assert problem.error(path, expected) <= 1e-5
    assert {a.dtype for s in state["tensors"].values() for a in s.values()} == {np.dtype("f4")}


def test_hyperparameters_are_arguments_of_each_update():
    problem = Problem(adam)
    expected, _ = problem.path_of_rule(lr=0.3, beta2=0.9)
    path, _ = problem.path_of_numpy(loaded(adam.export("numpy")), lr=0.3, beta2=0.9)
    assert problem.error(path, expected) <= CLOSE


def test_chain_with_a_norm_of_the_model_and_variants_follows_the_oracle():
    rule = ld.chain(clip_by_global_norm, RULES["adafactor"])
    problem = Problem(rule)
    expected, _ = problem.path_of_rule()
    path, _ = problem.path_of_numpy(loaded(rule.export("numpy")))
    assert problem.error(path, expected) <= CLOSE


@pytest.mark.parametrize("rule", [asgd, schedule_free_sgd], ids=str)
def test_weights_to_evaluate_with_are_those_of_the_learner(rule):
    problem = Problem(rule)
    module = loaded(rule.export("numpy"))
    path, learner = problem.path_of_rule()
    _, state = problem.path_of_numpy(module)
    averages = module.evaluation_parameters(problem.named(path[-1]), state)
    for name, expected in learner.evaluation_parameters().items():
        np.testing.assert_allclose(averages[name], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("draw", [ld.normal, ld.uniform])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_are_bitwise_those_of_the_rule(draw, dtype):
    @ld.rule
    def walk(p, g, lr=1.0):
        return ld.assign(p, 0 * g + lr * draw())

    problem = Problem(walk, np.dtype(dtype))
    expected, _ = problem.path_of_rule()
    path, _ = problem.path_of_numpy(loaded(walk.export("numpy")))
    for got, wanted in zip(path, expected, strict=True):
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_number_of_samples_is_counted():
    @ld.rule
    def decayed(p, g, lr=0.1):
        return ld.assign(p, p - lr * g / (1 + ld.samples / ld.minibatch_size))

    module = loaded(decayed.export("numpy"))
    params, mine = {"w": np.ones(3)}, {"w": np.ones(3)}
    learner, state = decayed(params, backend="numpy"), module.init(mine)
    for _ in range(3):
        learner.update({"w": np.full(3, 0.5)}, 4)
        module.update(mine, {"w": np.full(3, 0.5)}, state, minibatch_size=4)
    np.testing.assert_allclose(mine["w"], params["w"], rtol=1e-14)


def test_states_that_change_places_are_copied():
    @ld.rule
    def swapping(p, g, lr=0.1):
        a, b = ld.state("a"), ld.state("b", init=1.0)
        swapped = ld.combine([ld.assign(a, b), ld.assign(b, a)])
        return ld.combine([swapped, ld.assign(p, p - lr * g * a)])

    problem = Problem(swapping)
    expected, _ = problem.path_of_rule()
    path, _ = problem.path_of_numpy(loaded(swapping.export("numpy")))
    assert problem.error(path, expected) <= CLOSE


def test_parameters_that_the_rule_refuses_are_refused():
    module = loaded(muon.export("numpy"))
    with pytest.raises(ValueError, match="muon does not take 1 axes: b"):
        module.init({"b": np.ones(3)})


def test_rule_that_depends_on_lengths_is_exported_for_a_shape():
    @ld.rule
    def by_length(p, g, lr=0.1):
        rate = lr / 2 if ld.shape(p)[0] > 4 else lr
        return ld.assign(p, p - rate * g)

    with pytest.raises(ld.RuleError, match="depends on the lengths of axes"):
        by_length.export("numpy")
    assert "if p.ndim" not in by_length.export("numpy", shape=(5,))


BLOCKED = """
import sys
sys.modules["learnerdsl"] = None
import numpy as np
namespace = {{}}
exec(open({path!r}).read(), namespace)
params = {{"w": np.ones(3)}}
state = namespace["init"](params)
namespace["update"](params, {{"w": np.ones(3)}}, state)
assert params["w"][0] < 1
"""


@pytest.mark.parametrize("rule", [adam], ids=str)
def test_file_runs_without_this_package(rule, tmp_path):
    path = tmp_path / "exported.py"
    path.write_text(rule.export("numpy"))
    code = BLOCKED.format(path=str(path))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
