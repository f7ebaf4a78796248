"""Updates that an exception breaks off at any line, and updates by several threads."""

import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.small_rules import contents, descent, momentum
from support.tiers import slow

import learnerdsl as ld
from learnerdsl.learners import adafactor, sophia

PACKAGE = Path(ld.__file__).parent / "runtime"
LOADS = str(PACKAGE / "cache.py")
"""Holds a lock while it compiles. To leave the block is a line for a trace, not for a signal."""


class Interrupted(BaseException):
    """As KeyboardInterrupt, but nobody else raises it."""


def interrupted(action, number):
    """Do something, broken off at its line number `number` within the runtime; whether it was."""
    passed = 0

    def trace(frame, event, _):
        nonlocal passed
        file = frame.f_code.co_filename
        if not file.startswith(str(PACKAGE)) or file == LOADS:
            return None
        if event == "line":
            passed += 1
            if passed == number:
                sys.settrace(None)
                raise Interrupted
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return False


def ones(shapes):
    return [np.ones(shape) for shape in shapes]


def rows(shapes):
    first, *others = shapes
    gradient = ld.RowSparse([0, 2], np.full((2, *first[1:]), 2.0), first)
    return [gradient, *(np.full(shape, 2.0) for shape in others)]


def absent(shapes):
    return [None, *(np.full(shape, 2.0) for shape in shapes[1:])]


def narrow(shapes):
    return [np.full(shape, 2.0, np.float32) for shape in shapes]


SHAPES = ((4, 3), (5,))
GRADIENTS = {"dense": ones, "rows": rows, "absent": absent, "converted": narrow}
CHANGES = [(a, b) for a in GRADIENTS for b in GRADIENTS]


def learner_of(rule, backend, like=None):
    """A new learner, which goes on as another one if that is given."""
    learner = rule([np.zeros(shape) for shape in SHAPES], backend=backend)
    if like is not None:
        for array, own in zip(learner.parameters.values(), like.parameters.values(), strict=True):
            array[...] = own
        old, new = like._engine, learner._engine
        new.set_clock(old.step_count, old.samples)
        new.missed_steps = old.missed_steps
        new.write_states({**old.read_states(), **old.read_model_states()})
    return learner


def check_every_line(rule, backend, first, second, **extras):
    """Break off an update at every line in turn; the next one is as that of a new learner."""

    def update(learner, given, size, value):
        learner.update(given, size, **{name: make(value) for name, make in extras.items()})

    whole = learner_of(rule, backend)  # what is compiled at first holds a lock
    for make in (first, second):
        update(whole, make(SHAPES), 1, 1.0)
    number = 0
    was_broken = True
    while was_broken:
        number += 1
        learner = learner_of(rule, backend)
        kept = first(SHAPES)
        update(learner, kept, 1, 1.0)
        was_broken = interrupted(partial(update, learner, second(SHAPES), 7, 2.0), number)
        # Memory that was given back is used again.
        filled = [np.full(shape, np.nan) for shape in (*SHAPES, (2, 3)) for _ in range(8)]
        same = learner_of(rule, backend, learner)
        for given in (kept, second(SHAPES)):
            update(learner, given, 3, 3.0)
            update(same, given, 3, 3.0)
        assert contents(learner)[:4] == contents(same)[:4], number
        del filled
    assert number > 20


@pytest.mark.parametrize(("first", "second"), CHANGES)
def test_an_update_may_be_broken_off_at_any_line(first, second):
    check_every_line(momentum, "cpu", GRADIENTS[first], GRADIENTS[second])


@pytest.mark.parametrize("second", GRADIENTS)
def test_an_update_of_the_oracle_may_be_broken_off_at_any_line(second):
    check_every_line(momentum, "numpy", ones, GRADIENTS[second])


@pytest.mark.parametrize("second", ["absent", *map(slow, ["dense", "converted"])])
def test_vectors_and_scalars_of_tensors_survive_it(second):
    check_every_line(adafactor, "cpu", ones, GRADIENTS[second])


@pytest.mark.parametrize("second", ["dense", "absent"])
def test_extras_may_be_half_taken(second):
    def hessian(value):
        return [np.full(shape, value) for shape in SHAPES]

    check_every_line(sophia, "cpu", ones, GRADIENTS[second], hessian_diag=hessian)


# Threads


def test_two_threads_take_turns_with_one_learner():
    parameter, count = np.zeros(20_000), 200
    learner = descent([parameter], lr=-1.0)
    errors = []

    def work(value):
        try:
            for _ in range(count):
                learner.update([np.full(20_000, value)])
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(value,)) for value in (1.0, 1000.0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert learner.step_count == 2 * count
    np.testing.assert_array_equal(parameter, 1001.0 * count)


def test_an_update_within_an_update_is_refused():
    learner = descent([np.zeros(3)])
    learner.hyperparameters["lr"] = lambda step: float(learner.update([np.ones(3)]))
    with pytest.raises(ld.LearnerError, match="in the middle of an update"):
        learner.update([np.ones(3)])
    learner.hyperparameters["lr"] = 1.0
    assert learner.update([np.ones(3)])
    assert learner.step_count == 1


def test_a_learner_may_be_updated_within_an_update_of_another():
    inner = descent([np.zeros(3)])
    outer = descent([np.zeros(3)], lr=lambda step: float(inner.update([np.ones(3)])))
    before = inner.step_count
    assert outer.update([np.ones(3)])
    assert inner.step_count == before + 1


def test_a_turn_that_was_lost_in_one_thread_is_found_by_another():
    learner = descent([np.zeros(3)])
    learner._turn.clear()
    found = []
    thread = threading.Thread(target=lambda: found.append(learner.update([np.ones(3)])))
    thread.start()
    thread.join(timeout=20)
    assert found == [True]
    assert len(learner._turn) == 1


def test_launches_on_threads_may_be_broken_off_and_go_on_in_other_threads():
    # What is compiled at first holds a lock.
    descent([np.zeros(100_000)]).update([np.ones(100_000)])
    learner = descent([np.zeros(100_000)], lr=-1.0)
    number, was_broken = 0, True
    while was_broken:
        number += 1
        was_broken = interrupted(partial(learner.update, [np.ones(100_000)]), number)
        others = [descent([np.zeros(100_000)]), learner]
        found = []

        def work(others=others, found=found):
            found.extend(other.update([np.ones(100_000)]) for other in others)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=60)
        assert found == [True, True], number
    np.testing.assert_array_equal(learner.parameters[0], learner.step_count)


def test_many_learners_take_turns_on_threads():
    learners = [descent([np.zeros(100_000)], lr=-1.0) for _ in range(3)]

    def work(learner):
        for _ in range(50):
            learner.update([np.ones(100_000)])

    threads = [threading.Thread(target=work, args=(learner,)) for learner in learners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for learner in learners:
        np.testing.assert_array_equal(learner.parameters[0], 50)
