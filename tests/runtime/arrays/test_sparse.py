"""Row-sparse gradients touch only their rows, for every builtin."""

import numpy as np
import pytest
from support.families import SHAPES
from support.rules import clipped_adamw_ema, largest_gradients, my_rmsprop
from support.tiers import few_of_shared, one_of_each

import learnerdsl as ld
from learnerdsl import learners, transforms

RULES = {name: getattr(learners, name) for name in learners.__all__}
RULES |= {r.name: r for r in (my_rmsprop, clipped_adamw_ema, largest_gradients)}
SHAPE = (12, 6)
MORE = {n for n, r in RULES.items() if any(e.shape != "model" for e in r.trace().extras)}
"""Rules that are given arrays beside the gradients."""


def _needs_all(rule):
    traced = rule.trace(shape=SHAPE)
    return traced.needs_whole_tensors or traced.needs_every_row


WHOLE = {n for n, r in RULES.items() if _needs_all(r)}
BY_ROWS = sorted(RULES.keys() - WHOLE - MORE)
ROWS = np.array([1, 2, 3, 7, 11])


def update(learner, gradients):
    learner.update(gradients, **dict.fromkeys(getattr(learner, "extras", ()), 100.0))


def arrays_of(learner):
    states = [a for s in learner.state.values() for a in s.values() if a.ndim]
    return [*learner.parameters.values(), *states]


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    params = {
        "table": rng.standard_normal((12, 6)).astype(np.float32),
        "bias": rng.standard_normal(3).astype(np.float32),
    }
    values = rng.standard_normal((ROWS.size, 6)).astype(np.float32)
    gradients = {"table": ld.RowSparse(ROWS, values, (12, 6)), "bias": np.ones(3, np.float32)}
    return params, gradients


@pytest.mark.parametrize("name", one_of_each(BY_ROWS))
def test_rows_without_gradient_stay_bitwise(name, problem):
    params, gradients = problem
    learner = RULES[name](params)
    dense = {"table": np.ones((12, 6), np.float32), "bias": gradients["bias"]}
    update(learner, dense)
    before = [a.copy() for a in arrays_of(learner)]
    for _ in range(8):
        update(learner, gradients)
    others = np.setdiff1d(np.arange(12), ROWS)
    for now, then in zip(arrays_of(learner), before, strict=True):
        if now.shape == (12, 6):
            np.testing.assert_array_equal(now[others], then[others])
    assert not np.array_equal(params["table"][ROWS], before[0][ROWS])


@pytest.mark.parametrize("name", one_of_each(BY_ROWS))
def test_named_rows_move_as_the_oracle_moves_them(name, problem):
    params, gradients = problem
    ends = []
    for backend in ("cpu", "numpy"):
        copies = {n: p.copy() for n, p in params.items()}
        learner = RULES[name](copies, backend=backend)
        for _ in range(3):
            update(learner, gradients)
        ends.append(arrays_of(learner))
    for compiled, oracle in zip(*ends, strict=True):
        np.testing.assert_allclose(compiled, oracle, rtol=2e-5, atol=1e-7)


def test_elementwise_rule_moves_named_rows_as_a_dense_update_of_them_alone(problem):
    params, gradients = problem
    rows = {"table": params["table"][ROWS].copy(), "bias": params["bias"].copy()}
    sparse = learners.adam({n: p.copy() for n, p in params.items()})
    dense = learners.adam(rows)
    for _ in range(3):
        sparse.update(gradients)
        dense.update({"table": gradients["table"].values, "bias": gradients["bias"]})
    np.testing.assert_array_equal(sparse.parameters["table"][ROWS], rows["table"])


def test_sparse_adam_is_that_of_torch_on_rows_that_come_and_go():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    table = rng.standard_normal((12, 6))
    theirs = torch.tensor(table, requires_grad=True)
    their_learner = torch.optim.SparseAdam([theirs], lr=0.05, betas=(0.8, 0.95), eps=1e-3)
    learner = learners.sparse_adam([table], lr=0.05, beta1=0.8, beta2=0.95, eps=1e-3)
    for count in (5, 1, 0, 12, 3, 7):
        rows = rng.integers(0, 12, count)
        values = rng.standard_normal((count, 6))
        learner.update([ld.RowSparse(rows, values, (12, 6))])
        theirs.grad = torch.sparse_coo_tensor(
            torch.tensor(rows[None]), torch.tensor(values), (12, 6), check_invariants=True
        )
        their_learner.step()
        np.testing.assert_allclose(table, theirs.detach().numpy(), rtol=1e-12)


def test_dense_updates_go_on_after_a_sparse_one(problem):
    params, gradients = problem
    learner = learners.sgd(params, lr=1.0)
    learner.update(gradients)
    before = params["table"].copy()
    learner.update({"table": np.ones((12, 6), np.float32), "bias": np.ones(3, np.float32)})
    np.testing.assert_allclose(params["table"], before - 1, rtol=1e-6)


def test_many_rows_in_runs_longer_than_a_chunk():
    table = np.zeros((40_000, 3), np.float32)
    rows = np.concatenate([np.arange(0, 9_000), np.arange(9_001, 39_990, 2)])
    gradient = ld.RowSparse(rows, np.ones((rows.size, 3), np.float32), table.shape)
    learners.sgd([table], lr=1.0).update([gradient])
    np.testing.assert_array_equal(table, -gradient.to_dense())


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", few_of_shared(sorted(WHOLE - MORE - SHAPES.keys())))
def test_rules_of_whole_tensors_refuse_rows(name, backend, problem):
    params, gradients = problem
    learner = RULES[name](params, backend=backend)
    with pytest.raises(ld.ArrayError, match="to_dense"):
        update(learner, gradients)


def test_no_rows_at_all_change_nothing():
    table = np.ones((4, 3), np.float32)
    gradient = ld.RowSparse(np.array([], int), np.ones((0, 3), np.float32), (4, 3))
    assert learners.adam([table]).update([gradient])
    np.testing.assert_array_equal(table, 1)


@pytest.mark.parametrize(
    ("indices", "values", "shape", "message"),
    [
        ([0, 5], np.ones((2, 3)), (5, 3), "not all in 0 to 4"),
        ([-1], np.ones((1, 3)), (5, 3), "not all in 0 to 4"),
        ([0], np.ones((2, 3)), (5, 3), r"values of shape \(1, 3\)"),
        ([0.5], np.ones((1, 3)), (5, 3), "integer indices"),
        ([0], np.ones(1), (), "a tuple of integers"),
        ([0], np.ones((1, 2)), 3, "a tuple of integers"),
        ([0], np.ones((1, 2)), None, "a tuple of integers"),
        ([0], np.ones((1, 2)), (3.0, 2.0), "a tuple of integers"),
        ([0], np.ones((1, 2)), (True, 2), "a tuple of integers"),
        ([0], np.ones((1, 2)), (-3, 2), "a tuple of integers"),
        ([0], np.ones((1, 2)), "ab", "a tuple of integers"),
        ([0], np.ones((1, 2)), {3, 2}, "a tuple of integers"),
        ([True], np.ones((1, 3)), (5, 3), "integer indices"),
        ([[0]], np.ones((1, 3)), (5, 3), "integer indices"),
        (0, np.ones((1, 3)), (5, 3), "integer indices"),
        ("0", np.ones((1, 3)), (5, 3), "integer indices"),
        (None, np.ones((1, 3)), (5, 3), "integer indices"),
        ([10**30], np.ones((1, 3)), (5, 3), "integer indices"),
        ([2**64 - 1], np.ones((1, 3)), (5, 3), "not all in 0 to 4"),
        ([0], [[1.0, 1.0, 1.0]], (5, 3), "values .* must be an array, got a list"),
        ([0], None, (5, 3), "values .* must be an array, got a NoneType"),
        ([0], np.ones((1, 3), int), (5, 3), "bfloat16, float16, got int64"),
        ([0], np.full((1, 3), "a"), (5, 3), "bfloat16, float16, got <U1"),
        ([0], np.ma.masked_array(np.ones((1, 3))), (5, 3), "masked array"),
    ],
)
def test_parts_that_do_not_fit_are_refused(indices, values, shape, message):
    for given in (indices, np.array(indices)):
        with pytest.raises((ld.ArrayError, ld.DtypeError), match=message):
            ld.RowSparse(given, values, shape)


@pytest.mark.parametrize("indices", [[[0], [1, 2]], np.ma.masked_array([0], [True])], ids=str)
def test_indices_that_are_no_row_numbers_are_refused(indices):
    with pytest.raises(ld.ArrayError, match="integer indices"):
        ld.RowSparse(indices, np.ones((1, 3)), (5, 3))


def test_parts_may_be_lists_of_numbers_and_any_sequence_of_sizes():
    for shape in ([4, 3], np.array([4, 3]), (np.int64(4), 3)):
        gradient = ld.RowSparse([2, 0], np.ones((2, 3)), shape)
        assert gradient.shape == (4, 3)
        assert gradient.indices.tolist() == [0, 2]
    assert ld.RowSparse([], np.ones((0, 3)), (4, 3)).indices.size == 0


def test_gradient_of_another_shape_changes_nothing():
    table = np.ones((4, 3), np.float32)
    learner = learners.adam([table])
    gradient = ld.RowSparse(np.array([1]), np.ones((1, 3), np.float32), (5, 3))
    with pytest.raises(ld.LearnerError, match="its parameter"):
        learner.update([gradient])
    assert learner.step_count == 0
    np.testing.assert_array_equal(table, 1)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("dtype", [np.float64, np.float16, ">f4"])
def test_values_of_another_float_type_are_converted_in_every_update(dtype, backend):
    table = np.zeros((4, 3), np.float32)
    learner = learners.sgd([table], lr=1.0, backend=backend)
    values = np.full((2, 3), 0.5, dtype)
    gradient = ld.RowSparse([1, 3], values, (4, 3))
    for wanted in (-0.5, -2.5):
        learner.update([gradient])
        np.testing.assert_array_equal(table[[1, 3]], wanted)
        values[...] = 2
    np.testing.assert_array_equal(table[[0, 2]], 0)


def test_the_number_of_converted_rows_may_change():
    table = np.zeros((4, 3), np.float32)
    learner = learners.sgd([table], lr=1.0)
    for rows in ([0], [0, 1, 2, 3], [], [1, 2]):
        learner.update([ld.RowSparse(rows, np.ones((len(rows), 3)), (4, 3))])
    np.testing.assert_array_equal(table[:, 0], [-2, -2, -2, -1])


def test_rows_cannot_be_changed_once_they_are_checked():
    gradient = ld.RowSparse([0, 1], np.ones((2, 3)), (4, 3))
    with pytest.raises(ValueError, match="read-only"):
        gradient.indices[0] = 10**9
    with pytest.raises(ValueError, match="WRITEABLE"):
        gradient.indices.setflags(write=True)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_values_that_were_given_another_shape_are_refused(backend):
    table = np.ones((4, 3))
    learner = learners.sgd([table], backend=backend)
    gradient = ld.RowSparse([0, 1], np.ones((2, 3)), (4, 3))
    gradient.values.resize((1, 3), refcheck=False)
    with pytest.raises(ld.ArrayError, match=r"need values of shape \(2, 3\), got \(1, 3\)"):
        learner.update([gradient])
    np.testing.assert_array_equal(table, 1)


def test_values_of_the_last_update_cannot_be_resized():
    table = np.ones((4, 3))
    learner = learners.sgd([table])
    gradient = ld.RowSparse([0, 1], np.ones((2, 3)), (4, 3))
    learner.update([gradient])
    with pytest.raises(ValueError, match="cannot resize"):
        gradient.values.resize((1, 3))


def test_nonfinite_rows_are_skipped():
    table = np.ones((4, 3), np.float32)
    values = np.array([[1, np.nan, 1]], np.float32)
    learner = learners.sgd([table], nonfinite="skip")
    assert not learner.update([ld.RowSparse(np.array([2]), values, (4, 3))])
    np.testing.assert_array_equal(table, 1)


def counted(p, g, k=2):
    count = ld.state("count", shape="model")
    total = ld.state("total")
    turn = ld.equal(count % k, k - 1)
    kept = ld.assign(total, ld.where(turn, 0, total + g))
    new = ld.assign(p, ld.where(turn, p - (total + g) / k, p))
    return ld.combine([ld.assign(count, count + 1), kept, new])


WAITING = {
    "accumulate": lambda: ld.chain(transforms.accumulate, learners.sgd),
    "lookahead": lambda: ld.chain(learners.sgd, transforms.lookahead),
    "ema": lambda: ld.chain(learners.sgd, transforms.ema),
    "swa": lambda: ld.chain(learners.sgd, transforms.swa),
    "schedule_free": lambda: learners.schedule_free_sgd,
    "of a user": lambda: ld.rule(counted),
}


@pytest.mark.parametrize("name", WAITING)
def test_a_rule_that_changes_rows_later_asks_for_whole_gradients(name, problem):
    params, gradients = problem
    before = {key: p.copy() for key, p in params.items()}
    learner = WAITING[name]()(params)
    with pytest.raises(ld.ArrayError, match=r"pass gradient.to_dense\(\)"):
        learner.update(gradients)
    assert learner.step_count == 0
    for key, p in params.items():
        np.testing.assert_array_equal(p, before[key])


def test_a_rule_that_is_corrected_by_the_step_takes_rows(problem):
    params, gradients = problem
    for rule in (learners.radam, learners.adamw, learners.dadapt_sgd):
        assert rule(params).update(gradients)
