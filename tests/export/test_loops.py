"""Exported loops, in Numba and in C, beside the learner that they were made from."""

import re
import shutil

import numba
import numpy as np
import pytest
from support.exported_loops import InC, InNumba, Inputs
from support.problems import OF_MATRICES
from support.tiers import FEW, REPRESENTATIVES, costly, slow, slow_for_shared

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.learners import adafactor, adam, adamw, lamb, muon, noisy_sgd
from learnerdsl.transforms import clip_by_global_norm, ema

OF_AXES = frozenset(
    [
        "adafactor",
        "adam_mini",
        "adamp",
        "adatam",
        "came",
        "mano",
        "nero",
        "racs",
        "ranger",
        "rmnp",
        "sgdp",
        "sinkgd",
        "sm3",
        "tam",
    ]
)
OF_SHAPES = frozenset({"adafactor_bv"})
"""Builtins that treat matrices as values along axes, and others element by element."""

SHAPES = ((120, 100), (7, 5))
STEPS = 20
BOUNDS = {"float32": 1e-5, "float64": 1e-11}
"""Largest difference, relative to what 20 updates changed.

Elements are computed alike. What differs by units in the last place are exp, log, tanh and powers,
and sums, which are added in other parts; 20 updates make more of it. Most rules are equal to the
last bit in float32.
"""

NAMES = sorted(set(learners.__all__) - OF_AXES - OF_MATRICES - OF_SHAPES)
IN_PARALLEL = frozenset({"adam"})
QUICK_IN_NUMBA = frozenset({"adam", "adashift", "prodigy", "sophia"})


def cases(languages):
    """A builtin, a language and a dtype: both dtypes for representatives, one for the others."""
    found = []
    for name in NAMES:
        for language, dtype in languages.items():
            is_quick = name in FEW and (language == "c" or name in QUICK_IN_NUMBA)
            own = (name, language, dtype)
            found.append(own if is_quick else slow_for_shared(*own))
        for language, dtype in languages.items():
            if name in REPRESENTATIVES:
                other = "float64" if dtype == "float32" else "float32"
                left = slow if name in FEW else costly
                found.append(left(name, language, other))
    return found


def opened(language, text, folder, is_parallel=True):
    """Compile an exported file."""
    if language == "c" and shutil.which("cc") is None:
        pytest.skip("no C compiler")
    return InC(text, folder) if language == "c" else InNumba(text, is_parallel)


def compare(rule, exported, dtype, shapes=SHAPES, seed=7, **hyperparameters):
    """Run a learner and an exported file on the same tensors; assert that they agree."""
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    params = {f"w{k}": array.copy() for k, array in enumerate(start)}
    learner = rule(params, seed=seed, **hyperparameters)
    mine = [array.copy() for array in start]
    inputs = Inputs(rule, mine, dtype, seed=seed, **hyperparameters)
    exported.call(f"{rule.name}_start", inputs)
    for step in range(1, STEPS + 1):
        extras, given = {}, {}
        gradients = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        for extra in inputs.rule.extras:
            extras[str(extra)] = given[str(extra)] = 1.0 / step
            if extra.shape == "element":
                own = [np.abs(rng.standard_normal(shape)).astype(dtype) for shape in shapes]
                extras[str(extra)] = own
                given[str(extra)] = dict(zip(params, own, strict=True))
        inputs.take(step, gradients, extras)
        exported.call(f"{rule.name}_update", inputs)
        learner.update(dict(zip(params, gradients, strict=True)), **given)
    for k, (name, first) in enumerate(zip(params, start, strict=True)):
        moved = np.abs(params[name] - first).max()
        assert moved > 0
        near(mine[k], params[name], moved, dtype)
        for spec in inputs.rule.states:
            near_state(learner, inputs, spec, name, k, dtype)


def near_state(learner, inputs, spec, name, k, dtype):
    """Assert that a state of a tensor is near that of the learner."""
    kind, symbol = spec.symbol.shape, spec.symbol.name
    if kind == "model":
        found, wanted = inputs.arrays[f"{symbol}_state"][0], learner.model_state[symbol]
    elif kind == "tensor":
        found, wanted = inputs.arrays[f"{symbol}_state"][k], learner.state[name][symbol]
    elif spec.public != symbol:
        place = (STEPS + 1 - spec.symbol.lag) % spec.symbol.length
        found, wanted = inputs.arrays[spec.public][k][place], learner.state[name][symbol]
    else:
        found, wanted = inputs.arrays[symbol][k], learner.state[name][symbol]
    near(found, wanted, np.abs(wanted).max(), dtype)


def near(found, wanted, scale, dtype):
    """Assert that values differ by little, compared with a scale."""
    found, wanted = np.ravel(found), np.ravel(wanted)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=BOUNDS[dtype] * scale)


@pytest.mark.parametrize(("name", "language", "dtype"), cases({"c": "float32", "numba": "float64"}))
def test_export_of_a_builtin_does_what_its_learner_does(language, name, dtype, tmp_path):
    rule = getattr(learners, name)
    text = rule.export(language, dtype, shape=SHAPES[0])
    exported = opened(language, text, tmp_path, is_parallel=name in IN_PARALLEL)
    compare(rule, exported, dtype)


@pytest.mark.parametrize("language", ["c", slow("numba")])
def test_chain_with_a_norm_of_the_model_is_exported_whole(language, tmp_path):
    chain = ld.chain(clip_by_global_norm, adamw, ema)
    exported = opened(language, chain.export(language), tmp_path, is_parallel=False)
    compare(chain, exported, "float32", max_norm=0.5)


@ld.rule
def of_everything(p, g, lr=0.01, b=2.5):
    """Call every function of the language."""
    a = ld.state("a", init=1.0)
    x = ld.let("x", ld.abs(g) + 0.1)
    total = ld.sin(g) + ld.cos(g) + ld.tan(x / 4) + ld.atan(g) + ld.atan2(g, x)
    total += ld.sinh(g / 4) + ld.cosh(g / 4) + ld.asin(ld.clip(g, -1, 1)) + ld.acos(g / (1 + x))
    total += ld.exp(-x) + ld.expm1(g / 8) + ld.log(x) + ld.log1p(x) + ld.sigmoid(g)
    total += ld.softplus(g) + ld.erf(g) + ld.cbrt(g) + ld.floor(3 * g) + ld.ceil(g) + ld.sign(g)
    total += x**b + x**1.25 + x**7 / 100 + (g * x) ** 3 / 50 + x**-2.5 / 1000
    total += ld.where((g > 0) & ~(x > 1) | ld.equal(ld.step % 3, 0), g % 0.3, ld.maximum(g, 0.2))
    total += ld.uniform() + ld.normal()
    a_new = ld.assign(a, ld.minimum(a, x) + total)
    largest, least = ld.max(a_new, over="tensor"), ld.min(x, over="model")
    product = ld.prod(1 + g / 1e6, over="tensor")
    return ld.assign(p, p - lr * total / (1 + largest) - lr * least * product)


@pytest.mark.parametrize(
    ("language", "dtype"),
    [("c", "float32"), slow("c", "float64"), slow("numba", "float32"), slow("numba", "float64")],
)
def test_every_function_is_exported(language, dtype, tmp_path):
    exported = opened(language, of_everything.export(language, dtype), tmp_path, False)
    compare(of_everything, exported, dtype)


@ld.rule
def of_special_values(p, g):
    """Store what comparisons and choices make of NaN, infinity and zeros."""
    a = ld.state("a")
    largest, least = ld.max(g, over="tensor"), ld.min(g, over="tensor")
    chosen = ld.maximum(g, p) + 2 * ld.minimum(p, g) + ld.sign(g) + g % p
    kept = ld.where(ld.isfinite(g) & (g <= p), 1, ld.where(ld.not_equal(g, g), 2, 3))
    a_new = ld.assign(a, kept + ld.where(ld.isfinite(largest), largest, 5) + 0 * least)
    return ld.combine([a_new, ld.assign(p, chosen)])


@pytest.mark.parametrize("language", ["c", "numba"])
@pytest.mark.parametrize("has_nan", [True, False])
def test_special_values_are_those_of_the_learner(language, has_nan, tmp_path):
    values = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 3.0], np.float32)
    values = values if has_nan else values[values == values]
    g, p = (axis.ravel().copy() for axis in np.meshgrid(values, values))
    wanted, mine = {"w": p.copy()}, p.copy()
    learner = of_special_values(wanted)
    learner.update({"w": g})
    exported = opened(language, of_special_values.export(language), tmp_path, False)
    inputs = Inputs(of_special_values, [mine], "float32")
    inputs.take(1, [g], {})
    exported.call("of_special_values_update", inputs)
    np.testing.assert_array_equal(mine, wanted["w"])
    np.testing.assert_array_equal(inputs.arrays["a"][0], learner.state["w"]["a"])


@pytest.mark.parametrize("language", ["c", slow("numba")])
def test_export_draws_other_numbers_with_another_seed(language, tmp_path):
    exported = opened(language, noisy_sgd.export(language), tmp_path, False)
    compare(noisy_sgd, exported, "float32", shapes=((64,), (9,)), seed=2**33 + 5)


@pytest.mark.slow
def test_partial_results_do_not_depend_on_the_number_of_threads():
    text = lamb.export("numba", "float64")
    found = []
    for threads in (1, 2):
        module = InNumba(text).module
        before = numba.get_num_threads()
        numba.set_num_threads(min(threads, before))
        p, g = (np.random.default_rng(k).standard_normal(50_000) for k in (1, 2))
        module.lamb_update(p, g, np.zeros_like(p), np.zeros_like(p), 1)
        numba.set_num_threads(before)
        found.append(p)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("language", ["c", "numba"])
@pytest.mark.parametrize("rule", [adafactor, muon], ids=lambda rule: rule.name)
def test_rule_without_a_loop_over_elements_is_refused(language, rule):
    name = {"c": "C", "numba": "Numba"}[language]
    with pytest.raises(ld.RuleError, match=rf"{rule.name} cannot be exported to {name}: .*numpy"):
        rule.export(language)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["c", "numba"])
def test_only_rules_of_axes_and_matrices_are_refused(language):
    refused = {}
    for name in learners.__all__:
        try:
            getattr(learners, name).export(language, shape=(120, 100))
        except ld.RuleError as error:
            refused[name] = "axes" if "along axes" in str(error) else "matrices"
    of_axes = OF_AXES | OF_SHAPES
    wanted = dict.fromkeys(of_axes, "axes") | dict.fromkeys(OF_MATRICES, "matrices")
    assert refused == wanted


@pytest.mark.parametrize("language", ["c", "numba"])
def test_dtype_without_arithmetic_of_its_own_is_refused(language):
    with pytest.raises(ld.DtypeError, match='float32" or "float64'):
        adam.export(language, "bfloat16")


@pytest.mark.parametrize("language", ["c", "numba"])
def test_text_is_the_same_every_time_and_names_its_source(language):
    text = lamb.export(language)
    assert text == lamb.export(language)
    assert "MIT" in text
    assert "arxiv.org" in text
    assert text.endswith("\n")
    assert not re.search(r"[ \t]\n", text)
