"""What is exported, and the comment at the top of every exported file."""

import pytest

import learnerdsl as ld
from learnerdsl.export import variants_of
from learnerdsl.learners import adam, muon_with_adamw


def test_rule_that_asks_for_no_shape_has_one_variant():
    assert len(variants_of(lambda shape: adam.trace(shape=shape))) == 1


def test_rule_of_matrices_and_vectors_has_a_variant_for_each():
    variants = variants_of(lambda shape: muon_with_adamw.trace(shape=shape))
    assert {ndim for variant in variants for ndim in variant.ndims} == set(range(6))
    assert len({variant.rule.states for variant in variants}) == 2


def test_unknown_format_is_refused():
    with pytest.raises(ld.HyperparameterError, match="no export to 'fortran'"):
        adam.export("fortran")
