"""Exported transformations of optax: jitted, against the oracle and against optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.exported import RULES, Problem, loaded, of_file
from support.tiers import few_of_shared

import learnerdsl as ld
from learnerdsl.learners import adam, noisy_sgd, schedule_free_sgd

QUICK = {"adam", "prodigy", "adafactor", "sophia"}
DRAWN = {"apollo_low_rank", "apollo_mini", "dion", "gravity", "noisy_sgd", "psgd_kron"}
EXACT = sorted(RULES.keys() - DRAWN)


def exported(rule, **options):
    """The function of an exported file that makes a transformation."""
    return getattr(loaded(rule.export("jax", **options)), rule.name)


@pytest.mark.parametrize("name", few_of_shared(EXACT, QUICK))
def test_jitted_transformation_follows_the_oracle(name):
    problem, options = of_file(name, shapes=((), (5, 3), (2, 3, 4)), steps=5)
    expected, _ = problem.path_of_rule()
    with jax.enable_x64(True):
        path, _ = problem.path_of_jax(exported(RULES[name], **options)())
    assert problem.error(path, expected) <= 1e-12


def test_scalars_are_exact_in_float32():
    problem = Problem(adam, np.float32, steps=20)
    expected, _ = problem.path_of_rule()
    path, _ = problem.path_of_jax(exported(adam)())
    assert problem.error(path, expected) <= 2e-6


def test_hyperparameters_may_be_traced():
    p, g = jnp.ones(3), jnp.array([1.0, 2.0, -3.0])

    @jax.jit
    def once(lr, beta2):
        transformation = exported(adam)(lr=lr, beta2=beta2)
        return transformation.update(g, transformation.init(p), p)[0]

    traced, fixed = once(0.5, 0.9), exported(adam)(lr=0.5, beta2=0.9)
    np.testing.assert_allclose(traced, fixed.update(g, fixed.init(p), p)[0], rtol=1e-6)


def test_transformation_composes_with_those_of_optax():
    p, g = {"w": jnp.ones(3)}, {"w": jnp.full(3, 4.0)}
    ends = []
    for own in (exported(adam)(lr=0.1), optax.adam(0.1)):
        chain = optax.chain(optax.clip_by_global_norm(1.0), own)
        state = chain.init(p)
        for _ in range(3):
            changes, state = chain.update(g, state, p)
        ends.append(changes["w"])
    np.testing.assert_allclose(*ends, rtol=1e-5)


def test_draws_differ_from_step_to_step_and_between_tensors():
    p = {"a": jnp.zeros(1000), "b": jnp.zeros(1000)}
    transformation = exported(noisy_sgd)(lr=1.0)
    state, found = transformation.init(p), []
    for _ in range(2):
        changes, state = transformation.update(jax.tree.map(jnp.zeros_like, p), state, p)
        found += [np.asarray(changes["a"]), np.asarray(changes["b"])]
    correlations = np.corrcoef(found) - np.eye(4)
    assert np.abs(correlations).max() < 0.2
    assert all(values.std() > 0 for values in found)


def test_weights_to_evaluate_with_are_those_of_the_learner():
    problem = Problem(schedule_free_sgd)
    path, learner = problem.path_of_rule()
    module = loaded(schedule_free_sgd.export("jax"))
    with jax.enable_x64(True):
        _, state = problem.path_of_jax(module.schedule_free_sgd())
        averages = module.evaluation_parameters(problem.named(path[-1]), state)
    for name, expected in learner.evaluation_parameters().items():
        np.testing.assert_allclose(averages[name], expected, rtol=1e-10, atol=1e-12)


def test_rule_that_counts_samples_is_refused():
    @ld.rule
    def decayed(p, g, lr=0.1):
        return ld.assign(p, p - lr * g / (1 + ld.samples))

    with pytest.raises(ld.RuleError, match="export it to numpy or torch"):
        decayed.export("jax")
