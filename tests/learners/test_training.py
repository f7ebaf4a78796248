"""Every builtin learner learns: on a quadratic, and on logistic regression over real data."""

import numpy as np
import pytest
from support.families import TRAINING
from support.problems import ARRAY_EXTRAS
from support.tiers import few

from learnerdsl import learners

STEPS = 400


def train(name, weights, loss, gradient, curvature, steps):
    """Update the weights, telling the learner what it asks for."""
    rule = getattr(learners, name)
    usual = {"lr": 0.02} if "lr" in {str(h) for h in rule.trace().hyperparameters} else {}
    learner = rule([weights], **{**usual, **TRAINING.get(name, {})})
    for _ in range(steps):
        known = {"loss": loss(weights), "hessian_diag": [curvature(weights)]}
        assert known.keys() >= {*ARRAY_EXTRAS}
        extras = {n: known[n] for n in getattr(learner, "extras", ())}
        learner.update([gradient(weights)], **extras)
    return learner


@pytest.mark.parametrize("name", few(learners.__all__))
def test_rule_falls_on_a_quadratic(name):
    rng = np.random.default_rng(3)
    target = rng.standard_normal((5, 10))
    weights = np.ones((5, 10))

    def loss(w):
        return float(np.sum((w - target) ** 2) / 2)

    before = loss(weights)
    train(name, weights, loss, lambda w: w - target, np.ones_like, STEPS)
    assert loss(weights) < 0.7 * before


@pytest.mark.parametrize("name", few(learners.__all__))
def test_rule_falls_on_logistic_regression(name):
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_breast_cancer()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    x = np.hstack([x, np.ones((len(x), 1))])
    y = data.target.astype(float)
    # A pair of logits, so that the weights are a matrix.
    both = np.stack([1 - y, y], axis=1)

    def probabilities(w):
        z = x @ w
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def loss(w):
        return float(-np.log(np.maximum((probabilities(w) * both).sum(1), 1e-300)).mean())

    def gradient(w):
        return x.T @ (probabilities(w) - both) / len(x)

    def curvature(w):
        q = probabilities(w)
        return (x**2).T @ (q * (1 - q)) / len(x)

    weights = np.full((x.shape[1], 2), 0.01)
    before = loss(weights)
    train(name, weights, loss, gradient, curvature, STEPS)
    assert loss(weights) < 0.75 * before
