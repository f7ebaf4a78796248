"""What the relatives of Shampoo and SOAP do every few updates, and what they agree with."""

import numpy as np
import pytest
from support.problems import assert_same_path, hyperparameters, problem
from support.references import REFERENCES

from learnerdsl import learners

RARE = [(name, "every") for name in ("asgo", "kl_shampoo", "kl_soap", "soap_muon")]
RARE += [("psgd_kron", "balance_every")]
STARTS = {"initial_eigenvalue", "precond_init_scale"}


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(("name", "option"), RARE, ids=lambda own: str(own))
def test_what_is_done_every_few_updates_follows_the_reference(name, option, every):
    rng, start, gradients = problem(name, 1.0)
    hypers = hyperparameters(name, rng)
    by_hand, params = [p.copy() for p in start], [p.copy() for p in start]
    first = {n: v for n, v in hypers[0].items() if n in STARTS}
    learner = getattr(learners, name)(params, **{option: every}, **first)
    state, expected, actual = {}, [], []
    for t, (grads, hyper) in enumerate(zip(gradients, hypers, strict=True), 1):
        REFERENCES[name](by_hand, grads, state, t, every, **hyper)
        expected.append([p.copy() for p in by_hand])
        for n, value in hyper.items():
            learner.hyperparameters[n] = value
        assert learner.update(grads)
        actual.append([p.copy() for p in params])
    assert_same_path(1e-9, start, expected, actual)


@pytest.mark.parametrize("shape", [(3, 8), (8, 3)], ids=str)
def test_steps_of_asgo_without_memory_are_orthogonal_and_as_long_as_those_of_adamw(shape):
    weights, g = np.zeros(shape), np.random.default_rng(8).standard_normal(shape)
    learner = learners.asgo([weights], lr=0.1, beta1=0.0, beta2=0.0)
    assert learner.update([g])
    values = np.linalg.svd(weights, compute_uv=False)
    np.testing.assert_allclose(values, 0.1 * 0.2 * np.sqrt(8), rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.mean(weights**2)), 0.1 * 0.2, rtol=1e-6)
    assert np.sum(weights * g) < 0


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_evaluation_parameters_of_splus_are_the_averages_of_its_reference(backend):
    rng, start, gradients = problem("splus", 1.0)
    hyper = hyperparameters("splus", rng, steps=1)[0]
    by_hand, state = [p.copy() for p in start], {}
    learner = learners.splus([p.copy() for p in start], backend=backend, every=4, **hyper)
    for p, shown in zip(start, learner.evaluation_parameters().values(), strict=True):
        np.testing.assert_array_equal(p, shown)
    for t, grads in enumerate(gradients, 1):
        REFERENCES["splus"](by_hand, grads, state, t, 4, **hyper)
        assert learner.update(grads)
    shown = learner.evaluation_parameters().values()
    for expected, own in zip(state["evaluated"], shown, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-12)
