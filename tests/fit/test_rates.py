"""Range tests of rates: what they find where the answer is known, and that nothing is changed."""

import matplotlib as mpl
import numpy as np
import pytest
from support.small_rules import every_state, parameters, train

import learnerdsl as ld
from learnerdsl.learners import adam, momo, sgd

mpl.use("Agg")


def valley_by_hand(losses):
    """fastai's choice, written from its description: the longest decreasing subsequence."""
    lengths, best = [1] * len(losses), 0
    for i in range(len(losses)):
        for j in range(i):
            if losses[i] < losses[j]:
                lengths[i] = max(lengths[i], lengths[j] + 1)
        best = i if lengths[i] > lengths[best] else best
    start = max(0, best - lengths[best])
    third = (best - start) / 3
    return start + int(third) + int(third / 2)


@pytest.mark.parametrize("curvature", [0.1, 2.0, 50.0])
def test_suggests_a_rate_below_which_gradient_descent_diverges(curvature):
    learner = sgd([np.full(10, 2.0)])

    def fun(x):
        return 0.5 * curvature * np.sum(x[0] ** 2), [curvature * x[0]]

    found = ld.lr_finder(learner, fun, low=1e-6 / curvature, high=100 / curvature)
    assert 0.01 / curvature < found.suggestion < 2 / curvature  # the limit of stability
    assert found.valley < found.suggestion
    assert found.rates[-1] > 2 / curvature  # it went on to where the loss explodes
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 100


def test_nested_parameters_reach_the_loss_as_they_were_given():
    net = {"layers": [(np.full(3, 2.0), np.zeros(1))], "head": np.full(2, -1.0)}
    learner = sgd(net, groups=[{"params": "head", "frozen": True}])
    kinds = []

    def nested(x):
        (weight, bias), head = x["layers"][0], x["head"]
        kinds.append((type(x["layers"]), type(x["layers"][0])))
        gradients = {"layers": [(2 * weight, 2 * bias)], "head": 2 * head}
        return np.sum(weight**2) + np.sum(bias**2) + np.sum(head**2), gradients

    flat = sgd([np.full(3, 2.0)])
    found = ld.lr_finder(learner, nested)
    expected = ld.lr_finder(flat, lambda x: (np.sum(x[0] ** 2) + 2.0, [2 * x[0]]))
    assert set(kinds) == {(list, tuple)}
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-12)
    np.testing.assert_array_equal(net["layers"][0][0], 2.0)


def test_losses_and_averages_are_those_of_the_updates():
    start = np.array([1.0, -2.0])
    learner = sgd([start.copy()])
    found = ld.lr_finder(
        learner,
        lambda x: (np.sum(x[0] ** 2), [2 * x[0]]),
        low=1e-3,
        high=0.1,
        steps=20,
        smoothing=0.5,
    )
    x, average = start.copy(), 0.0
    for k, rate in enumerate(1e-3 * 100 ** (np.arange(20) / 19)):
        loss = np.sum(x**2)
        average = 0.5 * average + 0.5 * loss
        np.testing.assert_allclose(found.rates[k], rate, rtol=1e-12)
        np.testing.assert_allclose(found.losses[k], loss, rtol=1e-12)
        np.testing.assert_allclose(found.smoothed[k], average / (1 - 0.5 ** (k + 1)), rtol=1e-12)
        x -= rate * 2 * x


def test_valley_is_fastais():
    rng = np.random.default_rng(0)
    losses = iter(np.concatenate([np.linspace(3, 1, 60), np.linspace(1, 2, 40)]))
    learner = sgd([np.zeros(1)])
    noisy = ld.lr_finder(
        learner, lambda x: (next(losses) + 0.1 * rng.random(), [np.ones(1)]), smoothing=0.5
    )
    assert noisy.valley == noisy.rates[valley_by_hand(noisy.smoothed)]
    slopes = np.diff(noisy.smoothed)
    assert abs(np.argmin(slopes) - np.flatnonzero(noisy.rates == noisy.steepest)[0]) <= 1


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_nothing_is_changed(backend):
    ends = []
    for is_tested in (False, True):
        learner = every_state(
            parameters("dict"),
            lr=ld.schedules.linear(0.1, 0.0, steps=20),
            groups=[{"params": "b", "lr": 0.3}],
            observe=["grad_norm"],
            backend=backend,
            missing="skip",
        )
        train(learner, [0, 1])
        learner.update({"w": np.ones((3, 4), np.float32)})
        if is_tested:
            before = learner.observed
            ld.lr_finder(
                learner,
                lambda x: (
                    float(sum(np.sum(v**2) for v in x.values())),
                    {name: 2 * v for name, v in x.items()},
                ),
                steps=30,
            )
            assert learner.observed == before
            assert learner.observed.step == 3
        train(learner, [2, 3])
        ends.append(
            [
                *(p.tobytes() for p in learner.parameters.values()),
                str(learner.state_dict()),
                str(learner.history.to_dict()),
            ]
        )
    assert ends[0] == ends[1]


def test_parameters_are_restored_where_the_loss_fails():
    params = [np.ones(3)]
    calls = []

    def fun(x):
        calls.append(x[0].copy())
        if len(calls) == 5:
            raise RuntimeError("no data")
        return 1.0, [np.ones(3)]

    learner = adam(params)
    with pytest.raises(RuntimeError, match="no data"):
        ld.lr_finder(learner, fun)
    assert (params[0] == 1.0).all()
    assert (calls[-1] != 1.0).all()
    assert learner.step_count == 0


def test_frozen_parameters_and_extras():
    params = [np.ones(2), np.ones(2)]
    learner = momo(params, groups=[{"params": lambda k, p: k == 0, "frozen": True}])

    def fun(x):
        assert len(x) == 2
        return float(np.sum(x[1] ** 2)), [np.zeros(2), 2 * x[1]]

    assert len(ld.lr_finder(learner, fun, steps=10).rates) == 10


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learner": sgd}, "lr_finder needs a learner, got"),
        ({"name": "rate"}, "The rule has no hyperparameter 'rate' that could grow; it has lr"),
        ({"low": 1.0, "high": 0.1}, "The rates need 0 < low < high"),
        ({"low": "x"}, "low, high, smoothing and stop are numbers"),
        ({"steps": 1}, "steps is the number of rates to try, 2 or more"),
        ({"smoothing": 1.0}, "smoothing is at least 0 and less than 1"),
        ({"loss_and_grad": lambda x: (np.nan, x)}, "The loss is not finite, or explodes"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_searched_is_refused(given, message):
    default = {"learner": sgd([np.ones(2)]), "loss_and_grad": lambda x: (np.sum(x[0]), [x[0]])}
    with pytest.raises(ld.LearnerError, match=message):
        ld.lr_finder(**{**default, **given})


def test_what_was_found_is_drawn():
    learner = sgd([np.ones(4)], observe=["grad_norm", "update_norm", "nonfinite"])
    found = ld.lr_finder(learner, lambda x: (np.sum(x[0] ** 2), [2 * x[0]]))
    ax = ld.plot.lr_finder(found)
    assert ax.get_xscale() == "log"
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), found.smoothed)
    assert ax.lines[2].get_xdata()[0] == found.suggestion
    for _ in range(3):
        learner.update([np.ones(4)])
    axes = ld.plot.history(learner.history)
    assert [a.get_ylabel() for a in axes] == ["grad_norm", "update_norm", "nonfinite"]
    np.testing.assert_array_equal(axes[1].lines[0].get_ydata(), learner.history["update_norm"])
    assert axes[0].lines[0].get_xdata().tolist() == [1, 2, 3]
    assert axes[0].get_yscale() == "log"
    assert axes[2].get_yscale() == "linear"
    (one,) = ld.plot.history(learner.history, ["grad_norm"], axes=axes[0])
    assert one is axes[0]
    with pytest.raises(ld.UnknownNameError, match="names is empty; choose among grad_norm"):
        ld.plot.history(learner.history, [])
    mpl.pyplot.close("all")
