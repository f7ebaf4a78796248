"""States that hold the values of the last updates."""

import numpy as np
import pytest

import learnerdsl as ld


@ld.rule
def delayed(p, g, lr=0.1, weight=0.5):
    """Steps along the gradient of three updates ago, and a bit of the last one."""
    past = ld.state("past", ring=3)
    step = ld.assign(p, p - lr * (past[3] + weight * past[1]))
    return ld.combine([step, ld.assign(past, g + weight * past[2])])


@ld.rule
def two_rings(p, g, lr=0.1):
    """Rings of different lengths, one started from the parameter and read by a matrix product."""
    grads, places = ld.state("grads", ring=2), ld.state("places", init=p, ring=4)
    mixed = ld.matmul(ld.matmul(grads[2], ld.transpose(places[4])), places[3])
    step = ld.assign(p, p - lr * mixed / (1 + ld.norm(mixed)) - lr * g * ld.mean(places[1]))
    return ld.combine([step, ld.assign(grads, g), ld.assign(places, p)])


@ld.rule
def chosen_by_a_ring(p, g, lr=0.1):
    """Steps by a product of matrices one of whose operands is chosen by a past value."""
    past = ld.state("past", ring=3)
    chosen = ld.where(past[2] > 0, -3.5, 0.5)
    product = ld.matmul(ld.matmul(g, ld.transpose(chosen)), g)
    return ld.combine([ld.assign(past, product), ld.assign(p, p - lr * product)])


def gradients(t, shapes):
    rng = np.random.default_rng(t)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_ring_gives_the_values_of_past_updates(backend):
    shapes = [(3, 4), (5000,)]
    params = [np.ones(s) for s in shapes]
    learner = delayed(params, backend=backend)
    expected = [p.copy() for p in params]
    history = [[np.zeros(s) for s in shapes] for _ in range(3)]
    for t in range(8):
        grads = gradients(t, shapes)
        learner.update(grads)
        one, two, three = history[-1], history[-2], history[-3]
        for k in range(len(grads)):
            expected[k] = expected[k] - 0.1 * (three[k] + 0.5 * one[k])
        history.append([g + 0.5 * b for g, b in zip(grads, two, strict=True)])
        for k, p in enumerate(params):
            np.testing.assert_allclose(p, expected[k], rtol=1e-13)
            for lag in (1, 2, 3):
                shown = learner.state[k][f"past_{lag}"]
                np.testing.assert_allclose(shown, history[-lag][k], rtol=1e-13)


def test_nothing_is_moved_in_memory():
    plan = delayed.plan()
    assert [one.writes for one in plan.passes] == [("p", "past_3")]
    assert set(plan.passes[0].reads) == {"p", "g", "past_1", "past_2", "past_3"}


@pytest.mark.parametrize("rule", [delayed, two_rings, chosen_by_a_ring], ids=lambda r: r.name)
def test_compiled_rings_follow_the_oracle(rule):
    ends = []
    for backend in ("cpu", "numpy"):
        params = [np.ones((3, 4)), np.ones((6, 2))]
        learner = rule(params, backend=backend)
        for t in range(9):
            learner.update(gradients(t, [(3, 4), (6, 2)]))
        ends.append([*params, *(a for s in learner.state.values() for a in s.values())])
    for compiled, oracle in zip(*ends, strict=True):
        np.testing.assert_allclose(compiled, oracle, rtol=1e-12)


@pytest.mark.parametrize("backends", [("cpu", "cpu"), ("cpu", "numpy"), ("numpy", "cpu")])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_rings_are_saved_and_resumed_at_any_step(steps, backends, tmp_path):
    whole = [np.ones((3, 4))]
    learner = two_rings(whole, backend=backends[0])
    for t in range(steps):
        learner.update(gradients(t, [(3, 4)]))
    learner.save(tmp_path / "state")
    parted = [whole[0].copy()]
    resumed = two_rings(parted, backend=backends[1])
    resumed.load(tmp_path / "state")
    for t in range(steps, steps + 5):
        learner.update(gradients(t, [(3, 4)]))
        resumed.update(gradients(t, [(3, 4)]))
    np.testing.assert_allclose(whole[0], parted[0], rtol=1e-13)


@ld.rule
def delayed_by_shape(p, g, lr=0.1):
    """A ring in a rule that is another one for vectors than for matrices."""
    past = ld.state("past", ring=3)
    rate = lr if ld.ndim(p) == 1 else 2 * lr
    return ld.combine([ld.assign(p, p - rate * past[3]), ld.assign(past, g)])


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_rings_of_variants_of_a_rule_are_shown_by_how_old_their_values_are(backend):
    learner = delayed_by_shape([np.zeros(2), np.zeros((2, 2))], backend=backend)
    for t in range(1, 6):
        learner.update([np.full(2, float(t)), np.full((2, 2), float(10 * t))])
    for k, factor in enumerate((1, 10)):
        shown = [float(learner.state[k][f"past_{lag}"].flat[0]) for lag in (1, 2, 3)]
        assert shown == [5 * factor, 4 * factor, 3 * factor]


@pytest.mark.parametrize("backends", [("cpu", "numpy"), ("numpy", "cpu"), ("cpu", "cpu")])
@pytest.mark.parametrize("steps", [4, 5, 6])
def test_rings_of_variants_of_a_rule_are_resumed_at_any_step(steps, backends):
    shapes = [(2,), (2, 2)]
    whole = [np.ones(shape) for shape in shapes]
    learner = delayed_by_shape(whole, backend=backends[0])
    for t in range(steps):
        learner.update(gradients(t, shapes))
    parted = [p.copy() for p in whole]
    resumed = delayed_by_shape(parted, backend=backends[1])
    resumed.update(gradients(0, shapes))
    resumed.load_state_dict(learner.state_dict())
    for array, value in zip(parted, whole, strict=True):
        array[...] = value
    for t in range(steps, steps + 5):
        learner.update(gradients(t, shapes))
        resumed.update(gradients(t, shapes))
    for one, other in zip(whole, parted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_a_ring_starts_anew_after_reset():
    params = [np.ones((3, 4))]
    learner = two_rings(params)
    for t in range(3):
        learner.update(gradients(t, [(3, 4)]))
    learner.reset()
    for lag in range(1, 5):
        np.testing.assert_array_equal(learner.state[0][f"places_{lag}"], params[0])


@pytest.mark.parametrize("length", [0, -1, 1.0, True, "3"])
def test_a_ring_holds_at_least_one_value(length):
    @ld.rule
    def rule(p, g, lr=0.1):
        past = ld.state("past", ring=length)
        return ld.combine([ld.assign(p, p - lr * g), ld.assign(past, g)])

    with pytest.raises(ld.RuleError, match="write a whole number, 1 or more"):
        rule.trace()


@pytest.mark.parametrize("lag", [0, 3, -1, 1.0])
def test_a_value_that_is_not_kept_is_refused(lag):
    @ld.rule
    def rule(p, g, lr=0.1):
        past = ld.state("past", ring=2)
        return ld.combine([ld.assign(p, p - lr * past[lag]), ld.assign(past, g)])

    with pytest.raises(ld.RuleError, match=r"write past\[1\] to past\[2\]"):
        rule.trace()


def test_row_sparse_gradients_have_no_past():
    learner = delayed([np.ones((3, 4))])
    sparse = ld.RowSparse(np.array([1]), np.ones((1, 4)), (3, 4))
    with pytest.raises(ld.ArrayError, match="to_dense"):
        learner.update([sparse])
