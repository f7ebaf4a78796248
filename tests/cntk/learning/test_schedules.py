import math

import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl import LearnerError


def test_a_value_holds_for_count_times_epoch_size_samples():
    drops = C.learning_rate_schedule([0.1, 0.2, 0.3], C.UnitType.minibatch, epoch_size=10)
    assert [drops[i] for i in (0, 9, 10, 19, 20, 10**12)] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]


def test_pairs_and_numbers_mix():
    mixed = C.learning_parameter_schedule([(2, 0.1), 0.2, (0, 0.3)], epoch_size=5)
    assert [mixed[i] for i in (0, 9, 10, 14, 15, 100)] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]


def test_without_epoch_size_a_list_counts_sweeps():
    by_sweep = C.learning_parameter_schedule([0.1, 0.2])
    assert by_sweep.is_sweep_based()
    assert (by_sweep[0], by_sweep[1]) == (0.1, 0.2)
    assert not C.learning_parameter_schedule([0.1, 0.2], epoch_size=1).is_sweep_based()


@pytest.mark.parametrize(
    ("schedule", "size"),
    [
        (C.learning_rate_schedule(1, C.UnitType.sample), 1),
        (C.learning_rate_schedule(1, "sample"), 1),
        (C.learning_rate_schedule(1, C.UnitType.minibatch), 0),
        (C.training_parameter_schedule(1), 0),
        (C.learning_parameter_schedule(1), 0),
        (C.learning_parameter_schedule(1, 32), 32),
        (C.learning_parameter_schedule_per_sample(1), 1),
        (C.momentum_schedule(0.9), 0),
        (C.momentum_schedule(0.9, None, 16), 16),
        (C.momentum_schedule_per_sample(0.9), 1),
        (C.momentum_as_time_constant_schedule(300), 1),
    ],
)
def test_reference_minibatch_sizes(schedule, size):
    assert schedule.minibatch_size == size


def test_time_constants_become_momenta_per_sample():
    schedule = C.momentum_as_time_constant_schedule([300, 0, math.inf], epoch_size=1)
    assert [schedule[i] for i in range(3)] == [math.exp(-1 / 300), 0.0, 1.0]


def test_a_schedule_is_returned_as_it_is():
    schedule = C.learning_parameter_schedule(0.1)
    assert C.learning_parameter_schedule(schedule) is schedule


def test_schedules_compare_by_value():
    assert C.learning_parameter_schedule([0.1, 0.2]) == C.learning_parameter_schedule([0.1, 0.2])
    assert C.learning_parameter_schedule(0.1) != C.learning_parameter_schedule(0.1, 8)


@pytest.mark.parametrize("wrong", [(0.1, 0.2), "0.1", None, np.float32(0.1)])
def test_what_is_no_schedule_is_a_value_error(wrong):
    with pytest.raises(ValueError, match="is not a schedule"):
        C.learning_parameter_schedule(wrong)


@pytest.mark.parametrize("wrong", [[], [(0, 0.1), 0.2]])
def test_empty_lists_and_counts_of_zero_are_runtime_errors(wrong):
    with pytest.raises(RuntimeError) as caught:
        C.learning_parameter_schedule(wrong)
    assert isinstance(caught.value, LearnerError)


def test_unknown_units_are_refused():
    with pytest.raises(ValueError, match="UnitType"):
        C.learning_rate_schedule(0.1, "epoch")


@pytest.mark.parametrize("name", ["minibatch_size", "epoch_size"])
@pytest.mark.parametrize("wrong", [-1, 2.5, True])
def test_sizes_must_be_ints_from_0(name, wrong):
    with pytest.raises(ValueError, match="non-negative int"):
        C.learning_parameter_schedule([0.1, 0.2], **{name: wrong})


def test_an_index_is_a_whole_number_from_0():
    schedule = C.learning_parameter_schedule([0.1, 0.2])
    with pytest.raises(OverflowError):
        schedule[-1]
    with pytest.raises(TypeError):
        schedule[1.5]


def test_an_epoch_size_for_one_number_warns():
    with pytest.warns(RuntimeWarning, match="has no effect"):
        C.learning_parameter_schedule(0.1, epoch_size=10)


def test_setting_the_size_makes_it_explicit():
    schedule = C.learning_parameter_schedule(0.1)
    schedule.minibatch_size = 8
    assert (schedule.minibatch_size, schedule.is_explicit) == (8, True)


def test_a_shifted_schedule_starts_later():
    drops = C.learning_parameter_schedule([0.1, 0.2], epoch_size=10).shifted(100)
    assert [drops[i] for i in (0, 109, 110)] == [0.1, 0.1, 0.2]


def test_a_description_makes_the_same_schedule():
    drops = C.learning_parameter_schedule([(2, 0.1), (1, 0.2)], 16, epoch_size=10).shifted(3)
    assert type(drops).from_description(drops.description()) == drops
