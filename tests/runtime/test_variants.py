"""Rules that are traced differently for vectors, matrices and other shapes, in one learner."""

import numpy as np
import pytest
from support.axis_cases import assert_backends_agree, normal_arrays, trained
from support.tiers import slow

import learnerdsl as ld
from learnerdsl.expr import rebuilt, size_and_depth
from learnerdsl.tracing import variants

SHAPES = ((5,), (3, 4), (2, 3, 4), (7,), (), (1, 6), (130, 40), (0, 3))


@ld.rule
def factored(p, g, lr=0.1, beta=0.9):
    """Second moments of rows and columns for matrices, of elements for others."""
    total, count = ld.state("total", init=1.0, shape="model"), ld.state("count", shape="tensor")
    norm, largest = ld.norm(g, over="model"), ld.max(ld.abs(g), over="model")
    total_new = ld.assign(total, beta * total + (1 - beta) * norm)
    count_new = ld.assign(count, count + 1)
    if ld.ndim(p) >= 2:
        rows, cols = ld.state("rows", shape="rows"), ld.state("cols", shape="cols")
        rows_new = ld.assign(rows, beta * rows + (1 - beta) * ld.mean(g**2, axis=-1))
        v_new = rows_new * ld.assign(cols, beta * cols + (1 - beta) * ld.mean(g**2, axis=-2))
    else:
        v = ld.state("v")
        v_new = ld.assign(v, beta * v + (1 - beta) * g**2)
    step = ld.assign(p, p - lr * g / ld.sqrt(v_new + 1e-3) / (total_new + largest))
    return ld.combine([step, count_new])


@ld.rule
def at_different_levels(p, g, lr=0.1, decay=0.1):
    """Matrices need sums of their own before those of the model, which need each other."""
    first = ld.let("first", ld.sum(g**2, over="model"))
    scaled = g / (1 + ld.norm(g * first)) if ld.ndim(p) >= 2 else g / (1 + first)
    u = ld.let("u", scaled + decay * p)
    second, third = ld.mean(u**2, over="model"), ld.max(u * first, over="model")
    last = ld.let("last", ld.sum(ld.abs(u * third), over="model"))
    return ld.assign(p, p - lr * u / ld.sqrt(1 + second) / (1 + last))


@ld.rule
def with_many_variants(p, g, lr=0.1):
    """One variant for each shape, each with numbers of its own."""
    return ld.assign(p, p - lr * (1 + sum(ld.shape(p))) * g * ld.mean(g, over="model"))


@pytest.mark.parametrize("dtype", ["float32", slow("float64")])
@pytest.mark.parametrize("rule", [factored, at_different_levels, with_many_variants])
def test_variants_do_what_the_oracle_does(rule, dtype):
    assert_backends_agree(rule, SHAPES, dtype, groups=[{"params": [1, 3], "lr": 0.02}])


def test_schedules_and_the_clock_are_those_of_the_learner():
    lr = ld.schedules.cosine(0.1, steps=3)
    assert_backends_agree(factored, SHAPES, "float64", steps=4, lr=lr)
    learner = factored([np.ones(3), np.ones((2, 3))], lr=lr)
    for number in (2, 3):
        learner.update([np.ones(3), np.ones((2, 3))], minibatch_size=number)
    assert (learner.step_count, learner.samples) == (2, 5)


def test_reductions_over_the_model_are_over_all_variants():
    @ld.rule
    def rule(p, g, lr=1.0):
        u = ld.let("u", g / ld.norm(g) if ld.ndim(p) >= 2 else g)
        first, second = ld.state("first", shape="model"), ld.state("second", shape="model")
        largest = ld.state("largest", shape="model")
        kept = [
            ld.assign(first, ld.sum(u**2, over="model")),
            ld.assign(second, ld.mean(p, over="model")),
            ld.assign(largest, ld.max(g, over="model")),
        ]
        return ld.combine([*kept, ld.assign(p, p - lr * u)])

    shapes = [(2, 3), (4,), (3, 3), ()]
    params, gradients = normal_arrays(0, shapes, "float64"), normal_arrays(1, shapes, "float64")
    flat = np.concatenate([p.ravel() for p in params])
    learner = rule(params)
    learner.update(gradients)
    # The matrices have norm 1.
    first = 2 + sum(float(np.sum(g**2)) for g in gradients if g.ndim < 2)
    assert learner.model_state["first"] == pytest.approx(first, rel=1e-14)
    assert learner.model_state["second"] == pytest.approx(flat.mean(), rel=1e-14)
    assert learner.model_state["largest"] == max(float(g.max()) for g in gradients)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_variants_find_each_others_sums_by_the_order_they_are_written_in(backend):
    @ld.rule
    def rule(p, g, lr=1.0):
        first, second = (g, p) if ld.ndim(p) < 2 else (p, g)
        step = ld.sum(first, over="model") ** 2 + ld.sum(second, over="model") ** 3
        return ld.assign(p, p - lr * step)

    params = [np.full(3, 2.0), np.full((2, 2), 3.0)]
    rule(params, backend=backend).update([np.full(3, 5.0), np.full((2, 2), 7.0)])
    step = (3 * 5 + 4 * 3) ** 2 + (3 * 2 + 4 * 7) ** 3
    np.testing.assert_allclose(params[0], 2 - step, rtol=1e-14)
    np.testing.assert_allclose(params[1], 3 - step, rtol=1e-14)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_nan_in_one_variant_is_the_maximum_of_the_model(backend):
    @ld.rule
    def rule(p, g, lr=1.0):
        value = ld.max(g, over="model")
        return ld.assign(p, p - lr * value if ld.ndim(p) < 2 else p - value)

    for bad in (0, 1):
        params = [np.ones(3), np.ones((2, 2))]
        gradients = [np.ones(3), np.ones((2, 2))]
        gradients[bad].flat[1] = np.nan
        rule(params, backend=backend).update(gradients)
        assert all(np.isnan(p).all() for p in params)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_extras_reach_every_variant(backend):
    @ld.rule
    def rule(p, g, lr=0.1):
        curvature, loss = ld.extra("hessian_diag"), ld.extra("loss")
        scale = curvature if ld.ndim(p) < 2 else ld.sum(curvature, axis=0)
        return ld.assign(p, p - lr * loss * g * scale)

    shapes = [(3, 4), (2,), (5, 2)]
    params, g, h = (normal_arrays(k, shapes, "float64") for k in range(3))
    before = [p.copy() for p in params]
    rule(params, backend=backend).update(g, loss=0.5, hessian_diag=h)
    for p, old, own, curvature in zip(params, before, g, h, strict=True):
        scale = curvature if p.ndim < 2 else curvature.sum(0)
        np.testing.assert_allclose(p, old - 0.05 * own * scale, rtol=1e-13)


def test_random_numbers_are_those_of_a_rule_without_variants():
    @ld.rule
    def rule(p, g, lr=0.1, by_shape=True):
        u = g + ld.normal() * ld.uniform()
        if by_shape and ld.ndim(p) == 2:
            u = u + 0.0 * ld.max(p, axis=0)
        return ld.assign(p, p - lr * u * (ld.ndim(p) if by_shape else 1))

    shapes = [(3, 4), (2,), (5, 2)]
    with_variants = trained(rule, shapes, "float64", "cpu", steps=1, seed=5)
    start, without = (
        normal_arrays(0, shapes, "float64"),
        trained(rule, shapes, "float64", "cpu", steps=1, seed=5, by_shape=False),
    )
    for old, one, other in zip(start, with_variants, without, strict=True):
        np.testing.assert_allclose(one - old, old.ndim * (other - old), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_training_goes_on_bitwise_from_a_file(tmp_path, backend):
    def train(learner, first):
        for step in (first, first + 1):
            learner.update(normal_arrays(step, SHAPES, "float32"))
        own = [a.copy() for s in learner.state.values() for a in s.values()]
        return [*(p.copy() for p in learner.parameters.values()), *own, learner.model_state]

    learner = factored(normal_arrays(0, SHAPES, "float32"), backend=backend)
    train(learner, 1)
    learner.save(tmp_path / "learner.safetensors")
    resumed = factored([p.copy() for p in learner.parameters.values()], backend=backend)
    resumed.load(tmp_path / "learner.safetensors")
    for one, other in zip(train(resumed, 3), train(learner, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(learner.state[0]) == {"count", "v"}
    assert set(learner.state[1]) == {"count", "rows", "cols"}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_evaluation_parameters_are_those_of_each_variant(backend):
    @ld.rule
    def rule(p, g, lr=0.1):
        centre = ld.mean(p, axis=0) if ld.ndim(p) >= 2 else 0.0
        ld.evaluate(p - centre + ld.mean(p, over="model"))
        return ld.assign(p, p - lr * g)

    params = normal_arrays(0, SHAPES[:4], "float64")
    shown = rule(params, backend=backend).evaluation_parameters()
    mean = np.concatenate([p.ravel() for p in params]).mean()
    for k, p in enumerate(params):
        expected = p - (p.mean(0) if p.ndim >= 2 else 0.0) + mean
        np.testing.assert_allclose(shown[k], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("bad", [0, 1])
def test_what_is_not_finite_in_one_variant_stops_all(bad, backend):
    params, gradients = [np.ones(3), np.ones((2, 2))], [np.ones(3), np.ones((2, 2))]
    gradients[bad].flat[0] = np.inf
    skipping = factored(params, nonfinite="skip", backend=backend)
    assert not skipping.update(gradients)
    with pytest.raises(ld.NonFiniteError, match=f"Gradients of {bad} hold"):
        factored(params, nonfinite="raise", backend=backend).update(gradients)
    assert all((p == 1).all() for p in params)
    assert skipping.step_count == 0
    assert skipping.model_state == {"total": 1.0}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_row_sparse_gradient_goes_to_a_variant_that_can(backend):
    @ld.rule
    def rule(p, g, lr=0.5):
        norm = ld.sum(g**2, over="model")
        u = g if ld.ndim(p) == 2 else g - ld.mean(g, axis=-1)
        return ld.assign(p, p - lr * u * norm / ld.size(p, over="model"))

    params = [np.zeros((4, 2)), np.zeros((2, 1, 3))]
    learner = rule(params, backend=backend)
    dense = np.arange(6.0).reshape(2, 1, 3)
    for _ in range(2):
        learner.update([ld.RowSparse(np.array([1, 3]), np.ones((2, 2)), (4, 2)), dense])
    norm = (4 + np.sum(dense**2)) / 10
    np.testing.assert_allclose(params[0], -norm * np.array([[0, 0], [1, 1]] * 2))
    np.testing.assert_allclose(params[1], -norm * (dense - dense.mean(-1, keepdims=True)))
    sparse = ld.RowSparse(np.array([1]), np.ones((1, 1, 3)), (2, 1, 3))
    with pytest.raises(ld.ArrayError, match="gradient of 1 is row-sparse"):
        learner.update([np.ones((4, 2)), sparse])
    learner.update([np.ones((4, 2)), dense])
    norm = (8 + np.sum(dense**2)) / 14
    np.testing.assert_allclose(params[0][0], -0.5 * norm)


def test_the_code_of_all_variants_can_be_seen():
    learner = factored([np.ones(3), np.ones((2, 2)), np.ones((2, 2, 2))])
    assert len(learner.programs) == 3
    assert learner.source().count("def factored_pass_1(") == 3
    assert learner.asm().count("# factored_pass_1\n") == 3
    assert learner.llvm().count("; factored_pass_1\n") == 3
    assert learner.plan() == learner.plans[0]
    vector, matrix, tensor = (str(plan) for plan in learner.plans)
    assert "sum over axes -1" not in vector
    assert "sum over axes -1" in matrix
    assert matrix == tensor


DIFFERENT = {
    "reductions over the model": lambda p, g: ld.assign(
        p, p - g * (ld.norm(g, over="model") if ld.ndim(p) < 2 else 1)
    ),
    "extras": lambda p, g: ld.assign(p, p - g * (1 if ld.ndim(p) < 2 else ld.extra("loss"))),
    "states of the model": lambda p, g: counting(
        p, g, ld.state("count", init=ld.ndim(p), shape="model")
    ),
    "new values of states of the model": lambda p, g: counting(
        p, g, ld.state("count", shape="model"), ld.ndim(p)
    ),
}


def counting(p, g, state, amount=1):
    amount = ld.let("amount", amount + ld.step)
    return ld.assign(p, p - g * ld.assign(state, state + amount))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("what", DIFFERENT)
def test_what_is_of_the_model_is_the_same_in_all_variants(what, backend):
    def rule(p, g, lr=0.1):
        return DIFFERENT[what](p, g)

    params = [np.ones(3), np.ones((2, 2))]
    with pytest.raises(ld.RuleError, match=f"Rule rule has {what} that differ.*write them before"):
        ld.rule(rule)(params, backend=backend)
    ld.rule(rule)(params[:1], backend=backend)


def test_sums_that_need_each_other_the_other_way_round_are_refused():
    @ld.rule
    def rule(p, g, lr=0.1):
        first = ld.let("first", ld.sum(g if ld.ndim(p) < 2 else g / ld.norm(g), over="model"))
        scale = first if ld.ndim(p) < 2 else 1
        second = ld.sum(p * scale, over="model")
        return ld.assign(p, p - lr * g * first * second)

    with pytest.raises(ld.RuleError, match="in different orders for tensors of different shapes"):
        rule([np.ones(3), np.ones((2, 2))])


def test_a_parameter_that_the_rule_cannot_update_is_named():
    @ld.rule
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * (g - ld.mean(g, axis=1)))

    with pytest.raises(ld.RuleError, match=r"Parameter 'bias' of shape \(3,\)"):
        rule({"weight": np.ones((2, 3)), "bias": np.ones(3)})


def test_only_what_states_of_the_model_need_is_written_out(monkeypatch):
    """Forty products, each of which uses the one before thrice, would have 3**40 paths."""

    @ld.rule
    def rule(p, g, lr=0.1):
        count = ld.state("count", shape="model")
        x = g if ld.shape(p)[0] < 3 else 2 * g
        for k in range(40):
            x = ld.let(f"x{k}", x + ld.matmul(ld.matmul(x, ld.transpose(x)), x))
        more = ld.let("more", 2 * ld.step)
        return ld.combine([ld.assign(count, count + more), ld.assign(p, p - lr * x)])

    written = []

    def rebuilding(node, arguments):
        result = rebuilt(node, arguments)
        written.append(size_and_depth(result)[0])
        return result

    monkeypatch.setattr(variants, "rebuilt", rebuilding)
    learner = rule([np.ones((2, 2)), np.ones((3, 2))], backend="numpy")
    learner.update([np.zeros((2, 2)), np.zeros((3, 2))])
    assert learner.model_state["count"] == 2
    assert 0 < max(written) < 10
