"""Factories describe their rule."""

import learnerdsl.jax as ldj


def test_factories_describe_the_rule_without_the_example_of_a_learner():
    text = ldj.adamw.__doc__
    assert "$$" in text
    assert "References:" in text
    assert ">>>" not in text
