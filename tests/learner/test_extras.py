"""What an update is given beside the gradients, first-gradient states, evaluation parameters."""

import math

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.errors import LearnerError


@ld.rule
def polyak(p, g, limit=10.0):
    """A step that would reach a loss of 0 on a line."""
    loss = ld.extra("loss")
    return ld.assign(p, p - ld.minimum(limit, loss / ld.sum(g**2, over="model")) * g)


@ld.rule
def newton(p, g, lr=1.0, keep=0.5):
    """A diagonal Newton step with a smoothed curvature."""
    h = ld.state("h", init=1.0)
    h_new = ld.assign(h, keep * h + (1 - keep) * ld.extra("hessian_diag"))
    return ld.assign(p, p - lr * g / h_new)


@ld.rule
def differences(p, g, lr=0.1):
    """Steps along the change of the gradient, scaled by norms that start from the first one."""
    last = ld.state("last", init=g)
    size = ld.state("size", init=2 * ld.sum(g**2), shape="tensor")
    far = ld.state("far", init=1 + ld.norm(p, over="model"), shape="model")
    size_new = ld.assign(size, size / 2 + ld.sum(g**2) / 2)
    far_new = ld.assign(far, far + ld.norm(g, over="model"))
    step = ld.assign(p, p - lr * (2 * g - last) / ld.sqrt(size_new) / far_new)
    return ld.combine([step, ld.assign(last, g)])


def arrays(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s).astype(dtype) for s in ((3, 4), (5,), ())]


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_number_is_given_to_every_update(backend):
    params, gradients = arrays(1), arrays(2)
    before = [p.copy() for p in params]
    learner = polyak(params, backend=backend)
    assert learner.extras == ("loss",)
    for loss in (2.0, np.float32(0.5), np.array(0.25)):
        learner.update(gradients, loss=loss)
    total = sum(float(np.sum(g**2)) for g in gradients)
    for p, old, g in zip(params, before, gradients, strict=True):
        np.testing.assert_allclose(p, old - 2.75 / total * g, rtol=1e-12)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("form", [list, dict])
def test_arrays_are_given_in_the_form_of_the_gradients(form, backend):
    def shaped(values):
        return values if form is list else dict(zip("abc", values, strict=True))

    params, gradients, curvature = arrays(1), arrays(2), [np.asarray(abs(a) + 1) for a in arrays(3)]
    before = [p.copy() for p in params]
    learner = newton(shaped(params), backend=backend)
    learner.update(shaped(gradients), hessian_diag=shaped(curvature))
    for p, old, g, h in zip(params, before, gradients, curvature, strict=True):
        np.testing.assert_allclose(p, old - g / (0.5 + 0.5 * h), rtol=1e-12)


def test_an_extra_that_is_missing_or_unknown_is_refused():
    params = arrays(1)
    before = [p.copy() for p in params]
    with pytest.raises(ld.UnknownNameError, match=r"needs loss=\.\.\. besides the gradients"):
        polyak(params).update(arrays(2))
    with pytest.raises(ld.UnknownNameError, match="takes loss besides the gradients, not value"):
        polyak(params).update(arrays(2), loss=1.0, value=2.0)
    with pytest.raises(ld.UnknownNameError, match="takes nothing besides the gradients, not loss"):
        differences(params).update(arrays(2), loss=1.0)
    assert all((a == b).all() for a, b in zip(params, before, strict=True))


BAD_ARRAYS = {
    "shape": lambda h: [h[0].T.copy(), *h[1:]],
    "dtype": lambda h: [h[0].astype(int), *h[1:]],
    "form": lambda h: dict(enumerate(h)),
    "number": lambda h: h[:2],
    "rows": lambda h: [ld.RowSparse([0], np.ones((1, *h[0].shape[1:])), h[0].shape), *h[1:]],
    "mask": lambda h: [np.ma.masked_array(h[0]), *h[1:]],
    "None": lambda h: [None, *h[1:]],
    "list": lambda h: [h[0].tolist(), *h[1:]],
    "set": lambda h: {1.0, 2.0},
    "generator": lambda h: iter(h),
    "one array": lambda h: h[0],
    "nothing": lambda h: None,
    "Ellipsis": lambda h: ...,
}


@pytest.mark.parametrize("what", BAD_ARRAYS)
def test_arrays_that_do_not_fit_are_refused_by_name_and_nothing_changes(what):
    params = arrays(1)
    learner = newton(params)
    before = [p.copy() for p in params]
    with pytest.raises(LearnerError, match="hessian_diag"):
        learner.update(arrays(2), hessian_diag=BAD_ARRAYS[what](arrays(3)))
    assert all((a == b).all() for a, b in zip(params, before, strict=True))
    assert learner.step_count == 0


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_arrays_of_another_float_type_or_layout_are_converted_in_every_update(backend):
    params, curvature = arrays(1), [np.asarray(abs(a) + 1) for a in arrays(3)]
    learner = newton(params, backend=backend)
    same = newton(arrays(1), backend=backend)
    given = [np.asarray(h.T.astype(np.float32)).T for h in curvature]
    for seed in range(3):
        learner.update(arrays(seed), hessian_diag=given)
        same.update(arrays(seed), hessian_diag=[np.array(h, float) for h in given])
        for h in given:
            h *= 2
    for p, wanted in zip(params, same.parameters.values(), strict=True):
        np.testing.assert_array_equal(p, wanted)


def test_an_array_that_is_a_state_or_a_parameter_is_refused():
    params = arrays(1)
    learner = newton(params)
    learner.update(arrays(2), hessian_diag=arrays(3))
    for own in (params, [states["h"] for states in learner.state.values()]):
        with pytest.raises(ld.ArrayError, match="The hessian_diag of 0 overlaps"):
            learner.update(arrays(2), hessian_diag=own)


@pytest.mark.parametrize("value", ["1", None, True, [1.0], np.True_, 1j, np.ma.masked], ids=repr)
def test_a_number_that_is_none_is_refused(value):
    with pytest.raises(ld.HyperparameterError, match="loss must be a number"):
        polyak(arrays(1)).update(arrays(2), loss=value)


def test_a_number_that_float64_cannot_hold_is_refused():
    with pytest.raises(ld.HyperparameterError, match="is too large for float64"):
        polyak(arrays(1)).update(arrays(2), loss=10**400)


def test_an_extra_without_a_known_shape_says_what_to_write():
    @ld.rule
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * g * ld.extra("curvature"))

    with pytest.raises(ld.RuleError, match="write shape='model' for a number"):
        rule.trace()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_states_start_from_the_first_gradient_and_from_norms(backend):
    params = arrays(1)
    reference = [p.copy() for p in params]
    far = 1 + np.sqrt(sum(float(np.sum(p**2)) for p in params))
    learner = differences(params, backend=backend)
    assert learner.model_state["far"] == pytest.approx(far, rel=1e-14)
    last, size = None, None
    for t in range(4):
        gradients = arrays(10 + t)
        learner.update(gradients)
        last = last or gradients
        size = size or [2 * np.sum(g**2) for g in gradients]
        size = [s / 2 + np.sum(g**2) / 2 for s, g in zip(size, gradients, strict=True)]
        far = far + np.sqrt(sum(float(np.sum(g**2)) for g in gradients))
        for k, g in enumerate(gradients):
            reference[k] = reference[k] - 0.1 * (2 * g - last[k]) / np.sqrt(size[k]) / far
        last = gradients
    for p, q in zip(params, reference, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-12)


def test_a_state_starts_from_the_first_gradient_again_after_reset():
    params = arrays(1)
    learner = differences(params)
    learner.update(arrays(2))
    once = [p.copy() for p in params]
    for p, start in zip(params, arrays(1), strict=True):
        p[...] = start
    learner.reset()
    learner.update(arrays(2))
    assert all((a == b).all() for a, b in zip(params, once, strict=True))


@ld.rule
def averaged(p, g, lr=0.1, decay=0.9):
    """Gradient descent with a bias-corrected average of the weights."""
    average = ld.state("average")
    p_new = ld.assign(p, p - lr * g)
    average_new = ld.assign(average, decay * average + (1 - decay) * p_new)
    ld.evaluate(average_new / (1 - decay**ld.step))
    return average_new


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_rule_declares_the_parameters_to_evaluate_with(backend):
    params = {"w": np.ones((2, 3)), "b": np.zeros(())}
    learner = averaged(params, backend=backend)
    average = {n: np.zeros(p.shape) for n, p in params.items()}
    for t in range(1, 4):
        learner.update({n: np.asarray(p + 1) for n, p in params.items()})
        shown = learner.evaluation_parameters()
        for n, p in params.items():
            average[n] = 0.9 * average[n] + 0.1 * p
            np.testing.assert_allclose(shown[n], average[n] / (1 - 0.9**t), rtol=1e-14)
            assert not np.shares_memory(shown[n], p)


def test_without_a_declaration_the_parameters_themselves_are_shown():
    params = arrays(1)
    learner = differences(params)
    for shown, p in zip(learner.evaluation_parameters().values(), params, strict=True):
        np.testing.assert_array_equal(shown, p)
        assert shown is not p


@ld.rule
def leading(p, g, lr=0.1, ahead=0.5, unused=1.0):
    """Shows the parameters some way ahead, which depends on a hyperparameter."""
    v = ld.state("v")
    ld.evaluate(p - ahead * v)
    return ld.assign(p, p - lr * unused * ld.assign(v, v + g))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("updates", [0, 1, 2])
def test_evaluation_parameters_need_no_schedule_that_has_ended_or_not_begun(updates, backend):
    rates, asked = [0.5, 0.25], []
    learner = leading(
        [np.ones(2)],
        backend=backend,
        lr=lambda step: asked.append(step) or rates[step - 1],
        ahead=lambda step: [2.0, 3.0][step - 1],
        unused=1 / ld.sqrt(ld.step),
    )
    for _ in range(updates):
        learner.update([np.ones(2)])
    asked.clear()
    shown = learner.evaluation_parameters()[0]
    ahead = [2.0, 2.0, 3.0][updates]  # of the last update, or of the first one
    np.testing.assert_allclose(shown, learner.parameters[0] - ahead * updates, rtol=1e-15)
    assert asked == []


def test_a_schedule_that_evaluation_parameters_need_is_named_where_it_fails():
    learner = leading([np.ones(2)])
    learner.hyperparameters["ahead"] = lambda step: math.nan
    with pytest.raises(ld.HyperparameterError, match="'ahead' returned nan at step 1"):
        learner.evaluation_parameters()


def test_evaluation_parameters_cannot_use_what_is_not_kept():
    @ld.rule
    def rule(p, g, lr=0.1):
        ld.evaluate(p + g)
        return ld.assign(p, p - lr * g)

    with pytest.raises(ld.RuleError, match="cannot evaluate with g \\+ p: g is not kept"):
        rule.trace()


def test_evaluation_parameters_are_declared_once():
    @ld.rule
    def rule(p, g, lr=0.1):
        ld.evaluate(p)
        ld.evaluate(2 * p)
        return ld.assign(p, p - lr * g)

    with pytest.raises(ld.RuleError, match="twice"):
        rule.trace()
