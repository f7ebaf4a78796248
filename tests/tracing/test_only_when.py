"""Members held back by `only_when`: nothing of them changes, their step counts their updates."""

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.learners import adam, lamb, sgd
from learnerdsl.transforms import accumulate, apply_if_finite, clip_by_global_norm, ema, swa

BACKENDS = ["cpu", "numpy"]
SHAPES = ((3, 4), (5,), ())


def problem(steps, seed=5):
    rng = np.random.default_rng(seed)
    params = [np.array(rng.standard_normal(s)) for s in SHAPES]
    return params, [[np.array(rng.standard_normal(s)) for s in SHAPES] for _ in range(steps)]


def mean(gradients):
    return [np.asarray(sum(parts) / len(gradients)) for parts in zip(*gradients, strict=True)]


@ld.transform(place="before")
def every_third(p, g):
    ld.only_when(ld.equal(ld.step % 3, 0))
    return g


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rule", [sgd, adam, lamb], ids=lambda rule: rule.name)
def test_a_rule_after_accumulate_makes_the_updates_of_the_means(rule, backend):
    params, gradients = problem(12)
    plain = [p.copy() for p in params]
    learner = ld.chain(accumulate, rule)(params, lr=0.1, backend=backend)
    wanted = rule(plain, lr=0.1, backend=backend)
    for k, one in enumerate(gradients, 1):
        before = [p.copy() for p in params]
        learner.update(one)
        if k % 4:
            np.testing.assert_array_equal(
                np.concatenate([p.ravel() for p in params]),
                np.concatenate([p.ravel() for p in before]),
            )
            continue
        wanted.update(mean(gradients[k - 4 : k]))
        for p, q in zip(params, plain, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-12, atol=1e-12)
    assert learner.model_state["accumulate_updates"] == wanted.step_count == 3
    assert learner.step_count == 12


def test_the_number_of_gradients_is_an_option():
    params, gradients = problem(4)
    start = [p.copy() for p in params]
    ld.chain(accumulate, sgd)(params, lr=1.0, k=2).update(gradients[0])
    np.testing.assert_array_equal(params[0], start[0])
    learner = ld.chain(accumulate, sgd)(params, lr=1.0, k=1)
    learner.update(gradients[0])
    np.testing.assert_allclose(params[0], start[0] - gradients[0][0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_stands_before_goes_on_and_what_follows_is_held(backend):
    params, gradients = problem(7)
    learner = ld.chain(clip_by_global_norm, accumulate, adam, ema)(
        params, k=3, max_norm=0.5, lr=0.1, backend=backend
    )
    by_hand = [p.copy() for p in params]
    wanted = ld.chain(adam, ema)(by_hand, lr=0.1, backend="numpy")
    clipped = []
    for k, one in enumerate(gradients, 1):
        size = np.sqrt(sum(np.sum(g**2) for g in one))
        clipped.append([np.asarray(g * min(1, 0.5 / size)) for g in one])
        learner.update(one)
        if k % 3 == 0:
            wanted.update(mean(clipped[-3:]))
        for n in range(len(SHAPES)):
            for name in ("m", "v", "average"):
                np.testing.assert_allclose(
                    learner.state[n][name], wanted.state[n][name], rtol=1e-12, atol=1e-14
                )
            np.testing.assert_allclose(params[n], by_hand[n], rtol=1e-12, atol=1e-14)
            np.testing.assert_array_equal(
                learner.evaluation_parameters()[n], learner.state[n]["average"]
            )


@pytest.mark.parametrize("backend", BACKENDS)
def test_updates_with_gradients_that_are_not_finite_change_nothing_after(backend):
    params, gradients = problem(6)
    plain = [p.copy() for p in params]
    learner = ld.chain(apply_if_finite, adam, ema)(params, lr=0.1, backend=backend)
    wanted = ld.chain(adam, ema)(plain, lr=0.1, backend=backend)
    for k, one in enumerate(gradients):
        if k in (0, 3):
            one[0][1, 1] = [np.nan, 0, 0, -np.inf][k]
        else:
            wanted.update(one)
        learner.update(one)
        for p, q in zip(params, plain, strict=True):
            np.testing.assert_array_equal(p, q)
    assert learner.model_state == {"apply_if_finite_updates": 4}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_finite_gradients_pass(dtype):
    weights = np.zeros(4, dtype)
    large = np.full(4, np.finfo(dtype).max / 32, dtype)
    learner = ld.chain(apply_if_finite, sgd)([weights], lr=1.0)
    learner.update([large])
    np.testing.assert_array_equal(weights, -large)


@pytest.mark.parametrize("backend", BACKENDS)
def test_conditions_nest(backend):
    # Only finite gradients are accumulated, two of them make an update of the rule.
    params, gradients = problem(7)
    plain = [p.copy() for p in params]
    learner = ld.chain(apply_if_finite, accumulate, adam)(params, k=2, lr=0.1, backend=backend)
    wanted = adam(plain, lr=0.1, backend=backend)
    finite = []
    for k, one in enumerate(gradients):
        if k in (1, 2, 4):
            one[0][0, 0] = np.nan
        else:
            finite.append(one)
        learner.update(one)
    for k in (2, 4):
        wanted.update(mean(finite[k - 2 : k]))
    for p, q in zip(params, plain, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-12)
    assert learner.model_state == {"apply_if_finite_updates": 4, "accumulate_updates": 2}


def test_several_conditions_of_one_transform_must_all_hold():
    @ld.transform
    def twice(p, g):
        ld.only_when(True)
        ld.only_when(ld.step > 2)
        ld.only_when(ld.equal(ld.step % 2, 0))
        return g

    weights = np.zeros(1)
    learner = ld.chain(twice, sgd)([weights], lr=1.0)
    path = []
    for _ in range(6):
        learner.update([np.ones(1)])
        path.append(-weights[0])
    assert path == [0, 0, 0, 1, 1, 2]


def test_a_condition_may_use_states_values_and_hyperparameters():
    @ld.transform
    def when_large(p, g, limit=2.0):
        last = ld.state("last", shape="model")
        size = ld.let("size_of_g", ld.norm(g, over="model"))
        last_new = ld.assign(last, size)
        ld.only_when((size > limit) | (last_new + last > 3))
        return g

    weights = np.zeros(1)
    learner = ld.chain(when_large, sgd)([weights], lr=1.0)
    path = []
    for g in (1.0, 3.0, 1.0, 1.0):
        learner.update([np.array([g])])
        path.append(-weights[0])
    assert path == [0, 3, 4, 4]
    with pytest.raises(ld.HyperparameterError, match="cannot differ between groups"):
        ld.chain(when_large, sgd)([np.ones(1)], groups=[{"params": [0], "limit": 1.0}])


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_that_asks_for_the_step_gets_the_number_of_the_update(backend):
    @ld.rule
    def asking(p, g, lr=1.0):
        first = ld.state("first", init=g)
        last = ld.state("last")
        changed = ld.where(ld.step > 1, ld.step, 0.5)
        ld.evaluate(p + ld.step)
        return ld.combine(
            [
                ld.assign(last, ld.step),
                ld.assign(first, first),
                ld.assign(p, p - lr * (first + 10 * changed)),
            ]
        )

    weights = np.zeros(1)
    learner = ld.chain(every_third, asking)([weights], backend=backend)
    seen = []
    for k in range(7):
        learner.update([np.array([float(k)])])
        seen.append((float(learner.state[0]["last"][0]), float(weights[0])))
    # The first gradient that the rule gets is the third one.
    assert seen == [(0, 0), (0, 0), (1, -7), (1, -7), (1, -7), (2, -29), (2, -29)]
    assert learner.evaluation_parameters()[0][0] == -29 + 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_average_that_counts_steps_counts_those_of_the_rule(backend):
    weights = np.zeros(1)
    learner = ld.chain(every_third, sgd, swa)([weights], lr=1.0, swa_start=2, backend=backend)
    for _ in range(12):
        learner.update([np.ones(1)])
    # The rule made 4 updates, to -1, -2, -3 and -4; those from the second on are averaged.
    np.testing.assert_allclose(learner.state[0]["swa_average"], -3)


def test_no_pass_is_added_where_the_condition_is_known():
    assert len(ld.chain(accumulate, adam).plan().passes) == 1
    assert ld.chain(accumulate, adam).plan().bytes_per_element == adam.plan().bytes_per_element + 8


def test_held_chains_resume_bitwise(tmp_path):
    chain = ld.chain(accumulate, adam, ema)
    params, gradients = problem(9)
    learner = chain(params)
    for k, one in enumerate(gradients):
        if k == 5:
            learner.save(tmp_path / "state")
            parted = [p.copy() for p in params]
        learner.update(one)
    resumed = chain(parted)
    resumed.load(tmp_path / "state")
    for one in gradients[5:]:
        resumed.update(one)
    for whole, part in zip(params, parted, strict=True):
        np.testing.assert_array_equal(whole, part)


@ld.rule
def by_shape(p, g, lr=0.1):
    """Another rule for matrices than for the rest, which counts steps."""
    if ld.ndim(p) == 2:
        return ld.assign(p, p - lr * g / ld.norm(g, axis=0) / ld.step)
    m = ld.state("m")
    return ld.assign(p, p - lr * ld.assign(m, m / 2 + g))


@pytest.mark.parametrize("backend", BACKENDS)
def test_variants_for_shapes_are_clipped_and_held_together(backend):
    params, gradients = problem(7)
    plain = [p.copy() for p in params]
    chain = ld.chain(clip_by_global_norm, accumulate, by_shape, ema)
    learner = chain(params, k=2, max_norm=0.5, decay=0.5, backend=backend)
    wanted = by_shape(plain, backend=backend)
    clipped = []
    for k, one in enumerate(gradients, 1):
        size = np.sqrt(sum(np.sum(g**2) for g in one))
        clipped.append([np.asarray(g * min(1, 0.5 / size)) for g in one])
        learner.update(one)
        if k % 2 == 0:
            wanted.update(mean(clipped[-2:]))
        for p, q in zip(params, plain, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-12, atol=1e-13)
    assert learner.model_state["accumulate_updates"] == 3
    assert set(learner.state[0]) == {"accumulated", "average"}
    assert set(learner.state[1]) == {"accumulated", "m", "average"}
