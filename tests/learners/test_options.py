"""Options of builtin learners: compiled rule, reference and library agree for other values too."""

import pytest
from support.families import TRUSTED
from support.problems import assert_same_path, hyperparameters, problem
from support.references import REFERENCES

from learnerdsl import learners

OPTIONS = {
    "adashift": ({"keep_num": 1}, {"keep_num": 3}),
    "conda": ({"update_proj_gap": 3},),
    "fira": ({"rank": 2}, {"rank": 1, "update_proj_gap": 3}),
    "galore_adamw": ({"rank": 2}, {"rank": 1, "update_proj_gap": 3}),
    "lamb_timm": ({"always_adapt": True}, {"trust_clip": True, "always_adapt": True}),
    "lars_timm": ({"always_adapt": True}, {"trust_clip": True, "always_adapt": True}),
    "splus": ({"every": 3},),
    "normuon": ({"nesterov": True, "adjust_lr_fn": "original"},),
}
CASES = [(name, options) for name, choices in OPTIONS.items() for options in choices]


@pytest.mark.parametrize("decay", [{}, {"weight_decay": 0.0}], ids=["decay", "no-decay"])
@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_options_follow_the_library(name, options, gradient_size, decay):
    rng, start, gradients = problem(name, gradient_size)
    hypers = hyperparameters(name, rng, **decay)
    trusted = TRUSTED[name](start, gradients, hypers, **options)
    by_hand, params = [p.copy() for p in start], [p.copy() for p in start]
    learner = getattr(learners, name)(params, **options)
    state, expected, actual = {}, [], []
    for t, (grads, hyper) in enumerate(zip(gradients, hypers, strict=True), 1):
        REFERENCES[name](by_hand, grads, state, t, **options, **hyper)
        expected.append([p.copy() for p in by_hand])
        for n, value in hyper.items():
            learner.hyperparameters[n] = value
        assert learner.update(grads)
        actual.append([p.copy() for p in params])
    assert_same_path(1e-9, start, trusted, expected)
    assert_same_path(1e-9, start, expected, actual)
