"""The compiler as a whole: its stages, its targets, and that a rule is compiled once."""

import pytest

import learnerdsl as ld
from learnerdsl.learners import adam
from learnerdsl.pipeline import PASSES, compile_rule, stages


def test_stages_are_named_after_the_passes():
    assert list(adam.stages()) == ["lower", *(name for name, _ in PASSES)]


def test_unknown_target_is_refused():
    with pytest.raises(ld.LearnerError, match="no code generator for target 'tpu'"):
        adam.source("tpu")


def test_compilation_is_done_once_for_equal_rules():
    assert compile_rule(adam.trace()) is compile_rule(adam.trace())
    pairs = zip(stages(adam.trace()).values(), adam.stages().values(), strict=True)
    assert all(one is other for one, other in pairs)
