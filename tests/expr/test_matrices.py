"""Functions of whole matrices: against NumPy and the oracle, with states, and in bad company."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from support import ROOT, TESTS
from support.rules_of_matrices import RULES, barriers, newton_schulz, preconditioned, run, scaled
from support.tiers import slow

import learnerdsl as ld

SHAPES = [
    ((7, 5),),
    ((5, 7), (4, 4)),
    ((3, 4, 2),),
    ((2, 3, 4, 2), (1, 1)),
    ((0, 5), (3, 2)),
    ((5, 0),),
    ((0, 3, 2),),
    ((1, 6), (6, 1)),
]
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


def assert_backends_agree(rule, shapes, dtype, **settings):
    ends = [run(rule, shapes, dtype, backend, **settings) for backend in ("cpu", "numpy")]
    for compiled, oracle in zip(*ends, strict=True):
        assert compiled.dtype == oracle.dtype
        scale = max(1.0, np.nanmax(np.abs(oracle), initial=0))
        np.testing.assert_allclose(compiled, oracle, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("dtype", [slow("float32"), "float64"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_compiled_rules_of_matrices_follow_the_oracle(rule, shapes, dtype):
    assert_backends_agree(rule, shapes, dtype)


def outcome(value, p, g, dtype="float64", backend="cpu"):
    """`value(p, g)` computed by a rule."""

    def of_matrices(p, g):
        return ld.assign(p, value(p, g))

    array = np.array(p, dtype)
    ld.rule(of_matrices)([array], backend=backend).update([np.array(g, dtype)])
    return array


def spd(a):
    return a @ np.swapaxes(a, -1, -2)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (2, 3, 3)], ids=str)
def test_functions_are_those_of_numpy(shape, dtype, backend):
    rng = np.random.default_rng(1)
    p, g = rng.standard_normal(shape), rng.standard_normal(shape)
    swap = lambda a: np.swapaxes(a, -1, -2)  # noqa: E731
    gram = lambda p, g: ld.matmul(g, ld.transpose(g)) + ld.identity("rows")  # noqa: E731
    whole = spd(g) + np.eye(shape[-2])
    roots, vectors = np.linalg.eigh(whole)
    tolerance = 10 * TOLERANCE[dtype]

    def check(value, expected):
        found = outcome(value, p, g, dtype, backend)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)

    check(lambda p, g: ld.matmul(ld.matmul(p, ld.transpose(p)), g), spd(p) @ g)
    check(lambda p, g: ld.matmul(g, ld.matmul(ld.transpose(p), p)), g @ swap(p) @ p)
    check(lambda p, g: ld.matmul(ld.identity("rows"), g), g)
    check(lambda p, g: ld.transpose(ld.matmul(ld.identity("cols"), ld.transpose(g))), g)
    for order in (1, 2, 4):
        power = vectors * roots[..., None, :] ** (-1 / order) @ swap(vectors)
        check(lambda p, g, k=order: ld.matmul(ld.inverse_root(gram(p, g), k), p), power @ p)
    # Bases are compared by what does not depend on the signs of their vectors.
    descending = vectors[..., ::-1]
    weighted = descending @ np.abs(swap(descending) @ p)

    def in_basis(p, g):
        basis = ld.eigenvectors(gram(p, g))
        return ld.matmul(basis, ld.abs(ld.matmul(ld.transpose(basis), p)))

    check(in_basis, weighted)
    basis = np.linalg.qr(whole)[0]

    def in_orthonormal_basis(p, g):
        basis = ld.orthonormal(gram(p, g))
        return ld.matmul(basis, ld.abs(ld.matmul(ld.transpose(basis), p)))

    check(in_orthonormal_basis, basis @ np.abs(swap(basis) @ p))


def test_inverse_root_of_a_singular_matrix_takes_the_rounding_error_for_zero():
    g = np.outer([1.0, 2.0], [1.0, 1.0])
    found = outcome(lambda p, g: ld.matmul(ld.inverse_root(ld.matmul(g, ld.transpose(g)), 2), g),
                    np.zeros((2, 2)), g)  # fmt: skip
    np.testing.assert_allclose(found, g / np.linalg.norm(g), atol=1e-6)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_only_the_branch_in_force_is_computed(backend, monkeypatch):
    calls = []
    own = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda a: calls.append(a.shape) or own(a))
    run(preconditioned, [(3, 2)], backend=backend, steps=5, every=3)
    assert calls == [(3, 3), (2, 2)] * 2  # in steps 1 and 4


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_only_the_branch_in_force_of_values_of_elements_is_computed(backend, monkeypatch):
    def sometimes(p, g):
        m = ld.state("m")
        now = ld.equal((ld.step - 1) % 3, 0)
        gram = ld.matmul(g, ld.transpose(g)) + ld.identity("rows")
        m_new = ld.assign(m, ld.where(now, ld.matmul(ld.inverse_root(gram, 2), g), m / 2 + g))
        whitened = ld.matmul(ld.inverse_root(gram, 4), g)
        return ld.assign(p, p - m_new - ld.where(ld.step > 4, 3 * whitened + g, p / 8))

    calls = []
    own = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda a: calls.append(a.shape) or own(a))
    run(ld.rule(sometimes), [(3, 2)], backend=backend, steps=5)
    assert calls == [(3, 3)] * 3  # in steps 1, 4 and 5
    assert_backends_agree(ld.rule(sometimes), [(3, 2), (2, 2)], "float64", steps=6)


@ld.rule
def swapping(p, g, lr=0.1):
    """Two states whose new values are views of each other's memory."""
    a = ld.state("a", init=ld.identity("rows"), shape=("rows", "rows"))
    b = ld.state("b", init=2 * ld.identity("rows"), shape=("rows", "rows"))
    a_new, b_new = ld.assign(a, ld.transpose(b)), ld.assign(b, ld.transpose(a))
    return ld.combine([a_new, b_new, ld.assign(p, p - lr * ld.matmul(a_new, g))])


@ld.rule
def late_view(p, g, lr=0.1):
    """The transpose of an old value that is needed after the new one is written."""
    m = ld.state("m", init=1.0)
    old = ld.let("old", ld.where(ld.equal(ld.step % 2, 0), ld.transpose(m), ld.transpose(g)))
    m_new = ld.assign(m, m + g)
    scaled = ld.let("scaled", m_new / ld.norm(m_new))
    return ld.assign(p, p - lr * ld.matmul(ld.matmul(scaled, old), p))


@pytest.mark.parametrize("rule", [swapping, late_view], ids=lambda r: r.name)
def test_views_do_not_change_with_the_memory_they_are_of(rule):
    assert_backends_agree(rule, [(4, 6), (3, 3)], "float64")


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_matrices_that_are_not_finite_give_nan_and_leave_other_tensors_alone(backend):
    first, second, *states = run(
        preconditioned, [(4, 4), (3, 3)], backend=backend, steps=2, bad_at=1, every=1
    )
    assert np.isnan(first).all()
    assert np.isfinite(second).all()
    assert np.isnan(states[2]).all()  # the inverse root


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_one_bad_matrix_of_several_leaves_the_others_alone(backend):
    g = np.random.default_rng(0).standard_normal((2, 3, 3))
    g[0, 1, 1] = np.inf

    def value(p, g):
        gram = ld.matmul(g, ld.transpose(g))
        return ld.matmul(ld.eigenvectors(gram), p) + ld.matmul(ld.inverse_root(gram, 2), p)

    found = outcome(value, np.ones((2, 3, 3)), g, backend=backend)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_square_states_are_saved_and_resumed_and_reset(backend, tmp_path):
    rng = np.random.default_rng(3)
    whole = {"w": rng.standard_normal((4, 3)), "v": rng.standard_normal((2, 3, 3))}
    gradients = [{n: rng.standard_normal(a.shape) for n, a in whole.items()} for _ in range(6)]
    learner = preconditioned(whole, backend=backend, every=2)
    for k, gradient in enumerate(gradients):
        if k == 3:
            learner.save(tmp_path / "state")
            parted = {n: a.copy() for n, a in whole.items()}
        learner.update(gradient)
    assert learner.state["w"]["left"].shape == (4, 4)
    assert learner.state["v"]["right"].shape == (2, 3, 3)
    resumed = preconditioned(parted, backend=backend, every=2)
    resumed.load(tmp_path / "state")
    for gradient in gradients[3:]:
        resumed.update(gradient)
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parted[name])
    learner.reset()
    np.testing.assert_array_equal(learner.state["w"]["left"], 1e-3 * np.eye(4))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_groups_have_hyperparameters_of_their_own(backend):
    params = [np.ones((3, 2)), np.ones((3, 2))]
    preconditioned(params, backend=backend, groups=[{"params": [1], "lr": 0.0}]).update(
        [np.eye(3, 2), np.eye(3, 2)]
    )
    assert (params[0] != 1).any()
    assert (params[1] == 1).all()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_skipped_updates_change_nothing(backend):
    params = [np.ones((3, 2)), np.ones((2, 2))]
    learner = preconditioned(params, backend=backend, nonfinite="skip")
    assert not learner.update([np.eye(3, 2), np.full((2, 2), np.nan)])
    assert all((p == 1).all() for p in params)
    np.testing.assert_array_equal(learner.state[0]["left"], 1e-3 * np.eye(3))
    assert learner.update([np.eye(3, 2), np.eye(2)])


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("rule", [preconditioned, newton_schulz, barriers], ids=lambda r: r.name)
def test_row_sparse_gradients_are_refused_before_anything_changes(rule, backend):
    weights, gradient = np.ones((4, 3)), np.eye(4, 3)
    learner = rule([weights], backend=backend)
    learner.update([gradient])
    before = weights.copy()
    sparse = ld.RowSparse(np.array([1]), np.ones((1, 3)), (4, 3))
    with pytest.raises(ld.ArrayError, match="gradient of 0 is row-sparse"):
        learner.update([sparse])
    np.testing.assert_array_equal(weights, before)
    assert learner.step_count == 1
    # The memory of the refused gradient must not be used for one that was known before.
    again, expected = rule([before], backend=backend), weights
    again.load_state_dict(learner.state_dict())
    learner.update([gradient])
    again.update([gradient.copy()])
    np.testing.assert_array_equal(before, expected)


def test_vectors_beside_matrices_take_row_sparse_gradients():
    @ld.rule
    def by_ndim(p, g, lr=0.5):
        if ld.ndim(p) < 2:
            return ld.assign(p, p - lr * g)
        return ld.assign(p, p - lr * ld.matmul(ld.matmul(g, ld.transpose(g)), g))

    vector, matrix = np.ones(4), np.ones((2, 2))
    learner = by_ndim([vector, matrix])
    learner.update([ld.RowSparse(np.array([2]), np.ones(1), (4,)), np.eye(2)])
    np.testing.assert_array_equal(vector, [1, 1, 0.5, 1])
    np.testing.assert_array_equal(matrix, [[0.5, 1], [1, 0.5]])


def _gram(g):
    return ld.matmul(g, ld.transpose(g))


BAD = {
    "multiplies rows by cols with rows by cols": lambda p, g: ld.matmul(p, g),
    "their shapes differ": lambda p, g: p - _gram(g),
    "joins a value of": lambda p, g: p - ld.transpose(g),
    "it must be square": lambda p, g: p - ld.matmul(ld.inverse_root(g, 2), g),
    "which is not a matrix": lambda p, g: ld.matmul(ld.norm(p), g),
    "write identity\\('rows'\\)": lambda p, g: ld.matmul(ld.identity("both"), g),
}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("message", BAD)
def test_what_does_not_fit_is_refused_when_the_learner_is_made(message, backend):
    def bad(p, g):
        return ld.assign(p, BAD[message](p, g))

    with pytest.raises(ld.RuleError, match=message):
        ld.rule(bad)([np.ones((3, 4))], backend=backend)


def test_states_that_do_not_fit_are_refused():
    def elements_into_square(p, g):
        left = ld.state("left", shape=("rows", "rows"))
        return ld.combine([ld.assign(left, g), ld.assign(p, p - g)])

    def started_from_elements(p, g):
        left = ld.state("left", init=p, shape=("rows", "rows"))
        return ld.combine([ld.assign(left, left), ld.assign(p, p - g)])

    with pytest.raises(ld.RuleError, match="one for each entry of a matrix"):
        ld.rule(elements_into_square)([np.ones((3, 4))])
    with pytest.raises(ld.RuleError, match=r"has the shape \(3, 3\)"):
        ld.rule(started_from_elements)([np.ones((3, 4))])


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("rule", [preconditioned, newton_schulz], ids=lambda r: r.name)
@pytest.mark.parametrize("shape", [(3,), ()], ids=str)
def test_tensors_that_are_no_matrices_are_refused_by_name(rule, shape, backend):
    with pytest.raises(ld.RuleError, match="Parameter 'b'"):
        rule({"w": np.ones((2, 2)), "b": np.ones(shape)}, backend=backend)


def test_a_chain_of_products_takes_no_passes_between_them():
    plan = newton_schulz.plan()
    # The norm, the operand of the first product, and the step.
    assert len(plan.passes) == 3
    assert plan.passes[-1].reads == ("p", "x_3_matrix")
    assert len(preconditioned.plan().passes) == 1


def test_an_operand_that_is_written_twice_is_handed_over_once():
    def decayed(p, g, decay=0.1):
        g = g + decay * p
        return ld.assign(p, p - ld.matmul(ld.matmul(g, ld.transpose(g)), g))

    first, last = ld.rule(decayed).plan().passes
    assert len(first.writes) == 1
    assert last.reads == ("p", "product_1_matrix")


def test_rules_of_matrices_can_be_shown():
    assert r"L_t^{-1/4}" not in preconditioned.latex()
    assert r"\left(g_t\right)" not in preconditioned.latex()
    assert r"g_t^\top" in preconditioned.latex()
    assert "inverse_root(left_new, 4)" in preconditioned.pretty()
    assert "identity" in scaled.pretty()
    assert "np.matmul" in preconditioned.source()


PROGRAM = """
import sys
import numpy as np
from support.rules_of_matrices import RULES, run
np.savez(sys.argv[1], *[a for rule in RULES for a in run(rule, [(4, 3), (3, 3)])])
"""


def test_kernels_without_compilation_do_the_same(tmp_path):
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "1",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]),
    }
    path = tmp_path / "arrays.npz"
    subprocess.run([sys.executable, "-c", PROGRAM, path], env=environment, check=True)
    compiled = [array for rule in RULES for array in run(rule, [(4, 3), (3, 3)])]
    with np.load(path) as stepped:
        for array, name in zip(compiled, stepped.files, strict=True):
            np.testing.assert_allclose(stepped[name], array, rtol=1e-9, atol=1e-12)


@ld.rule
def every_third(p, g, lr=0.1):
    """A product that two choices share, both in every third step."""
    gram = ld.state("gram", shape=("rows", "rows"))
    basis = ld.state("basis", init=ld.identity("rows"), shape=("rows", "rows"))
    gram_new = ld.assign(gram, gram + ld.matmul(g, ld.transpose(g)))
    turned = ld.matmul(gram_new, basis)
    is_due = ld.equal(ld.step % 3, 0)
    order = ld.let("order", ld.where(is_due, ld.abs(turned) + ld.matmul(turned, turned), basis))
    basis_new = ld.assign(basis, ld.where(is_due, ld.orthonormal(turned + order), basis))
    return ld.assign(p, p - lr * ld.matmul(basis_new, g))


def test_what_only_due_steps_use_is_computed_in_these_alone():
    source = every_third.source()
    assert len(re.findall(r" = \(np\.matmul\(gram_new, basis\) if .* else None\)", source)) == 1
    assert source.count("np.matmul(gram_new, basis)") == 1
    ends = [run(every_third, [(4, 6)], backend=backend, steps=7) for backend in ("cpu", "numpy")]
    for compiled, oracle in zip(*ends, strict=True):
        np.testing.assert_allclose(compiled, oracle, atol=1e-9)
