"""Learners of parts of tensors, one in each process, do what a learner of whole tensors does."""

import numpy as np
import pytest
from support.chains import RANDOM
from support.problems import takes_vectors
from support.teams import Parts, ThreadTeam, boxes_of, in_threads, pieces_of
from support.tiers import few, few_of_shared, slow_for_shared

import learnerdsl as ld
from learnerdsl import learners, transforms
from learnerdsl.runtime.shards import Piece, Shard

SHAPES = {"weight": (7, 6), "bias": (6,), "small": (1, 4), "kernel": (5, 3, 2, 2)}
LARGE = {"weight": (130, 70), "bias": (9000,), "deep": (4, 5, 6)}
DRAWS = ("gravity", "noisy_sgd")


def axes_for(shapes, axis):
    """Divide every tensor along an axis, or along its last one."""
    return {name: min(axis, len(shape) - 1) for name, shape in shapes.items()}


def extras_of(rule, gradients):
    """Return the other inputs of an update."""
    extras = {e.name: e for g in gradients.values() for e in rule.trace(shape=g.shape).extras}
    squares = {name: g * g + 0.1 for name, g in gradients.items()}
    return {n: squares if extra.shape == "element" else 0.7 for n, extra in extras.items()}


def problem(rule, shapes, dtype=np.float64, steps=12):
    """Return parameters and updates."""
    numbers = np.random.default_rng(7)
    start = {n: numbers.normal(size=shape).astype(dtype) for n, shape in shapes.items()}
    updates = []
    for _ in range(steps):
        gradients = {n: numbers.normal(size=s).astype(dtype) for n, s in shapes.items()}
        updates.append((gradients, extras_of(rule, gradients)))
    return start, updates


def trained(rule, start, updates, **options):
    """Return the parameters that a learner of whole tensors gives."""
    arrays = {n: a.copy() for n, a in start.items()}
    learner = rule(arrays, **options)
    said = [learner.update(gradients, **extras) for gradients, extras in updates]
    return arrays, said


def error(rule, shapes, axes, size, **options):
    """Return the greatest difference, in units of the movement of each tensor."""
    start, updates = problem(rule, shapes)
    whole, _ = trained(rule, start, updates, **options)
    found, _ = Parts(rule, start, axes, size, **options).train(updates)
    moved = {n: np.abs(whole[n] - start[n]).max() for n in shapes}
    assert max(moved.values()) > 0
    return max(np.abs(found[n] - whole[n]).max() / (moved[n] or 1) for n in shapes)


@pytest.mark.parametrize("name", few_of_shared(learners.__all__))
def test_parts_of_rows_are_updated_as_whole_tensors(name):
    shapes = {"weight": (7, 6), "other": (2, 5)} if not takes_vectors(name) else SHAPES
    assert error(getattr(learners, name), shapes, axes_for(shapes, 0), 2) < 1e-10


@pytest.mark.parametrize("name", few_of_shared([n for n in learners.__all__ if n not in DRAWS]))
def test_parts_of_columns_are_updated_as_whole_tensors(name):
    shapes = {"weight": (7, 6), "other": (2, 5)} if not takes_vectors(name) else SHAPES
    assert error(getattr(learners, name), shapes, axes_for(shapes, 1), 3) < 1e-10


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", [slow_for_shared(name) for name in learners.__all__])
def test_parts_of_several_chunks_are_updated_as_whole_tensors(name, axis):
    shapes = {"weight": (130, 70)} if not takes_vectors(name) else LARGE
    rule = getattr(learners, name)
    if name in DRAWS and axis:
        with pytest.raises(ld.ArrayError, match="shard along the first axis"):
            error(rule, shapes, axes_for(shapes, axis), 2)
    else:
        assert error(rule, shapes, axes_for(shapes, axis), 2) < 1e-10


IN_PARTS = [name for name in transforms.__all__ if name != "qk_clip"]


@pytest.mark.parametrize("name", few(IN_PARTS, ["clip_by_global_norm", "adaptive_clip"]))
def test_chains_of_parts_are_updated_as_whole_tensors(name):
    made = getattr(transforms, name)
    rule = ld.chain(made, learners.sgd) if made.place != "after" else ld.chain(learners.sgd, made)
    axis = 0 if name in RANDOM else 1
    assert error(rule, SHAPES, axes_for(SHAPES, axis), 2) < 1e-10


def test_extras_of_tensors_and_axes_are_refused_where_processes_hold_parts():
    rule = ld.chain(learners.sgd, transforms.qk_clip)
    with pytest.raises(
        ld.LearnerError, match=r"max_logit, an extra of shape \(0,\), but processes"
    ):
        Parts(rule, {"q": np.ones((4, 3))}, {"q": 0}, 2).train([])
    updates = [({"q": np.zeros((4, 3))}, {"max_logit": {"q": np.full(4, 400.0)}})]
    whole, _ = Parts(rule, {"q": np.ones((4, 3))}, {"q": None}, 2, lr=0.1).train(updates)
    np.testing.assert_array_equal(whole["q"], np.full((4, 3), 0.5))


@pytest.mark.parametrize("name", ["adam", "lion", "noisy_sgd"])
def test_rules_that_treat_elements_alike_give_bitwise_the_same(name):
    rule = getattr(learners, name)
    start, updates = problem(rule, LARGE, np.float32)
    whole, _ = trained(rule, start, updates)
    found, _ = Parts(rule, start, axes_for(LARGE, 0), 3).train(updates)
    assert all(np.array_equal(found[n], whole[n]) for n in LARGE)


def test_a_plan_says_what_processes_exchange():
    def plan(team, rule, shape):
        boxes = {"w": boxes_of(shape, 0, team.size)}
        return str(rule(pieces_of({"w": np.ones(shape)}, boxes, team)).plan())

    (lamb, _), _ = in_threads(2, lambda team: plan(team, learners.lamb, (4, 3)))
    assert lamb.splitlines()[1:] == [
        "  pass 1: reads p, g, m, v; writes m, v",
        "    sum_1 = sum over tensor of p**2",
        "    sum_2 = sum over tensor of u**2",
        "  after pass 1: join sum_1, sum_2",
        "  pass 2: reads p, m, v; writes p",
    ]
    (muon, _), _ = in_threads(2, lambda team: plan(team, learners.muon, (4, 3)))
    assert "  before pass 3: collect x_0_matrix, each matrix on one process" in muon.splitlines()
    assert "join" not in str(learners.lamb([np.ones((4, 3))]).plan())


def test_whole_tensors_and_parts_are_in_one_learner():
    rule = ld.chain(transforms.clip_by_global_norm, learners.lamb)
    axes = {"weight": 0, "bias": None, "small": 1, "kernel": 3}
    assert error(rule, SHAPES, axes, 3, max_norm=0.5) < 1e-12


@pytest.mark.parametrize("name", ["adam", "lamb", "adafactor", "soap", "prodigy"])
def test_a_process_may_hold_nothing(name):
    shapes = {"weight": (2, 6), "small": (1, 4)}
    assert error(getattr(learners, name), shapes, axes_for(shapes, 0), 3) < 1e-10


@ld.rule
def scaled_by_rows(p, g, lr=0.1):
    """Scale the step by the number of elements of the tensor, and of a row."""
    return ld.assign(p, p - lr * g * ld.size(p, axis=-1) / ld.size(p))


def test_sizes_are_those_of_whole_tensors():
    assert error(scaled_by_rows, {"weight": (7, 6)}, {"weight": 0}, 2) < 1e-15


@ld.rule
def divided_by_columns(p, g, lr=0.1):
    """Divide each element by the mean square of its column."""
    return ld.assign(p, p - lr * g / ld.mean(g**2, axis=0))


@pytest.mark.parametrize("axis", [0, 1])
def test_means_over_an_axis_are_those_of_whole_tensors(axis):
    shapes = {"weight": (300, 40)}
    assert error(divided_by_columns, shapes, {"weight": axis}, 3) < 1e-12


@pytest.mark.parametrize("monoid", ["max", "min", "prod", "sum", "any", "count"])
def test_each_reduction_is_joined(monoid):
    @ld.rule
    def reduced(p, g, lr=0.1):
        """Scale the step by a reduction of the gradient."""
        reduce = getattr(ld, monoid)
        if monoid == "any":
            size = ld.where(reduce(g > 1), 2, 3)
        else:
            size = reduce(g > 1) if monoid == "count" else reduce(g)
        return ld.assign(p, p - lr * g * (1 + size))

    assert error(reduced, {"weight": (7, 6), "bias": (5,)}, {"weight": 0, "bias": 0}, 3) < 1e-12


def test_tensors_without_a_gradient_are_left_out():
    rule = learners.lamb
    start, updates = problem(rule, SHAPES)
    for k, name in enumerate(("bias", "kernel", "weight")):
        updates[k][0][name] = None
    whole, _ = trained(rule, start, updates)
    found, _ = Parts(rule, start, axes_for(SHAPES, 0), 2).train(updates)
    assert all(np.abs(found[n] - whole[n]).max() < 1e-12 for n in SHAPES)


@pytest.mark.parametrize("rule", [learners.adam, learners.lamb])
def test_nan_in_one_part_skips_the_update_everywhere(rule):
    start, updates = problem(rule, SHAPES)
    updates[1][0]["weight"][6, 5] = np.nan
    whole, said = trained(rule, start, updates, nonfinite="skip")
    found, of_parts = Parts(rule, start, axes_for(SHAPES, 0), 3, nonfinite="skip").train(updates)
    assert of_parts == said == [True, False, *[True] * 10]
    assert all(np.abs(found[n] - whole[n]).max() < 1e-12 for n in SHAPES)


def test_nan_in_one_part_raises_everywhere_with_its_name():
    start, updates = problem(learners.adam, SHAPES)
    updates[0][0]["kernel"][0, 0, 0, 0] = np.inf
    with pytest.raises(ld.NonFiniteError, match="'kernel'"):
        Parts(learners.adam, start, axes_for(SHAPES, 0), 2, nonfinite="raise").train(updates)


def test_narrow_parameters_with_master_weights():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    start, updates = problem(learners.lamb, SHAPES, np.float32)
    start = {n: a.astype(ml_dtypes.bfloat16) for n, a in start.items()}
    for master in (None, "split16"):
        whole, _ = trained(learners.lamb, start, updates, master=master)
        parts = Parts(learners.lamb, start, axes_for(SHAPES, 0), 2, master=master)
        found, _ = parts.train(updates)
        # Norms differ in the last bits of float64, so a rounding to bfloat16 may differ.
        wide = {n: (found[n].astype(np.float32), whole[n].astype(np.float32)) for n in SHAPES}
        assert all(np.abs(a - b).max() <= 2**-8 * np.abs(b).max() for a, b in wide.values())


def test_rounding_noise_is_that_of_whole_tensors():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    start, updates = problem(learners.adam, LARGE, np.float32)
    start = {n: a.astype(ml_dtypes.bfloat16) for n, a in start.items()}
    whole, _ = trained(learners.adam, start, updates, rounding="stochastic")
    parts = Parts(learners.adam, start, axes_for(LARGE, 0), 2, rounding="stochastic")
    found, _ = parts.train(updates)
    assert all(np.array_equal(found[n].view(np.uint16), whole[n].view(np.uint16)) for n in LARGE)


@pytest.mark.parametrize(
    ("rule", "exchanges"),
    [
        (learners.adam, 0),
        (learners.lamb, 1),
        (ld.chain(transforms.clip_by_global_norm, learners.lamb), 2),
        (learners.adafactor, 2),
    ],
)
def test_number_of_exchanges_of_an_update(rule, exchanges):
    shapes = {"first": (6, 4), "second": (8, 5), "third": (4, 6)}
    start, updates = problem(rule, shapes, steps=3)
    parts = Parts(rule, start, axes_for(shapes, 0), 2)
    parts.train(updates)
    assert parts.exchanges == 3 * exchanges


def test_matrices_are_exchanged_together():
    shapes = {"first": (6, 4), "second": (8, 5), "third": (4, 6)}
    start, updates = problem(learners.muon, shapes, steps=1)
    parts = Parts(learners.muon, start, axes_for(shapes, 0), 2)
    parts.train(updates)
    # Two variants, since muon transposes tall matrices; for each a join of norms, and two exchanges
    # of all matrices: to those who compute, and back.
    assert parts.exchanges == 2 * (1 + 2)


def test_axis_arrays_and_matrices_among_the_states_are_whole():
    start, updates = problem(learners.soap, {"weight": (6, 4)}, steps=1)
    parts = Parts(learners.soap, start, {"weight": 0}, 2)
    parts.train(updates)
    shapes = {name: array.shape for name, array in parts.states["weight"].items()}
    assert shapes["m"] == (3, 4)
    assert shapes["left"] == (6, 6)


def half(team, array):
    """Return the upper half of an array of 8 rows as a piece of two."""
    boxes = ((slice(0, 4), slice(0, 6)), (slice(4, 8), slice(0, 6)))
    return Piece(array, Shard(team, (8, 6), boxes))


def refused(work):
    """Return the message with which the first of two threads is refused."""
    with pytest.raises(ld.LearnerError) as caught:
        in_threads(2, work)
    return str(caught.value)


def test_sparse_gradients_of_parts_are_refused():
    def work(team: ThreadTeam):
        learner = learners.lamb([half(team, np.ones((4, 6)))])
        learner.update([ld.RowSparse([0], np.ones((1, 6)), (4, 6))])

    assert "pass a dense one" in refused(work)


def test_the_oracle_refuses_parts():
    assert "whole tensors" in refused(
        lambda team: learners.lamb([half(team, np.ones((4, 6)))], backend="numpy")
    )


def test_state_dicts_of_parts_are_refused():
    def work(team):
        learner = learners.adam([half(team, np.ones((4, 6)))])
        learner.state_dict()

    assert "rule.torch" in refused(work)


@ld.rule
def by_length(p, g, lr=0.1):
    """Use the length of the first axis for each element."""
    return ld.assign(p, p - lr * g * ld.sqrt(ld.size(p, axis=0) + g**2))


def test_lengths_of_axes_counted_from_the_first_are_refused_for_each_element():
    def work(team):
        by_length([half(team, np.ones((4, 6)))])

    assert "count the axis from the last" in refused(work)


def test_a_gradient_on_some_processes_only_is_refused():
    def work(team):
        learner = learners.lamb([half(team, np.ones((4, 6))), half(team, np.ones((4, 6)))])
        given = [np.ones((4, 6)), np.ones((4, 6))]
        given[team.number] = None
        learner.update(given)

    assert "on some processes and none on others" in refused(work)
