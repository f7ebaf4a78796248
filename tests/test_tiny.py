"""The package in half a minute, before a commit: one test for each of its rooms."""

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl import learners, transforms
from learnerdsl.pipeline import PASSES, stages


@ld.rule
def momentum(p, g, lr=0.5, mu=0.5):
    """A state and a hyperparameter."""
    v = ld.state("v")
    v_new = ld.assign(v, mu * v + g)
    return ld.assign(p, p - lr * v_new)


@ld.rule
def normalised(p, g, lr=1.0):
    """A reduction of each tensor, so that there are two passes."""
    return ld.assign(p, p - lr * g / ld.norm(g))


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.fixture(params=["cpu", "numpy"])
def backend(request):
    return request.param


def test_a_rule_updates_an_array_in_place(backend):
    weights = ones(3)
    learner = momentum([weights], backend=backend)
    for _ in range(2):
        assert learner.update([ones(3)])
    np.testing.assert_array_equal(weights, 1 - 0.5 - 0.75)
    np.testing.assert_array_equal(learner.state[0]["v"], 1.5)


def test_a_reduction_sees_the_whole_tensor(backend):
    weights = ones(2, 2)
    normalised([weights], backend=backend).update([ones(2, 2)])
    np.testing.assert_array_equal(weights, 0.5)


def test_an_elementwise_rule_is_one_pass():
    assert len(momentum.plan().passes) == 1
    assert len(normalised.plan().passes) == 2


def test_every_pass_of_the_compiler_leaves_a_stage():
    assert list(stages(momentum.trace())) == ["lower", *(name for name, _ in PASSES)]


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_rule_is_printed_for_every_target(target):
    assert "momentum_pass_1" in momentum.source(target)


def test_a_kernel_shows_its_assembly():
    assert "# momentum_pass_1\n" in momentum([ones(2)]).asm()


def test_a_builtin_follows_its_interpretation():
    ends = []
    for backend in ("cpu", "numpy"):
        weights = np.linspace(-1, 1, 5)
        learners.adam([weights], backend=backend).update([np.linspace(2, 3, 5)])
        ends.append(weights)
    np.testing.assert_allclose(*ends, rtol=1e-12)


def test_every_builtin_has_a_name_and_mathematics():
    for name in learners.__all__:
        assert getattr(learners, name).name == name


def test_a_schedule_is_read_at_each_step():
    learner = momentum([ones(1)], lr=ld.schedules.linear(1.0, 0.0, 4), mu=0.0)
    weights = learner.parameters[0]
    for _ in range(4):
        learner.update([ones(1)])
    assert weights[0] < 0


def test_a_transform_goes_before_a_rule():
    rule = ld.chain(transforms.clip_by_value, learners.sgd)
    assert rule.plan().passes


def test_a_checkpoint_resumes(tmp_path):
    first, second = (momentum([ones(3)]) for _ in range(2))
    first.update([ones(3)])
    first.save(tmp_path / "kept")
    second.load(tmp_path / "kept")
    np.testing.assert_array_equal(second.state[0]["v"], first.state[0]["v"])
    assert second.step_count == 1


def test_groups_have_values_of_their_own():
    arrays = [ones(1), ones(1)]
    momentum(arrays, groups=[{"params": [1], "lr": 0.25}]).update([ones(1), ones(1)])
    assert [array[0] for array in arrays] == [0.5, 0.75]


def test_gradients_that_are_not_finite_can_be_skipped():
    weights = ones(2)
    assert not momentum([weights], nonfinite="skip").update([np.array([1, np.nan], np.float32)])
    np.testing.assert_array_equal(weights, 1)


def test_row_sparse_gradients_touch_their_rows():
    table = ones(4, 2)
    learners.sgd([table], lr=1.0).update([ld.RowSparse(np.array([1]), ones(1, 2), (4, 2))])
    np.testing.assert_array_equal(table[:, 0], [1, 0, 1, 1])


def test_a_mistake_in_a_rule_is_a_sentence():
    with pytest.raises(ld.RuleError, match="A rule needs a name, got <lambda>; write it as"):
        ld.rule(lambda p, g, lr=0.1: p - lr * g)


def test_a_gradient_of_another_shape_changes_nothing():
    weights = ones(3)
    with pytest.raises(ld.ArrayError):
        momentum([weights]).update([ones(4)])
    np.testing.assert_array_equal(weights, 1)


def test_a_rule_is_checked_against_its_own_function():
    assert ld.check(momentum, updates=2)
