"""Factories say what to write where optax's positional arguments are given."""

import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj


def test_arguments_without_names_are_refused():
    with pytest.raises(ld.HyperparameterError, match=r"by name; write adamw\(lr=0.001\)\."):
        ldj.adamw(0.001)


def test_factories_describe_the_rule_without_the_example_of_a_learner():
    text = ldj.adamw.__doc__
    assert "$$" in text
    assert "References:" in text
    assert ">>>" not in text
