"""A classifier of handwritten digits, trained by every learner."""

import numpy as np
import pytest

import learnerdsl.cntk as C

datasets = pytest.importorskip("sklearn.datasets")
MINIBATCH = C.UnitType.minibatch


def per_minibatch(value):
    return C.learning_rate_schedule(value, MINIBATCH)


def rmsprop(parameters, gradients):
    updates = []
    for p, g in zip(parameters, gradients, strict=True):
        a = C.constant(1e-6, shape=p.shape, dtype=p.dtype)
        a_new = C.assign(a, 0.99 * a + 0.01 * g * g)
        updates.append(C.assign(p, p - 0.003 * g / C.sqrt(a_new)))
    return C.combine(updates)


RMSPROP = {"gamma": 0.95, "inc": 1.1, "dec": 0.9, "max": 10.0, "min": 0.1}
LEARNERS = {
    "sgd": lambda p: C.sgd(p, per_minibatch(0.5)),
    "momentum_sgd": lambda p: C.momentum_sgd(p, per_minibatch(0.5), 0.9),
    "nesterov": lambda p: C.nesterov(p, per_minibatch(0.5), 0.9),
    "adagrad": lambda p: C.adagrad(p, per_minibatch(0.3)),
    "rmsprop": lambda p: C.rmsprop(p, per_minibatch(0.2), **RMSPROP),
    "fsadagrad": lambda p: C.fsadagrad(p, per_minibatch(0.03), 0.9),
    "adam": lambda p: C.adam(p, per_minibatch(0.3), 0.9),
    "adamax": lambda p: C.adam(
        p, per_minibatch(0.5), 0.9, variance_momentum=C.momentum_schedule(0.999), adamax=True
    ),
    "adadelta": lambda p: C.adadelta(p, per_minibatch(200.0)),
    "universal": lambda p: C.universal(rmsprop, p),
}


@pytest.fixture(scope="module")
def digits():
    images, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    # From -1 to 1: a pixel that is 0 in all images would stop adagrad with its mean multiplier.
    images = (images[order] / 8 - 1).astype(np.float32)
    return images, np.eye(10, dtype=np.float32)[labels[order]]


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS)
def test_every_learner_reads_digits(make, digits):
    images, labels = digits
    C.set_fixed_random_seed(1)
    x, y = C.input_variable(64), C.input_variable(10)
    layers = [C.layers.Dense(32, activation=C.tanh), C.layers.Dense(10)]
    model = C.layers.Sequential(layers)(x)
    criterion = C.cross_entropy_with_softmax(model, y), C.classification_error(model, y)
    trainer = C.Trainer(model, criterion, make(model.parameters))
    for _ in range(20):
        for start in range(0, 1400, 50):
            stop = start + 50
            trainer.train_minibatch(
                {x: images[start:stop], y: labels[start:stop]}, is_sweep_end=stop == 1400
            )
    error = trainer.test_minibatch({x: images[1400:], y: labels[1400:]})
    assert error <= 0.05
