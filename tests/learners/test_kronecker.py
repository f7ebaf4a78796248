"""What the relatives of Shampoo and SOAP do every few updates, and what they agree with."""

import pytest
from support.problems import assert_same_path, hyperparameters, problem
from support.references import REFERENCES

from learnerdsl import learners

RARE = ["kl_shampoo", "kl_soap", "soap_muon"]


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("name", RARE)
def test_bases_and_roots_that_are_renewed_rarely_follow_the_reference(name, every):
    rng, start, gradients = problem(name, 1.0)
    hypers = hyperparameters(name, rng)
    by_hand, params = [p.copy() for p in start], [p.copy() for p in start]
    first = {n: v for n, v in hypers[0].items() if n == "initial_eigenvalue"}
    learner = getattr(learners, name)(params, every=every, **first)
    state, expected, actual = {}, [], []
    for t, (grads, hyper) in enumerate(zip(gradients, hypers, strict=True), 1):
        REFERENCES[name](by_hand, grads, state, t, every, **hyper)
        expected.append([p.copy() for p in by_hand])
        for n, value in hyper.items():
            learner.hyperparameters[n] = value
        assert learner.update(grads)
        actual.append([p.copy() for p in params])
    assert_same_path(1e-9, start, expected, actual)
