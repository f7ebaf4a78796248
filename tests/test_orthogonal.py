"""Newton-Schulz iterations: every published set of coefficients, as libraries use them."""

import json
import re

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.orthogonal import PUBLISHED

BANDS = {
    "muon": (5, 0.68, 1.16),
    "polar_express": (8, 0.9999, 1.0001),
    "polar_express_5": (5, 0.85, 1.15),
    "cans": (5, 0.88, 1.12),
    "you": (5, 0.97, 1.12),
    "deepseek": (10, 0.99, 1.01),
    "cubic": (5, 0.57, 1.31),
}
"""Name -> number of iterations, and where singular values from 0.005 to 1 of the norm end."""

OPTAX_DION = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)


def outcome(value, g, backend="numpy"):
    """`value(g)` computed by a rule for a parameter of the shape of `g`; the oracle is quick."""

    def of_matrices(p, g):
        return ld.assign(p, value(g))

    array = np.zeros_like(g)
    ld.rule(of_matrices)([array], backend=backend).update([g])
    return array


def with_values(values, shape, seed=0):
    """Matrices with these singular values, and their singular vectors."""
    rng = np.random.default_rng(seed)
    u, _, v = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    return u * values @ v, u, v


def test_every_published_set_has_its_band():
    assert BANDS.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("shape", [(40, 90), (2, 50, 30)], ids=str)
def test_singular_values_end_in_the_band(name, shape):
    steps, low, high = BANDS[name]
    values = np.geomspace(1.0, 1e-3, min(shape[-2:]))
    values *= 7 / np.linalg.norm(values)
    g, u, v = with_values(values, shape)
    found = outcome(lambda g: ld.orthogonalize(g, steps, name), g)
    found = np.swapaxes(u, -1, -2) @ found @ np.swapaxes(v, -1, -2)
    inside = np.diagonal(found, axis1=-2, axis2=-1)[..., values > 0.005 * 7]
    assert low <= inside.min()
    assert inside.max() <= high


@pytest.mark.parametrize(
    ("shape", "backend"),
    [
        *(((4, 7), "cpu"), ((3, 4, 2), "cpu"), ((4, 7), "numpy"), ((7, 4), "numpy")),
        *(((5, 5), "numpy"), ((3, 4, 2), "numpy"), ((2, 3, 2, 4), "numpy")),
    ],
    ids=str,
)
def test_the_limit_is_the_nearest_orthogonal_matrix(shape, backend):
    g, u, v = with_values(np.linspace(1, 2, min(shape[-2:])), shape)
    found = outcome(lambda g: ld.orthogonalize(g, 9, "polar_express"), g, backend)
    np.testing.assert_allclose(found, u @ v, atol=1e-9)


def by_hand(g, triples, divisor):
    x = g / divisor
    for a, b, c in triples:
        x = a * x + b * x @ x.T @ x + c * x @ x.T @ x @ x.T @ x
    return x


A, B = (2.0, -1.5, 0.5), (1.5, -0.5, 0.0)


@pytest.mark.parametrize(
    ("given", "steps", "triples"),
    [
        (A, 3, (A, A, A)),
        ([A], 2, (A, A)),
        ([A, B], 3, (A, B, B)),
        ((A, B, A), 2, (A, B)),
        ((list(A), B), 0, ()),
        ("deepseek", 10, ((3.4445, -4.775, 2.0315),) * 8 + (A, A)),
    ],
    ids=str,
)
def test_the_last_triple_is_repeated(given, steps, triples):
    g = np.random.default_rng(1).standard_normal((3, 4))
    found = outcome(lambda g: ld.orthogonalize(g, steps, given), g)
    np.testing.assert_allclose(found, by_hand(g, triples, np.linalg.norm(g)), rtol=1e-11)


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ({"eps": 100.0}, lambda n: 100.0),
        ({"eps": 0.5, "eps_is_added": True}, lambda n: n + 0.5),
        ({"eps": 0.5, "safety": 1.02, "eps_is_added": True}, lambda n: 1.02 * n + 0.5),
        ({"coefficients": "polar_express"}, lambda n: 1.01 * n),
        ({"coefficients": "polar_express_5"}, lambda n: 1.02 * n),
        ({"coefficients": "polar_express_5", "safety": 1}, lambda n: n),
    ],
    ids=["eps", "added", "both", "polar_express", "polar_express_5", "not safe"],
)
def test_what_the_matrix_is_divided_by(options, divisor):
    g = np.random.default_rng(2).standard_normal((3, 4))
    found = outcome(lambda g: ld.orthogonalize(g, 0, **options), g)
    np.testing.assert_allclose(found, g / divisor(np.linalg.norm(g)), rtol=1e-14)


def test_a_transposed_matrix_is_made_orthogonal_as_it_lies():
    g = np.random.default_rng(3).standard_normal((4, 7))

    def turned(g):
        across = ld.let("across", ld.transpose(g + 0))
        return ld.transpose(ld.orthogonalize(across))

    expected = outcome(ld.orthogonalize, g)
    np.testing.assert_allclose(outcome(turned, g), expected, rtol=1e-12)


def test_a_rule_may_orthogonalize_twice():
    g = np.random.default_rng(4).standard_normal((4, 7))
    twice = outcome(lambda g: ld.orthogonalize(ld.orthogonalize(g) + g), g)
    inner = outcome(ld.orthogonalize, g)
    np.testing.assert_allclose(twice, outcome(ld.orthogonalize, inner + g), rtol=1e-10)


@ld.rule
def steepest(p, g, lr=0.1, coefficients="muon"):
    """A step to the nearest orthogonal matrix of a mean of gradients."""
    m = ld.state("m")
    m_new = ld.assign(m, 0.9 * m + g)
    return ld.assign(p, p - lr * ld.orthogonalize(m_new, 5, coefficients))


@pytest.mark.parametrize("name", ["you", "cubic", "polar_express_5"])
def test_the_function_on_arrays_agrees(name):
    ld.check(steepest, coefficients=name, updates=3).raise_if_wrong()


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        ("polar_expres", "did you mean polar_express or polar_express_5"),
        ("fastest", "write one of: muon, polar_express,"),
        ((1.0, 2.0), "three numbers such as (3.4445, -4.775, 2.0315)"),
        ([(1.0, 2.0, 3.0), (1.0, 2.0)], "a list of such triples"),
        ((1.0, 2.0, np.inf), "got (1.0, 2.0, inf)"),
        ([], "got []"),
    ],
    ids=str,
)
def test_what_are_no_coefficients_is_refused(coefficients, message):
    with pytest.raises(ld.HyperparameterError) as caught:
        outcome(lambda g: ld.orthogonalize(g, 5, coefficients), np.ones((2, 2)))
    assert message in str(caught.value)


@pytest.mark.parametrize("steps", [-1, 2.0, True], ids=str)
def test_what_is_no_number_of_steps_is_refused(steps):
    with pytest.raises(ld.HyperparameterError, match="steps must be a whole number, 0 or more"):
        outcome(lambda g: ld.orthogonalize(g, steps), np.ones((2, 2)))


@pytest.mark.parametrize("gram", [False, True])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (2, 4, 6)], ids=str)
def test_matrices_of_other_sides_are_made_orthogonal(shape, backend, gram):
    g, *_ = with_values(np.linspace(1, 2, min(shape[-2:])), shape)

    def value(g):
        part = ld.first_columns(g, 2)  # rows by 2
        whole = ld.orthogonalize(part, 9, "polar_express", gram=gram)
        turned = ld.orthogonalize(ld.transpose(part), 9, "polar_express", gram=gram)
        return ld.matmul(whole, ld.matmul(turned, g))

    u, _, v = np.linalg.svd(g[..., :2], full_matrices=False)
    near = u @ v
    expected = near @ np.swapaxes(near, -1, -2) @ g
    np.testing.assert_allclose(outcome(value, g, backend), expected, atol=1e-9)


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ld.RuleError, match="needs a matrix, but this is none"):
        outcome(lambda g: ld.matmul(ld.orthogonalize(ld.norm(g)), g), np.ones((2, 3)))


def test_vectors_are_refused():
    with pytest.raises(ld.RuleError, match="write another rule for it under `if"):
        outcome(ld.orthogonalize, np.ones(3))


# Iterations on Gram matrices


@pytest.mark.parametrize("name", ["muon", "polar_express", "deepseek", "cubic"])
@pytest.mark.parametrize("shape", [(3, 9), (9, 3), (2, 8, 3), (3, 5)], ids=str)
def test_iterations_on_gram_matrices_are_the_same(name, shape):
    g = np.random.default_rng(6).standard_normal(shape)
    for steps in (1, 2, 4, 10):
        plain = outcome(lambda g, n=steps: ld.orthogonalize(g, n, name), g)
        found = outcome(lambda g, n=steps: ld.orthogonalize(g, n, name, gram=True), g)
        np.testing.assert_allclose(found, plain, atol=1e-9)


def test_compiled_iterations_on_gram_matrices_are_those_of_the_oracle():
    g = np.random.default_rng(7).standard_normal((3, 8))
    ends = [outcome(lambda g: ld.orthogonalize(g, gram=True), g, b) for b in ("cpu", "numpy")]
    np.testing.assert_allclose(*ends, atol=1e-9)


def test_long_matrices_are_multiplied_less_often():
    text = {
        (shape, gram): learners.muon.source(shape=shape, ns_gram=gram)
        for shape in [(16, 32), (16, 24)]
        for gram in (False, True)
    }
    multiplied = {key: len(re.findall(r"np.matmul\(.*x_", own)) for key, own in text.items()}
    assert multiplied[(16, 32), False] == 2 * 5
    assert multiplied[(16, 32), True] == 2 * 2
    assert text[(16, 24), True] == text[(16, 24), False]


def test_of_polynomials_of_one_matrix_blas_computes_a_half():
    source = learners.muon.source(shape=(16, 32), ns_gram=True)
    squares = re.findall(r"np.matmul\((\w+), (?:np.swapaxes\()?\1\b.*", source)
    assert len(squares) == 2 + 5 + 3
    assert not re.search(r"np.matmul\((\w+), \1\)", source)


def test_what_is_no_polynomial_of_a_matrix_does_not_commute_with_it():
    g = np.random.default_rng(8).standard_normal((3, 4))

    def value(g):
        gram = ld.let("gram", ld.matmul(g, ld.transpose(g)))
        raised = ld.let("raised", ld.matmul(gram, gram + 1))
        hadamard = ld.let("hadamard", ld.matmul(gram, gram * gram))
        return ld.matmul(ld.matmul(raised, raised) - ld.matmul(hadamard, hadamard), g)

    ends = [outcome(value, g, backend) for backend in ("cpu", "numpy")]
    np.testing.assert_allclose(*ends, rtol=1e-9)


# The option of the builtin rules


def run(rule, params, gradients, **options):
    """The parameters after some updates by the oracle."""
    own = [p.copy() for p in params]
    learner = rule(own, backend="numpy", **options)
    for g in gradients:
        learner.update(g)
    return own


def problem(shapes=((4, 7), (6, 3)), steps=3):
    rng = np.random.default_rng(5)
    draw = lambda: [rng.standard_normal(s) for s in shapes]  # noqa: E731
    return draw(), [draw() for _ in range(steps)]


def test_muon_takes_the_coefficients_of_torch(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    params, gradients = problem()
    options = {"lr": 0.1, "ns_steps": 8, "ns_coefficients": (2.0, -1.5, 0.5)}
    found = run(learners.muon, params, gradients, **options)
    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    judge = torch.optim.Muon(theirs, **options)
    for grads in gradients:
        for tensor, g in zip(theirs, grads, strict=True):
            tensor.grad = torch.tensor(g)
        judge.step()
    for own, tensor in zip(found, theirs, strict=True):
        np.testing.assert_allclose(own, tensor.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs", "steps"),
    [("you", "dion", 5), (OPTAX_DION, "dion", 5), ([A, B, A], (A, B, A), 3), (A, A, 7)],
    ids=str,
)
def test_muon_optax_takes_the_coefficients_of_optax(ours, theirs, steps):
    jax = pytest.importorskip("jax")
    muon = pytest.importorskip("optax.contrib").muon
    params, gradients = problem()
    options = {"lr": 0.1, "ns_steps": steps, "ns_coefficients": ours}
    found = run(learners.muon_optax, params, gradients, **options)
    with jax.enable_x64(True):
        judge = muon(0.1, ns_coeffs=theirs, ns_steps=steps)
        values = [jax.numpy.asarray(p) for p in params]
        state = judge.init(values)
        for grads in gradients:
            updates, state = judge.update([jax.numpy.asarray(g) for g in grads], state, values)
            values = [p + u for p, u in zip(values, updates, strict=True)]
    for own, value in zip(found, values, strict=True):
        np.testing.assert_allclose(own, value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["adamuon", "muon", "muon_optax", "muon_with_adamw", "scion"])
def test_names_and_numbers_are_the_same_rule(name):
    rule = getattr(learners, name)
    params, gradients = problem()
    given = [{}, *({"ns_coefficients": c} for c in ("muon", OPTAX_DION, list(OPTAX_DION)))]
    paths = [run(rule, params, gradients, **options) for options in given]
    for first, second, third, fourth in zip(*paths, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(third, fourth)
        assert np.abs(first - third).max() > 1e-6


def test_checkpoints_and_cards_have_the_coefficients(tmp_path):
    params, gradients = problem()
    pairs = [A, list(B)]
    learner = learners.muon([p.copy() for p in params], ns_coefficients=pairs)
    learner.update(gradients[0])
    assert learner.state_dict()["options"]["ns_coefficients"] == (A, B)
    learner.save(tmp_path / "muon.safetensors")
    again = learners.muon([p.copy() for p in params], ns_coefficients=(A, B))
    again.load(tmp_path / "muon.safetensors")
    text = json.dumps(learner.state_dict()["options"])
    again.load_state_dict({**learner.state_dict(), "options": json.loads(text)})
    assert again.step_count == 1
    with pytest.raises(ld.CheckpointError, match="has options"):
        learners.muon([p.copy() for p in params]).load(tmp_path / "muon.safetensors")
    assert "((2.0, -1.5, 0.5), (1.5, -0.5, 0.0))" in str(learners.muon.card(ns_coefficients=pairs))
    assert "With ns_coefficients=" in learners.muon.export("numpy", ns_coefficients=pairs)


def test_torch_and_jax_take_the_coefficients():
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    import learnerdsl.jax as ldj  # noqa: PLC0415
    import learnerdsl.torch as ldt  # noqa: PLC0415

    params, gradients = problem(((4, 7),), 1)
    start, g = params[0].astype(np.float32), gradients[0][0].astype(np.float32)
    options = {"lr": 0.1, "momentum": 0.9, "ns_coefficients": OPTAX_DION}
    expected = run(learners.muon, [start], [[g]], **options)[0]
    tensor = torch.nn.Parameter(torch.tensor(start))
    tensor.grad = torch.tensor(g)
    optimizer = ldt.Muon([tensor], weight_decay=0.1, products="full", **options)
    optimizer.step()
    np.testing.assert_allclose(tensor.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["ns_coefficients"] == OPTAX_DION
    optimizer.load_state_dict(saved)
    optimizer.step()
    transformation = ldj.muon(**options)
    value = jax.numpy.asarray(start)
    updates, _ = transformation.update(jax.numpy.asarray(g), transformation.init(value), value)
    np.testing.assert_allclose(value + updates, expected, rtol=1e-5, atol=1e-6)
