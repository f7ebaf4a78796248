"""Sharing: what is used twice is computed once."""

import learnerdsl as ld
from learnerdsl.learners import adam


def test_equal_reductions_are_computed_once():
    @ld.rule
    def twice(p, g, lr=0.1):
        return ld.assign(p, p - lr * g / ld.norm(g) + ld.norm(g) * ld.mean(g**2))

    assert sum(len(b.reduces) for b in twice.stages()["verify"].blocks) == 1


def test_common_subexpressions_are_computed_once():
    assert adam.loops().count("weight_decay * p_i") == 1
