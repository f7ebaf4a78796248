import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl import LearnerError, RowSparse
from learnerdsl.cntk.errors import GraphError


def weights(shape=(4, 3), dtype=np.float32, seed=0):
    return C.parameter(shape, np.random.default_rng(seed).normal(size=shape), dtype)


def gradient(parameter, seed=1):
    random = np.random.default_rng(seed)
    return random.normal(size=parameter.shape).astype(parameter.dtype)


def momentum(parameters, gradients):
    updates = []
    for p, g in zip(parameters, gradients, strict=True):
        v = C.constant(0, shape=p.shape, dtype=p.dtype, name="v")
        updates.append(C.assign(p, p - 0.1 * C.assign(v, 0.9 * v + g)))
    return C.combine(updates)


def test_equal_structures_share_one_fused_learner():
    learner = C.universal(momentum, [weights(), weights((3,)), weights((2, 2))])
    assert len(learner.runners) == 1
    assert learner.plan().startswith("momentum (float32): 1 pass, 20 bytes per element")
    assert "v_new = " in learner.source()
    assert "v_{t}" in learner.latex() or "v_t" in learner.latex()


def test_reading_a_target_gives_its_old_value_wherever_it_is_written():
    def stale(parameters, gradients, first):
        (p,), (g,) = parameters, gradients
        a = C.constant(1.0, shape=p.shape)
        assigns = [C.assign(a, a + g), C.assign(p, p - a)]
        return C.combine(assigns if first else assigns[::-1])

    for first in (True, False):
        p = C.parameter(2)
        learner = C.universal(_with(stale, first), [p])
        learner.update({p: np.ones(2, np.float32)}, 1)
        assert p.value[0] == -1.0
        learner.update({p: np.ones(2, np.float32)}, 1)
        assert p.value[0] == -3.0


def _with(function, *more):
    def update(parameters, gradients):
        return function(parameters, gradients, *more)

    return update


def test_the_constants_hold_the_states():
    kept = []

    def update(parameters, gradients):
        (p,), (g,) = parameters, gradients
        kept.append(C.constant(2.0, shape=p.shape, name="a"))
        return C.assign(p, p - C.assign(kept[0], kept[0] + g))

    p = C.parameter(2)
    C.universal(update, [p]).update({p: np.ones(2, np.float32)}, 1)
    assert np.array_equal(kept[0].value, [3, 3])


def global_norm(parameters, gradients):
    norm = C.sqrt(sum(C.reduce_sum(g * g) for g in gradients))
    scale = C.element_min(1.0, 0.5 / norm)
    return C.combine(
        [C.assign(p, p - scale * g) for p, g in zip(parameters, gradients, strict=True)]
    )


def clipped(parameters, gradients, limit=0.5):
    norm = np.sqrt(sum(np.sum(g.astype("f8") ** 2) for g in gradients))
    return [p - min(1.0, limit / norm) * g for p, g in zip(parameters, gradients, strict=True)]


def test_a_global_norm_is_one_reduction_over_the_model():
    parameters = [weights(), weights((3,), seed=2), weights((2, 2), seed=3)]
    gradients = [gradient(p, k) for k, p in enumerate(parameters)]
    expected = clipped([p.value for p in parameters], gradients)
    learner = C.universal(global_norm, parameters)
    assert len(learner.runners) == 1
    assert "2 passes" in learner.plan()
    learner.update(dict(zip(parameters, gradients, strict=True)), 1)
    for p, want in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(p.value, want, rtol=1e-6)


def test_a_global_norm_spans_parameters_of_two_dtypes_and_structures():
    def update(parameters, gradients):
        norm = C.sqrt(C.reduce_sum(gradients[0] ** 2) + C.reduce_sum(C.square(gradients[1])))
        scale = C.element_min(1.0, 0.5 / norm)
        (p, q), (g, h) = parameters, gradients
        return C.combine([C.assign(p, p - scale * (g + 0.1 * p)), C.assign(q, q - scale * h)])

    p, q = weights(), weights((3,), seed=2)
    g, h = gradient(p), gradient(q)
    scale = min(1.0, 0.5 / np.sqrt((g**2).sum() + (h**2).sum()))
    expected = p.value - scale * (g + np.float32(0.1) * p.value), q.value - scale * h
    learner = C.universal(update, [p, q])
    assert len(learner.runners) == 2
    learner.update({p: g, q: h}, 1)
    np.testing.assert_allclose(p.value, expected[0], rtol=1e-5)
    np.testing.assert_allclose(q.value, expected[1], rtol=1e-5)


def test_a_reduction_of_one_other_parameter_is_measured_first():
    def update(parameters, gradients):
        (p, q), (g, h) = parameters, gradients
        return C.combine(
            [C.assign(p, p - C.reduce_max(h) * g), C.assign(q, q - C.reduce_mean(p) * h)]
        )

    p, q = weights(), weights((3,), seed=2)
    g, h = gradient(p), gradient(q)
    expected = p.value - h.max() * g, q.value - p.value.mean() * h
    C.universal(update, [p, q]).update({p: g, q: h}, 1)
    np.testing.assert_allclose(p.value, expected[0], rtol=1e-5)
    np.testing.assert_allclose(q.value, expected[1], rtol=1e-5)


def test_a_norm_over_all_with_one_parameter_unassigned():
    def update(parameters, gradients):
        norm = sum(C.reduce_sum(C.abs(g)) for g in gradients)
        return C.assign(
            parameters[0], parameters[0] - gradients[0] / norm + 0 * C.reduce_sum(parameters[1])
        )

    p, q = weights(), weights((3,))
    g, h = gradient(p), gradient(q)
    expected = p.value - g / (np.abs(g).sum() + np.abs(h).sum())
    before = q.value
    C.universal(update, [p, q]).update({p: g, q: h}, 1)
    np.testing.assert_allclose(p.value, expected, rtol=1e-5)
    assert np.array_equal(q.value, before)


def test_per_tensor_norms_and_scalar_states():
    kept = {}

    def update(parameters, gradients):
        updates = []
        kept["t"] = C.constant(0, name="t")
        t_new = C.assign(kept["t"], kept["t"] + 1)
        for p, g in zip(parameters, gradients, strict=True):
            trust = C.sqrt(C.reduce_sum(p * p)) / C.sqrt(C.reduce_sum(g * g))
            updates.append(C.assign(p, p - 0.1 * trust * g / t_new))
        return C.combine(updates)

    p, q = weights(), weights((3,), seed=2)
    learner = C.universal(update, [p, q])
    for step in (1, 2):
        gradients = {p: gradient(p, step), q: gradient(q, step)}
        expected = [
            w.value - 0.1 * np.linalg.norm(w.value) / np.linalg.norm(g) * g / step
            for w, g in gradients.items()
        ]
        learner.update(gradients, 1)
        for w, want in zip((p, q), expected, strict=True):
            np.testing.assert_allclose(w.value, want, rtol=1e-5)
        assert kept["t"].value == step


def test_schedules_advance_in_the_expression():
    lr = C.learning_parameter_schedule([0.5, 0.25], epoch_size=4)
    decay = C.learning_parameter_schedule([1.0, 0.0])

    def update(parameters, gradients):
        (p,), (g,) = parameters, gradients
        return C.assign(p, decay * p - lr * g)

    p = C.parameter(2, init=8)
    learner = C.universal(update, [p])
    seen = []
    for _ in range(3):
        learner.update({p: np.ones(2, np.float32)}, 4, is_sweep_end=len(seen) == 1)
        seen.append(float(p.value[0]))
    assert seen == [7.5, 7.25, -0.25]


def test_a_constant_with_a_name_is_read_at_every_update():
    lr = C.constant(0.5, name="lr")
    p = C.parameter(2)
    learner = C.universal(_with(lambda ps, gs: C.assign(ps[0], ps[0] - lr * gs[0])), [p])
    for value in (0.5, 2.0):
        lr.value = value
        p.value = 0
        learner.update({p: np.ones(2, np.float32)}, 1)
        assert p.value[0] == -value
    assert "lr" in learner.source()


def test_constant_arrays_mask_elements():
    mask = C.constant(np.array([1, 0, 1], np.float32))

    def update(parameters, gradients):
        return C.assign(parameters[0], parameters[0] - mask * gradients[0])

    p = C.parameter(3)
    learner = C.universal(update, [p])
    for _ in range(2):
        learner.update({p: np.ones(3, np.float32)}, 1)
    assert np.array_equal(p.value, [-2, 0, -2])


def test_selections_and_comparisons():
    def update(parameters, gradients):
        (p,), (g,) = parameters, gradients
        sign = C.greater(g, 0) - C.less(g, 0)
        step = C.element_select(C.less_equal(C.abs(g), 1), sign, C.clip(g, -2, 2))
        return C.assign(p, p - step)

    p = C.parameter(5)
    C.universal(update, [p]).update({p: np.array([0, 0.5, -0.5, 5, -1.5], np.float32)}, 1)
    assert np.array_equal(p.value, [0, -1, 1, -2, 1.5])


def test_row_sparse_gradients_touch_their_rows_only():
    p = C.parameter((5, 2), init=1)
    learner = C.universal(momentum, [p])
    before = p.value
    for _ in range(2):
        rows = RowSparse(np.array([1, 3]), np.ones((2, 2), np.float32), (5, 2))
        learner.update({p: rows}, 1)
    assert list(np.flatnonzero(np.any(p.value != before, axis=1))) == [1, 3]
    np.testing.assert_allclose(p.value[1], 1 - 0.1 - 0.1 * 1.9)


def test_states_are_in_checkpoints_and_reset():
    first, second = weights(), weights()
    learner, other = (C.universal(momentum, [p]) for p in (first, second))
    for step in range(3):
        learner.update({first: gradient(first, step)}, 2)
    other.restore_from_checkpoint(learner.create_checkpoint())
    second.value = first.value
    for one, p in ((learner, first), (other, second)):
        one.update({p: gradient(p, 9)}, 2)
    assert np.array_equal(first.value, second.value)
    assert other.total_number_of_samples_seen() == 8
    learner.reset_smoothed_gradients()
    first.value = 0
    learner.update({first: gradient(first)}, 2)
    np.testing.assert_allclose(first.value, -np.float32(0.1) * gradient(first), rtol=1e-6)


def test_states_that_start_above_0_are_reset_to_that():
    def update(parameters, gradients):
        (p,), (g,) = parameters, gradients
        a = C.constant(np.array([1, 2], np.float32))
        return C.assign(p, p - C.assign(a, a + g))

    p = C.parameter(2)
    learner = C.universal(update, [p])
    for _ in range(2):
        p.value = 0
        learner.update({p: np.ones(2, np.float32)}, 1)
        assert np.array_equal(p.value, [-2, -3])
        learner.reset_smoothed_gradients()


def test_float64_computes_in_float64():
    p = weights(dtype=np.float64)
    g = gradient(p)
    expected = p.value - 0.1 * g
    C.universal(momentum, [p]).update({p: g}, 1)
    np.testing.assert_allclose(p.value, expected, rtol=1e-15)


def test_the_dummy_learning_rate_stops_it_at_0():
    p = C.parameter(2)
    learner = C.universal(momentum, [p])
    assert learner.learning_rate() == 1
    learner.reset_learning_rate(C.learning_parameter_schedule(0))
    assert not learner.update({p: np.ones(2, np.float32)}, 1)
    assert not p.value.any()


def test_nothing_is_allocated_but_states():
    p = C.parameter((1000,))
    learner = C.universal(momentum, [p])
    (unit,) = learner.runners
    assert sum(a.nbytes for states in unit.states for a in states.values()) == p.memory.nbytes


def refused(update, parameters, kind, match):
    with pytest.raises(kind, match=match) as caught:
        C.universal(update, parameters)
    assert isinstance(caught.value, LearnerError)


def test_functions_that_return_no_graph_are_refused():
    p = [weights()]
    refused(_with(lambda ps, gs: None), p, ValueError, "returned None")
    refused(_with(lambda ps, gs: [C.assign(ps[0], gs[0])]), p, ValueError, "returned a list")
    refused(lambda ps: None, p, ValueError, "two")


OTHER = C.parameter((3, 3))


@pytest.mark.filterwarnings("ignore:The update function does not use:RuntimeWarning")
@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda p, g: C.assign(p[0], p[1] - g[0]), "combines elements of"),
        (lambda p, g: C.assign(p[0], p[0] - C.reduce_sum(g[0], axis=0)), "some axes only"),
        (lambda p, g: C.assign(p[0], p[0] - C.times(p[0], C.transpose(g[0]))), "operation times"),
        (lambda p, g: [C.assign(p[0], g[0]), C.assign(p[0], p[0] - g[0])], "assigned twice"),
        (lambda p, g: C.assign(g[0], p[0]), "assigns to a gradient"),
        (lambda p, g: C.assign(OTHER, p[0]), "not given"),
        (lambda p, g: C.assign(OTHER, 0.5 * OTHER), "does not combine it with a parameter"),
        (lambda p, g: C.assign(p[0], p[0] * C.input_variable(()) * g[0]), "batch|no value"),
        (lambda p, g: C.assign(p[0], p[0] - C.dropout(g[0], 0.5)), "operation dropout"),
    ],
)
def test_what_no_rule_can_express_names_the_node(function, match):
    def update(parameters, gradients):
        found = function(parameters, gradients)
        assigns = found if isinstance(found, list) else [found]
        return C.combine([*assigns, parameters[0], parameters[1]])

    refused(update, [weights((3, 3)), weights((3, 3))], (GraphError, ValueError), match)


def test_a_parameter_that_is_not_used_is_refused():
    function = _with(lambda p, g: C.assign(p[0], p[0] - g[0]))
    refused(function, [weights(), weights()], RuntimeError, "does not use")


def test_an_unused_gradient_warns():
    with pytest.warns(RuntimeWarning, match="does not use the gradient"):
        C.universal(lambda p, g: C.assign(p[0], 0.5 * p[0]), [weights()])
