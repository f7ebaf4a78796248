"""Fusion: how many passes over memory there are, and what each reads and writes."""

import numpy as np
from support.rules import clipped_adamw_ema

import learnerdsl as ld
from learnerdsl.learners import lamb


def test_a_new_value_that_a_later_pass_needs_is_read_back():
    second = lamb.stages()["verify"].passes[1]
    assert [str(load) for load in second.loads] == [
        "load p from p",
        "load m_new from m",
        "load v_new from v",
    ]


def test_a_write_waits_for_the_last_pass_that_reads_the_old_value():
    @ld.rule
    def uses_old(p, g, lr=0.1):
        m = ld.state("m")
        m_new = ld.assign(m, 0.9 * m + g)
        return ld.assign(p, p - lr * (m + m_new / ld.norm(m_new)))

    first, second = uses_old.plan().passes
    assert first.writes == ()
    assert second.writes == ("m", "p")
    assert second.reads == ("p", "g", "m")


def test_writes_move_where_they_save_traffic():
    # The average of the old weights could be written by the first pass, which would then have to
    # read p and the average as well; the second reads p anyway.
    @ld.rule
    def averaging(p, g, lr=0.1, keep=0.9):
        average = ld.state("average")
        average_new = ld.assign(average, keep * average + (1 - keep) * p)
        return ld.combine([average_new, ld.assign(p, p - lr * g / ld.norm(g))])

    first, second = averaging.plan().passes
    assert first.reads == ("g",)
    assert second.writes == ("average", "p")


def test_three_levels_of_reductions_take_three_passes():
    @ld.rule
    def nested(p, g, lr=0.1):
        centred = g - ld.mean(g)
        return ld.assign(p, p - lr * centred / ld.norm(centred))

    plan = nested.plan()
    assert len(plan.passes) == 3
    assert plan.bytes_per_element == 4 * (1 + 1 + 3)


def test_clip_adamw_and_average_take_two_passes_and_forty_bytes():
    plan = clipped_adamw_ema.plan()
    assert len(plan.passes) == 2
    assert plan.bytes_per_element == 40


def test_a_rule_that_changes_nothing_needs_no_pass():
    @ld.rule
    def still(p, g, lr=0.1):
        return ld.assign(p, p)

    weights = np.arange(3.0)
    learner = still([weights])
    assert learner.update([np.ones(3)])
    assert learner.step_count == 1
    assert learner.plan().bytes_per_element == 0
    np.testing.assert_array_equal(weights, np.arange(3.0))
