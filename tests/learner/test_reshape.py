"""Rules that see parameters in other shapes: kernels as matrices, heads as stacks."""

import numpy as np
import pytest
from support.small_rules import BACKENDS

import learnerdsl as ld
from learnerdsl.learners import adafactor, adamw, momo, muon, schedule_free_sgd, sgd, sophia

KERNEL = (6, 3, 2, 2)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def as_matrix(name, shape):
    del name
    return (shape[0], -1) if len(shape) == 4 else None


def drawn(seed, shape=KERNEL):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("rule", [muon, adafactor, sgd])
def test_a_kernel_moves_as_the_matrix_that_it_is_seen_as(rule, backend):
    kernel, matrix = drawn(0), drawn(0).reshape(6, -1)
    learner = rule({"conv": kernel}, lr=0.1, reshape=as_matrix, backend=backend)
    alone = rule({"conv": matrix}, lr=0.1, backend=backend)

    for seed in (1, 2, 3):
        learner.update({"conv": drawn(seed)})
        alone.update({"conv": drawn(seed).reshape(6, -1)})

    np.testing.assert_array_equal(kernel, matrix.reshape(KERNEL))
    for name, value in alone.state["conv"].items():
        np.testing.assert_array_equal(learner.state["conv"][name], value)


def test_heads_are_a_stack_of_matrices(backend):
    weight = drawn(0, (6, 5))
    heads = [np.array(part) for part in weight.reshape(3, 2, 5)]
    learner = muon([weight], lr=0.1, reshape=lambda name, shape: (3, 2, -1), backend=backend)
    alone = muon(heads, lr=0.1, backend=backend)

    for seed in (1, 2):
        learner.update([drawn(seed, (6, 5))])
        alone.update(list(drawn(seed, (6, 5)).reshape(3, 2, 5)))

    np.testing.assert_allclose(weight.reshape(3, 2, 5), heads, rtol=0, atol=1e-12)


def test_new_gradient_arrays_of_another_type_are_reshaped_too(backend):
    kernel, other = drawn(0), drawn(0)
    one = muon([kernel], lr=0.1, reshape=as_matrix, backend=backend)
    two = muon([other], lr=0.1, reshape=as_matrix, backend=backend)
    for seed in (1, 2):
        gradient = drawn(seed).astype(np.float32)
        one.update([gradient])
        two.update([np.asfortranarray(gradient.astype(np.float64))])

    np.testing.assert_array_equal(kernel, other)


def test_parameters_without_a_gradient_stay(backend):
    kernel, bias = drawn(0), np.ones(3)
    learner = adamw({"k": kernel, "b": bias}, reshape=as_matrix, backend=backend)
    assert learner.update({"k": None, "b": np.ones(3)})
    np.testing.assert_array_equal(kernel, drawn(0))


def test_extras_have_the_shape_of_the_parameter(backend):
    kernel, plain = drawn(0), drawn(0)
    seen = sophia([kernel], reshape=as_matrix, backend=backend)
    own = sophia([plain], backend=backend)
    for learner in (seen, own):
        assert learner.update([drawn(1)], hessian_diag=[np.abs(drawn(2))])
    np.testing.assert_array_equal(kernel, plain)
    assert momo([drawn(0)], reshape=as_matrix, backend=backend).update([drawn(1)], loss=1.0)


def test_weights_to_evaluate_with_have_the_shape_of_the_parameter(backend):
    kernel = drawn(0)
    learner = schedule_free_sgd([kernel], reshape=as_matrix, backend=backend)
    learner.update([drawn(1)])
    assert learner.evaluation_parameters()[0].shape == KERNEL
    assert sgd([kernel], reshape=as_matrix).evaluation_parameters()[0].shape == KERNEL


def test_checkpoints_resume(tmp_path, backend):
    one, other = drawn(0), drawn(0)
    first = muon({"conv": one}, lr=0.1, reshape=as_matrix, backend=backend)
    first.update({"conv": drawn(1)})
    first.save(tmp_path / "muon.safetensors", parameters=True)
    second = muon({"conv": other}, lr=0.1, reshape=as_matrix, backend=backend)
    second.load(tmp_path / "muon.safetensors", parameters=True)
    for learner in (first, second):
        learner.update({"conv": drawn(2)})

    np.testing.assert_array_equal(one, other)


def test_a_choice_of_rules_goes_by_the_shape_that_they_see(backend):
    params = {"conv": drawn(0), "bias": np.ones(6)}
    mixed = ld.by_parameter(lambda name, shape: muon if len(shape) == 2 else adamw)
    learner = mixed(params, reshape=as_matrix, backend=backend)
    learner.update({"conv": drawn(1), "bias": np.ones(6)})
    assert set(learner.state["conv"]) == {"m"}
    assert set(learner.state["bias"]) == {"m", "v"}


def test_frozen_parameters_are_left_alone():
    params = {"conv": drawn(0), "other": drawn(1)}
    learner = muon(params, reshape=as_matrix, groups=[{"params": "conv", "frozen": True}])
    learner.update({"other": drawn(2)})
    learner = learner.thaw("conv")
    learner.update({"conv": drawn(3), "other": drawn(4)})
    assert learner.state["conv"]["m"].shape == (6, 12)


@pytest.mark.parametrize(
    ("reshape", "message"),
    [
        ((6, -1), "must be a function of name and shape"),
        (lambda name, shape: (5, -1), r"returned \(5, -1\) for 0 of shape \(6, 3, 2, 2\)"),
        (lambda name, shape: (6, 6), "return a shape of 72 elements"),
        (lambda name, shape: (-1, -1), "return a shape of 72 elements"),
        (lambda name, shape: (6.0, 12.0), "return a shape of 72 elements"),
        (lambda name, shape: 72, "return a shape of 72 elements"),
    ],
    ids=["no function", "not divisible", "too few", "two open", "no integers", "no tuple"],
)
def test_shapes_that_do_not_fit_are_refused(reshape, message):
    with pytest.raises(ld.ArrayError, match=message):
        sgd([drawn(0)], reshape=reshape)


def test_gradients_have_the_shape_of_the_parameter():
    learner = sgd([drawn(0)], reshape=as_matrix)
    with pytest.raises(ld.ArrayError, match=r"\(6, 12\).*\(6, 3, 2, 2\)"):
        learner.update([drawn(1).reshape(6, -1)])


def test_sparse_gradients_of_reshaped_parameters_are_refused():
    kernel = drawn(0)
    learner = sgd([kernel], reshape=lambda name, shape: (-1, 2))
    rows = ld.RowSparse(np.array([1]), drawn(1)[:1], KERNEL)
    with pytest.raises(ld.ArrayError, match="seen in another shape"):
        learner.update([rows])
    np.testing.assert_array_equal(kernel, drawn(0))
