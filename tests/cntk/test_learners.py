import math
import warnings

import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl import LearnerError, RowSparse
from learnerdsl.cntk.learning import rules
from learnerdsl.errors import CheckpointError

PER_MINIBATCH = C.learning_rate_schedule(0.1, C.UnitType.minibatch)
RMSPROP = {"gamma": 0.9, "inc": 1.2, "dec": 0.75, "max": 10.0, "min": 0.1}
BUILTINS = {
    "sgd": lambda p, **more: C.sgd(p, PER_MINIBATCH, **more),
    "momentum_sgd": lambda p, **more: C.momentum_sgd(p, PER_MINIBATCH, 0.9, **more),
    "nesterov": lambda p, **more: C.nesterov(p, PER_MINIBATCH, 0.9, **more),
    "adagrad": lambda p, **more: C.adagrad(p, PER_MINIBATCH, **more),
    "rmsprop": lambda p, **more: C.rmsprop(p, PER_MINIBATCH, **RMSPROP, **more),
    "fsadagrad": lambda p, **more: C.fsadagrad(p, PER_MINIBATCH, 0.9, **more),
    "adam": lambda p, **more: C.adam(p, PER_MINIBATCH, 0.9, **more),
    "adamax": lambda p, **more: C.adam(p, PER_MINIBATCH, 0.9, adamax=True, **more),
    "adadelta": lambda p, **more: C.adadelta(p, C.learning_parameter_schedule(100.0), **more),
}
every_builtin = pytest.mark.parametrize("make", BUILTINS.values(), ids=BUILTINS)


def weights(shape=(5, 3), dtype=np.float32, seed=0):
    return C.parameter(shape, np.random.default_rng(seed).normal(size=shape), dtype)


def gradient(parameter, seed=1):
    random = np.random.default_rng(seed)
    return (random.normal(size=parameter.shape) * 4).astype(parameter.dtype)


def run(learner, parameter, steps, start=0):
    for step in range(start, start + steps):
        learner.update({parameter: gradient(parameter, step)}, 4 + step % 3)


@every_builtin
def test_a_restored_learner_goes_on_the_same(make):
    first, second = weights(), weights()
    learner, other = make([first]), make([second])
    run(learner, first, 4)
    other.restore_from_checkpoint(learner.create_checkpoint())
    second.value = first.value
    run(learner, first, 4, 4)
    run(other, second, 4, 4)
    assert np.array_equal(first.value, second.value)
    assert other.total_number_of_minibatches_seen() == 8


@every_builtin
def test_a_checkpoint_is_a_copy(make):
    p = weights()
    learner = make([p])
    run(learner, p, 2)
    saved = learner.create_checkpoint()
    after_two = p.value
    run(learner, p, 2, 2)
    after_four = p.value
    learner.restore_from_checkpoint(saved)
    p.value = after_two
    run(learner, p, 2, 2)
    assert np.array_equal(p.value, after_four)


@every_builtin
def test_reset_smoothed_gradients_makes_the_next_step_the_first(make):
    first, second = weights(), weights()
    learner, fresh = make([first]), make([second])
    run(learner, first, 3)
    learner.reset_smoothed_gradients()
    first.value = second.value
    run(learner, first, 2)
    run(fresh, second, 2)
    assert np.array_equal(first.value, second.value)


@every_builtin
def test_rows_without_a_gradient_stay(make):
    p = weights((6, 3))
    before = p.value
    learner = make([p])
    for step in range(3):
        rows = RowSparse(np.array([1, 4]), gradient(p, step)[:2], (6, 3))
        learner.update({p: rows}, 4)
    moved = np.any(p.value != before, axis=1)
    assert list(np.flatnonzero(moved)) == [1, 4]
    for states in learner.runners[0].states:
        for array in states.values():
            assert np.all(array[[0, 2, 3, 5]] == array[0])


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adagrad", "fsadagrad", "adam", "rmsprop"])
def test_a_row_sparse_gradient_of_all_rows_is_a_dense_one(name):
    first, second = weights(), weights()
    learner, other = BUILTINS[name]([first]), BUILTINS[name]([second])
    for step in range(3):
        g = gradient(first, step)
        learner.update({first: g}, 4)
        other.update({second: RowSparse(np.arange(5), g, (5, 3))}, 4)
    np.testing.assert_allclose(first.value, second.value, rtol=1e-6)


@pytest.mark.parametrize("late", [0, 2])
def test_adadelta_catches_up_on_rows_it_missed(late):
    first, second = weights((4, 2)), weights((4, 2))
    learner, other = BUILTINS["adadelta"]([first]), BUILTINS["adadelta"]([second])
    for step in range(8):
        g = gradient(first, step)
        g[[0, 2] if step % 3 else [1]] = 0
        rows = np.flatnonzero(g.any(axis=1))
        learner.update({first: g}, 4)
        sparse = RowSparse(rows, g[rows], (4, 2))
        other.update({second: sparse if step >= late else g}, 4)
    np.testing.assert_allclose(first.value, second.value, rtol=1e-5)


def test_dense_and_row_sparse_parameters_share_a_learner():
    table, bias = weights((6, 3)), weights((3,))
    learner = C.adam([table, bias], PER_MINIBATCH, 0.9)
    before = table.value
    rows = RowSparse(np.array([2]), np.ones((1, 3), np.float32), (6, 3))
    learner.update({table: rows, bias: gradient(bias)}, 4)
    saved = learner.create_checkpoint()
    learner.restore_from_checkpoint(saved)
    learner.update({table: rows, bias: gradient(bias)}, 4)
    assert list(np.flatnonzero(np.any(table.value != before, axis=1))) == [2]


def test_l1_shrinks_rows_without_a_gradient_too():
    p = C.parameter((3, 2), init=1)
    learner = C.sgd([p], PER_MINIBATCH, l1_regularization_weight=0.5)
    learner.update({p: RowSparse(np.array([0]), np.zeros((1, 2), np.float32), (3, 2))}, 1)
    np.testing.assert_allclose(p.value, 0.95)


def test_noise_has_its_deviation_and_mean():
    p = C.parameter((400, 100), init=2.0)
    learner = C.sgd([p], PER_MINIBATCH, gaussian_noise_injection_std_dev=0.5)
    learner.update({p: np.zeros(p.shape, np.float32)}, 1)
    first = p.value - 2
    assert first.mean() == pytest.approx(0, abs=0.01)
    assert first.std() == pytest.approx(0.5, rel=0.01)
    learner.update({p: np.zeros(p.shape, np.float32)}, 1)
    assert abs(np.corrcoef(first.ravel(), (p.value - 2 - first).ravel())[0, 1]) < 0.02


def test_noise_is_restored_from_checkpoints():
    first, second = C.parameter(9), C.parameter(9)
    zero = np.zeros(9, np.float32)
    learner, other = (
        C.sgd([p], PER_MINIBATCH, gaussian_noise_injection_std_dev=0.5) for p in (first, second)
    )
    other.restore_from_checkpoint(learner.create_checkpoint())
    learner.update({first: zero}, 1)
    other.update({second: zero}, 1)
    assert np.array_equal(first.value, second.value)


def test_parameters_of_two_dtypes_share_a_learner():
    single, double = weights(), weights(dtype=np.float64)
    learner = C.momentum_sgd([single, double], PER_MINIBATCH, 0.9)
    for step in range(3):
        g = gradient(double, step)
        learner.update({single: g.astype(np.float32), double: g}, 2)
    np.testing.assert_allclose(single.value, double.value, rtol=1e-5)


def test_a_learning_rate_of_0_stops_a_learner_for_good():
    p = weights()
    lr = C.learning_rate_schedule([0.1, 0.0, 0.2], C.UnitType.minibatch, epoch_size=10)
    learner = C.sgd([p], lr)
    assert [learner.update({p: gradient(p)}, 10) for _ in range(4)] == [True, False, False, False]
    assert learner.total_number_of_samples_seen() == 10


def test_reset_learning_rate_keeps_the_reference_size():
    p = C.parameter(2)
    learner = C.sgd([p], C.learning_rate_schedule(1, C.UnitType.minibatch))
    learner.update({p: np.ones(2, np.float32)}, 4)
    schedule = C.learning_rate_schedule([0.5, 0.25], C.UnitType.sample, epoch_size=4)
    learner.reset_learning_rate(schedule)
    p.value = 0
    learner.update({p: np.ones(2, np.float32)}, 4)
    assert p.value[0] == -0.5 / 4
    assert learner.learning_rate() == 0.25
    assert schedule.minibatch_size == 1


def test_setting_the_size_to_0_averages_gradients_from_then_on():
    p = C.parameter(1)
    learner = C.sgd([p], C.learning_parameter_schedule(1, 2))
    learner.update({p: np.ones(1, np.float32)}, 4)
    assert (p.value[0], learner.is_compatible_mode()) == (-0.5, False)
    learner.minibatch_size = 0
    p.value = 0
    learner.update({p: np.full(1, 4, np.float32)}, 4)
    assert (p.value[0], learner.is_compatible_mode()) == (-2.0, True)


def test_constructors_leave_schedules_as_they_are():
    lr = C.learning_parameter_schedule(0.1)
    C.sgd([weights()], lr, minibatch_size=16)
    C.adadelta([weights()], use_mean_gradient=True)
    assert (lr.minibatch_size, lr.is_explicit) == (0, False)
    assert C.adadelta([weights()]).schedules_in_force() == {"Learning rate per 1 samples": 1.0}


def test_unit_gain_default_is_a_value_of_its_own():
    assert C.default_unit_gain_value()
    C.set_default_unit_gain_value(False)
    assert not C.default_unit_gain_value()
    C.set_default_unit_gain_value(True)


def test_momentum_is_reported_by_momentum_sgd():
    time_constant = C.momentum_as_time_constant_schedule(100)
    learner = C.momentum_sgd([weights()], PER_MINIBATCH, time_constant)
    assert learner.schedules_in_force() == {
        "Learning rate per minibatch": 0.1,
        "Momentum per 1 samples": math.exp(-1 / 100),
    }


@pytest.mark.parametrize("wrong", [np.float32(0.1), (0.1, 0.2), "0.1", None])
def test_learning_rates_of_other_types_are_value_errors(wrong):
    with pytest.raises(ValueError, match="not a schedule"):
        C.sgd([weights()], wrong)


def test_wrong_parameter_lists_are_refused():
    p = weights()
    for wrong, kind in (([], ValueError), ([p, p], ValueError), (p, TypeError), ([1], TypeError)):
        with pytest.raises(kind) as caught:
            C.sgd(wrong, 0.1)
        assert isinstance(caught.value, LearnerError)


@pytest.mark.parametrize(
    "wrong", [{"gamma": 1.0}, {"inc": 1.0}, {"dec": 1.0}, {"max": 0.05}, {"min": 0.0}]
)
def test_rmsprop_checks_its_constants(wrong):
    with pytest.raises(RuntimeError, match=next(iter(wrong))):
        C.rmsprop([weights()], 0.1, **{**RMSPROP, **wrong})


def test_adam_refuses_a_negative_epsilon():
    with pytest.raises(ValueError, match="epsilon"):
        C.adam([weights()], 0.1, 0.9, epsilon=-1e-8)


@pytest.mark.parametrize("name", ["minibatch_size", "epoch_size"])
def test_negative_sizes_are_refused(name):
    with pytest.raises(ValueError, match="non-negative"):
        C.sgd([weights()], [0.1], **{name: -1})


P = C.parameter((3,), init=1)
G = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("gradients", "count", "kind"),
    [
        ({P: G}, np.int64(1), TypeError),
        ({P: G}, 2.0, TypeError),
        ({P: G}, True, TypeError),
        ({P: G}, -1, OverflowError),
        ({P: G}, 0, ValueError),
        ({}, 1, RuntimeError),
        ({P: G.astype(np.float64)}, 1, RuntimeError),
        ({P: np.ones(3, int)}, 1, RuntimeError),
        ({P: [1.0, 1.0, 1.0]}, 1, TypeError),
        ({P: np.ones(2, np.float32)}, 1, ValueError),
        ({P: np.ones((3, 1), np.float32)}, 1, ValueError),
        (G, 1, TypeError),
    ],
)
def test_a_refused_update_changes_nothing(gradients, count, kind):
    P.value = 1
    learner = C.adam([P], 0.1, 0.9)
    with pytest.raises(kind) as caught:
        learner.update(gradients, count)
    assert isinstance(caught.value, LearnerError)
    assert np.array_equal(P.value, G)
    assert learner.total_number_of_samples_seen() == 0
    assert not any(array.any() for array in learner.runners[0].states[0].values())


def test_a_leading_axis_of_length_1_and_other_keys_do_not_matter():
    P.value = 1
    learner = C.sgd([P], PER_MINIBATCH)
    assert learner.update({P: G.reshape(1, 3), C.parameter(2): G}, 1)
    np.testing.assert_allclose(P.value, 0.9)


def test_gradients_are_not_changed():
    P.value = 1
    g = np.full(3, 5, np.float32)
    C.sgd([P], 0.1, gradient_clipping_threshold_per_sample=1.0).update({P: g}, 1)
    assert np.array_equal(g, np.full(3, 5))


def test_a_strided_gradient_is_copied():
    P.value = 1
    C.sgd([P], PER_MINIBATCH).update({P: np.ones(6, np.float32)[::2]}, 1)
    np.testing.assert_allclose(P.value, 0.9)


def test_checkpoints_of_another_learner_are_refused():
    p = weights()
    adam = C.adam([p], 0.1, 0.9)
    run(adam, p, 1)
    saved = adam.create_checkpoint()
    with pytest.raises(CheckpointError, match="adam"):
        C.sgd([p], 0.1).restore_from_checkpoint(saved)
    with pytest.raises(CheckpointError):
        C.adam([p, weights()], 0.1, 0.9).restore_from_checkpoint(saved)
    with pytest.raises(CheckpointError, match="lacks"):
        adam.restore_from_checkpoint({})


def test_builtins_show_what_runs():
    learner = C.adam([weights()], 0.1, 0.9)
    assert "def adam_pass_1" in learner.source()
    assert "1 pass, 28 bytes per element" in learner.plan()
    assert learner.latex().startswith("\\begin{aligned}")


@pytest.mark.parametrize("name", sorted(set(BUILTINS) - {"adamax"}))
def test_options_that_are_not_used_cost_nothing(name):
    rule = getattr(rules, name)
    plain = rule.trace().assignments
    assert not any(word in str(plain) for word in ("clip", "decay", "threshold", "noise"))


def test_a_user_learner_is_counted_by_the_trainer():
    class Descent(C.UserLearner):
        def update(self, gradient_values, training_sample_count, sweep_end):
            for p, g in gradient_values.items():
                p.value = p.value - self.learning_rate() * g / training_sample_count
            return True

    x, p = C.input_variable(2), C.parameter((2,), init=1)
    lr = C.learning_parameter_schedule([0.5, 0.25], epoch_size=4)
    learner = Descent([p], lr)
    assert learner.parameters() == (p,)
    loss = C.reduce_sum(x * p)
    trainer = C.Trainer(loss, loss, learner)
    assert trainer.train_minibatch({x: np.ones((4, 2), np.float32)})
    assert (p.value[0], learner.learning_rate()) == (0.5, 0.25)
    assert trainer.total_number_of_samples_seen == 4


def test_a_user_learner_must_say_whether_it_updated():
    class Silent(C.UserLearner):
        def update(self, gradient_values, training_sample_count, sweep_end):
            return None

    x, p = C.input_variable(2), C.parameter((2,))
    loss = C.reduce_sum(x * p)
    trainer = C.Trainer(loss, loss, Silent([p], C.learning_parameter_schedule(1)))
    with pytest.raises(RuntimeError, match="return True or False"):
        trainer.train_minibatch({x: np.ones((4, 2), np.float32)})
    with pytest.raises(ValueError, match="schedule"):
        Silent([p], 0.1)


def test_numbers_with_an_epoch_size_do_not_warn_in_learners():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        C.sgd([weights()], 0.1, epoch_size=10)
