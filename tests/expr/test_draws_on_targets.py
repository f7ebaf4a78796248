"""Every target draws the same numbers of the model, of tensors and of axes."""

import jax
import numpy as np
import pytest
from support.exported import Problem, loaded
from support.exported_loops import InC, InNumba, Inputs
from support.ptx_device import device
from support.rules_of_draws import CASES, axes, of_indices, of_model, scalars, thinned
from support.teams import Parts

import learnerdsl as ld
from learnerdsl import jax as ldj

pytest.importorskip("torch")

__all__ = ["device"]

SEED = 2**33 + 5
of_every_rule = pytest.mark.parametrize(
    ("rule", "shapes"), CASES, ids=[rule.name for rule, _ in CASES]
)


@of_every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_target_draws_the_same(rule, shapes, dtype):
    own, allowed = Problem(rule, dtype, shapes=shapes, steps=4), {"float32": 1e-5}.get(dtype, 1e-12)
    expected, oracle = own.path_of_rule(seed=SEED)
    path, learner = own.path_of_rule("cpu", seed=SEED)
    assert own.error(path, expected) <= allowed
    for name, value in oracle.model_state.items():
        assert learner.model_state[name] == pytest.approx(value, rel=1e-12)
    with jax.enable_x64(dtype == "float64"):
        path, _ = own.path_of_jax(ldj.transformation(rule, seed=SEED))
    assert own.error(path, expected) <= allowed
    path, _ = own.path_of_numpy(loaded(rule.export("numpy")), seed=SEED)
    assert own.error(path, expected) <= allowed
    made = vars(loaded(rule.export("torch")))["".join(rule.name.title().split("_"))]
    path, _ = own.path_of_torch(lambda params: made(params, seed=SEED))
    assert own.error(path, expected) <= allowed
    path, _ = own.path_of_torch(lambda params: rule.torch(params, seed=SEED))
    assert own.error(path, expected) <= allowed


@of_every_rule
def test_ptx_draws_the_same(rule, shapes, device):
    own = Problem(rule, np.float32, shapes=shapes, steps=3)
    expected, oracle = own.path_of_rule(seed=SEED)
    params = {n: device.array(p) for n, p in own.named(own.start).items()}
    learner, path = rule(params, seed=SEED), []
    for gradients in own.gradients:
        learner.update({n: device.array(g) for n, g in own.named(gradients).items()})
        path.append([p.copy_to_host() for p in params.values()])
    assert "backend cuda" in repr(learner)
    assert own.error(path, expected) <= 1e-5
    for name, value in oracle.model_state.items():
        assert learner.model_state[name] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("language", ["c", "numba"])
@pytest.mark.parametrize(
    ("rule", "shapes"),
    [CASES[0], (of_indices, ((2, 3, 4), (70, 9, 11))), CASES[2]],
    ids=["scalars", "of_indices", "of_model"],
)
def test_exported_loops_draw_the_same(rule, shapes, language, tmp_path):
    text = rule.export(language, "float64", shape=shapes[-1])
    exported = InC(text, tmp_path) if language == "c" else InNumba(text, is_parallel=False)
    own = Problem(rule, np.float64, shapes=shapes, steps=3)
    expected, _ = own.path_of_rule(seed=SEED)
    mine, path = [np.array(p) for p in own.start], []
    inputs = Inputs(rule, mine, "float64", seed=SEED, lr=0.1)
    for step, gradients in enumerate(own.gradients, 1):
        inputs.take(step, gradients, {})
        exported.call(f"{rule.name}_update", inputs)
        path.append([p.copy() for p in mine])
    assert own.error(path, expected) <= 1e-12


def test_an_exported_transformation_of_jax_draws_one_number_for_a_tensor():
    made = loaded(of_model.export("jax")).of_model(seed=3)
    params = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32)}
    grads = {n: np.ones_like(p) for n, p in params.items()}
    state, seen = made.init(params), []
    for _ in range(2):
        changes, state = made.update(grads, state, params)
        values = np.unique(np.concatenate([np.ravel(c) for c in changes.values()]))
        assert changes["a"].dtype == np.float32
        assert values.shape == (1,)
        seen.append(values[0])
    assert seen[0] != seen[1]
    assert all(-1 <= value <= 0 for value in seen)


def test_loops_without_axes_are_offered_for_rules_of_axes():
    with pytest.raises(ld.RuleError, match="cannot be exported to C: it keeps values along axes"):
        axes.export("c")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("rule", [axes, of_model], ids=lambda rule: rule.name)
def test_parts_of_tensors_draw_what_whole_ones_do(rule, axis):
    rng = np.random.default_rng(7)
    start = {"a": rng.standard_normal((7, 6)), "b": rng.standard_normal((3, 4))}
    updates = [({n: rng.standard_normal(a.shape) for n, a in start.items()}, {}) for _ in range(3)]
    whole = {n: a.copy() for n, a in start.items()}
    learner = rule(whole, seed=5)
    for gradients, _ in updates:
        learner.update(gradients)
    found, _ = Parts(rule, start, dict.fromkeys(start, axis), 2, seed=5).train(updates)
    for name, array in whole.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)


def test_parts_need_no_exchange_for_numbers_of_tensors():
    start = {"a": np.ones((4, 6)), "b": np.ones((3, 4)), "c": np.ones(5)}
    updates = [({n: np.ones_like(a) for n, a in start.items()}, {}) for _ in range(6)]
    whole = {n: a.copy() for n, a in start.items()}
    learner = thinned(whole, seed=5)
    for gradients, _ in updates:
        learner.update(gradients)
    # Columns are no runs of whole rows, as which numbers of elements need parts.
    parts = Parts(thinned, start, {"a": 1, "b": 0, "c": None}, 2, seed=5)
    found, _ = parts.train(updates)
    for name, array in whole.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)
    assert parts.exchanges == 0
    assert "no exchange" in str(thinned.collectives())


@of_every_rule
def test_the_function_on_arrays_agrees(rule, shapes):
    ld.check(rule, dtype="both", updates=3, nonfinite=False).raise_if_wrong()


def test_numbers_are_shown():
    text = scalars.latex()
    assert r"\xi_1^{\mathrm{model}} &\sim \mathcal{U}(0, 1)" in text
    assert r"\xi_2^{\mathrm{tensor}} &\sim \mathcal{U}(0, 1)" in text
    assert r"\xi_3 &\sim \mathcal{N}(0, 1)" in text
    assert r"\xi_4^{\mathrm{axis}\,0} " in axes.latex(shape=(3, 4))
    assert "uniform_2(shape='tensor')" in scalars.pretty().replace("\n", "")
    assert "normal_float64(key_of(seed, step, 4294967295.0), 0, 2)" in scalars.source()


def test_numbers_are_drawn_once_and_not_for_each_element():
    passes = scalars.source().split("@element_pass")[1].split("@")[0]
    assert "key_of" not in passes
    assert passes.count("normal_float") == 1
    plans = [str(rule.plan()) for rule in (thinned, of_model)]
    assert all("pass 1" in plan and "pass 2" not in plan for plan in plans)


@pytest.mark.parametrize("language", ["c", "numba"])
def test_exported_loops_of_float32_count_elements_in_whole_numbers(language, tmp_path):
    @ld.rule
    def wide(p, g):
        return ld.assign(p, p - g * (ld.uniform(shape="rows") + ld.normal(shape="cols")))

    text = wide.export(language, "float32", shape=(3, 4))
    exported = InC(text, tmp_path) if language == "c" else InNumba(text, is_parallel=False)
    shape = (1, 2**24 + 3)  # a length that float32 does not hold
    found = [np.zeros(shape, np.float32)]
    inputs = Inputs(wide, found, "float32", seed=SEED)
    inputs.take(1, [np.ones(shape, np.float32)], {})
    exported.call("wide_update", inputs)
    wanted = np.zeros(shape, np.float32)
    wide([wanted], seed=SEED).update([np.ones(shape, np.float32)])
    np.testing.assert_allclose(found[0][0, -9:], wanted[0, -9:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[0][0, :9], wanted[0, :9], rtol=1e-5, atol=1e-6)
