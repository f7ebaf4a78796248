"""What is exported, and the comment at the top of every exported file."""

import pytest
from support.exported import Problem, loaded

import learnerdsl as ld
from learnerdsl.export import variants_of
from learnerdsl.learners import adam, dion, muon_with_adamw


def test_rule_that_asks_for_no_shape_has_one_variant():
    assert len(variants_of(lambda shape: adam.trace(shape=shape))) == 1


def test_rule_of_matrices_and_vectors_has_a_variant_for_each():
    variants = variants_of(lambda shape: muon_with_adamw.trace(shape=shape))
    assert {ndim for variant in variants for ndim in variant.ndims} == set(range(6))
    assert len({variant.rule.states for variant in variants}) == 2


def test_unknown_format_is_refused():
    with pytest.raises(ld.HyperparameterError, match="no export to 'fortran'"):
        adam.export("fortran")


def test_a_rule_of_low_rank_has_a_file_for_one_shape():
    assert "def update" in dion.export("numpy")
    with pytest.raises(ld.RuleError, match="depends on the lengths of axes"):
        dion.export("numpy", rank=7)
    problem = Problem(dion, shapes=((5, 4),), steps=4)
    expected, _ = problem.path_of_rule(rank=2)
    path, _ = problem.path_of_numpy(loaded(dion.export("numpy", rank=2, shape=(5, 4))))
    assert problem.error(path, expected) <= 1e-12


@pytest.mark.parametrize("language", ["numpy", "torch", "jax", "c", "numba"])
def test_what_does_not_fit_into_its_state_is_refused(language):
    @ld.rule
    def rule(p, g, lr=0.1):
        s = ld.state("s", shape="tensor")
        return ld.assign(p, p - lr * ld.assign(s, s + g))

    with pytest.raises(ld.RuleError, match="one number for each element to the state s"):
        rule.export(language)
