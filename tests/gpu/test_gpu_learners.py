"""Learners on a GPU against the oracle, and bit for bit against themselves; skipped without one."""

import numpy as np
import pytest
from gpu.devices import (
    DEVICE,
    DTYPES,
    MARKS,
    SHAPES,
    STEPS,
    Behind,
    OnGpu,
    assert_as_oracle,
    contents,
    name_of,
    place_all,
    problem,
    trained,
)
from support.battery import RULES, TOLERANCE, assert_close, run
from support.families import ROUNDING
from support.problems import hyperparameters
from support.rules import clipped_adamw_ema
from support.small_rules import every_state

import learnerdsl as ld
from learnerdsl import learners

pytestmark = MARKS

LARGE_SHAPES = ((2_000, 1_500), (1_500_003,), (64, 3, 7, 7), (5,))
TENSORS = 5_000
BUSY = 4_096
"""Rows of matrices whose products keep the GPU busy beside an update."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", learners.__all__)
def test_rule_follows_the_oracle(name, dtype, of_torch, kernels):
    hypers = hyperparameters(name, np.random.default_rng(11), SHAPES, STEPS)
    start, _, path = run(OnGpu(RULES[name], of_torch), dtype, SHAPES, hypers)
    _, _, expected = run(RULES[name], dtype, SHAPES, hypers, backend="numpy")
    assert_close(start, path, expected, ROUNDING.get(name, (1, ""))[0] * TOLERANCE[dtype])


@pytest.mark.parametrize("library", ["of_torch", "of_cupy", "of_numba"])
@pytest.mark.parametrize("name", ["adam", "adafactor", "muon_with_adamw"])
def test_arrays_of_every_library_are_updated(name, library, request):
    library = request.getfixturevalue(library)
    start, sequence = problem()
    learner = trained(RULES[name], library, start, sequence)
    assert_as_oracle(RULES[name], library, learner, start, sequence)


# The oracle takes sums over the model anew for each tensor: hours for so many.
@pytest.mark.parametrize(
    ("rule", "backend"), [(RULES["lamb"], "numpy"), (clipped_adamw_ema, "cpu")]
)
def test_one_launch_updates_thousands_of_tensors(rule, backend, of_torch):
    shapes = [(1 + 37 * k % 211,) for k in range(TENSORS)]
    hypers = [{"lr": 0.1 / step} for step in (1, 2, 3)]
    start, _, path = run(OnGpu(rule, of_torch), "float32", shapes, hypers)
    _, _, expected = run(rule, "float32", shapes, hypers, backend=backend)
    assert_close(start, path, expected, TOLERANCE["float32"])


@pytest.mark.parametrize("name", ["adam", "lamb", "adafactor", "novograd"])
def test_arrays_need_not_be_aligned_to_16_bytes(name, torch):
    library = Behind(torch)
    start, sequence = problem()
    assert library.place(start[0]).data_ptr() % 16 == 4
    learner = trained(RULES[name], library, start, sequence)
    assert_as_oracle(RULES[name], library, learner, start, sequence)


def contents_of_large_learner(rule, torch, library, is_busy):
    """After some updates; the blocks of a busy GPU run in another order."""
    generator = torch.Generator(DEVICE).manual_seed(5)

    def draw():
        return [torch.randn(shape, generator=generator, device=DEVICE) for shape in LARGE_SHAPES]

    learner, sequence = rule(draw()), [draw() for _ in range(3)]
    work = torch.randn(BUSY, BUSY, generator=generator, device=DEVICE)
    own = torch.cuda.Stream() if is_busy else None
    torch.cuda.synchronize()
    for gradients in sequence:
        if is_busy:
            with torch.cuda.stream(torch.cuda.Stream()):
                for _ in range(5):
                    torch.mm(work, work)
        with torch.cuda.stream(own):
            learner.update(gradients)
    torch.cuda.synchronize()
    return contents(learner, library)


@pytest.mark.parametrize(
    "rule", [RULES["lamb"], RULES["adafactor"], clipped_adamw_ema], ids=name_of
)
def test_the_same_updates_give_the_same_bytes_whatever_else_runs(rule, torch, of_torch):
    first, again, beside = (
        contents_of_large_learner(rule, torch, of_torch, is_busy)
        for is_busy in (False, False, True)
    )
    assert again == first
    assert beside == first


@ld.rule
def uniform_weights(p, g):
    """Random numbers alone."""
    return ld.assign(p, ld.uniform())


def test_uniform_numbers_are_those_of_the_host(of_torch):
    start, sequence = problem()
    learner = trained(uniform_weights, of_torch, start, sequence, seed=2**40 + 7)
    expected = [p.copy() for p in start]
    oracle = uniform_weights(expected, backend="numpy", seed=2**40 + 7)
    for gradients in sequence:
        oracle.update(gradients)
    for found, wanted in zip(learner.parameters.values(), expected, strict=True):
        np.testing.assert_array_equal(of_torch.on_host(found), wanted)


def test_a_module_of_torch_is_trained(torch, of_torch):
    torch.manual_seed(0)
    layers = torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
    model = torch.nn.Sequential(*layers).to(DEVICE)
    inputs, wanted = torch.randn(64, 8, device=DEVICE), torch.randn(64, 1, device=DEVICE)
    params = dict(model.named_parameters())
    expected = {name: of_torch.on_host(p) for name, p in params.items()}
    learner = RULES["adamw"](params, lr=0.01)
    oracle = RULES["adamw"](expected, lr=0.01, backend="numpy")
    losses = []
    for _ in range(10):
        model.zero_grad()
        loss = ((model(inputs) - wanted) ** 2).mean()
        loss.backward()
        oracle.update({name: of_torch.on_host(p.grad) for name, p in params.items()})
        learner.update({name: p.grad for name, p in params.items()})
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    for name, p in params.items():
        assert p.requires_grad
        assert p.is_leaf
        np.testing.assert_allclose(of_torch.on_host(p), expected[name], rtol=1e-4, atol=1e-6)


def test_groups_have_hyperparameters_of_their_own(of_torch):
    start, sequence = problem()
    groups = {"groups": [{"params": [0], "lr": 0.0}, {"params": [2], "lr": 0.5}]}
    learner = trained(RULES["adam"], of_torch, start, sequence, **groups)
    np.testing.assert_array_equal(of_torch.on_host(learner.parameters[0]), start[0])
    assert_as_oracle(RULES["adam"], of_torch, learner, start, sequence, **groups)


@pytest.mark.parametrize("name", ["adam", "lamb", "momentum_sgd"])
def test_a_sparse_gradient_changes_its_rows_only(name, torch, of_torch):
    rng = np.random.default_rng(8)
    start = [rng.standard_normal((500, 33)).astype(np.float32), np.ones(40, np.float32)]
    params, expected = place_all(of_torch, start), [p.copy() for p in start]
    learner, oracle = RULES[name](params), RULES[name](expected, backend="numpy")
    touched = set()
    for _ in range(STEPS):
        rows = torch.tensor(rng.integers(0, 499, 60), device=DEVICE)
        values = torch.tensor(rng.standard_normal((60, 33)).astype(np.float32), device=DEVICE)
        sparse = torch.sparse_coo_tensor(rows[None], values, (500, 33)).coalesce()
        rows, values = sparse.indices()[0], sparse.values()
        bias = rng.standard_normal(40).astype(np.float32)
        learner.update([ld.RowSparse(rows, values, sparse.shape), of_torch.place(bias)])
        on_host = of_torch.on_host(rows), of_torch.on_host(values)
        oracle.update([ld.RowSparse(*on_host, (500, 33)), bias])
        touched |= set(on_host[0].tolist())
        found = [of_torch.on_host(p) for p in params]
        assert_close(start, [found], [expected], 1e-5)
    rest = [row for row in range(500) if row not in touched]
    assert rest
    np.testing.assert_array_equal(found[0][rest], start[0][rest])
    dense = [of_torch.place(p) for p in start]
    assert learner.update(dense)  # all rows again
    oracle.update(start)
    assert_close(start, [[of_torch.on_host(p) for p in params]], [expected], 1e-5)


RESUMED = (every_state, clipped_adamw_ema, *(RULES[n] for n in ("noisy_sgd", "adashift", "soap")))


@pytest.mark.parametrize("is_file", [False, True], ids=["state_dict", "file"])
@pytest.mark.parametrize("rule", RESUMED, ids=name_of)
def test_saved_and_resumed_run_is_bitwise_the_same(rule, is_file, of_torch, tmp_path):
    start, sequence = problem(((12, 12), (129,), (5, 4, 4)), steps=6)
    learner = trained(rule, of_torch, start, sequence[:3], minibatch_size=2)
    resumed = rule([p.clone() for p in learner.parameters.values()], seed=9)
    if is_file:
        learner.save(tmp_path / "state")
        resumed.load(tmp_path / "state")
    else:
        saved = learner.state_dict()
        arrays = [a for states in saved["state"].values() for a in states.values()]
        assert all(isinstance(array, np.ndarray) for array in arrays)
        resumed.load_state_dict(saved)
    assert contents(resumed, of_torch) == contents(learner, of_torch)
    for gradients in sequence[3:]:
        for one in (learner, resumed):
            one.update(place_all(of_torch, gradients), 2)
    assert contents(resumed, of_torch) == contents(learner, of_torch)


@pytest.mark.parametrize("rule", [every_state, RULES["adafactor"]], ids=name_of)
def test_a_run_begun_on_the_host_goes_on_on_the_gpu(rule, of_torch):
    start, sequence = problem()
    params = [p.copy() for p in start]
    begun = rule(params, backend="cpu")
    for gradients in sequence[:2]:
        begun.update(gradients)
    learner = rule(place_all(of_torch, params))
    learner.load_state_dict(begun.state_dict())
    for gradients in sequence[2:]:
        learner.update(place_all(of_torch, gradients))
    assert learner.step_count == STEPS
    assert_as_oracle(rule, of_torch, learner, start, sequence)


def test_states_are_memory_that_torch_sees(torch, of_torch):
    start, sequence = problem()
    learner = trained(RULES["adam"], of_torch, start, sequence)
    view = learner.state[0]["m"]
    tensor = torch.as_tensor(view, device=DEVICE)
    assert tensor.shape == start[0].shape
    np.testing.assert_array_equal(of_torch.on_host(tensor), view.copy_to_host())
    tensor.fill_(2)
    np.testing.assert_array_equal(learner.state[0]["m"].copy_to_host(), np.full_like(start[0], 2))


def test_parameters_to_evaluate_with_are_on_the_gpu(torch, of_torch):
    start, sequence = problem()
    rule = RULES["schedule_free_adamw"]
    learner = trained(rule, of_torch, start, sequence)
    oracle = rule([p.copy() for p in start], backend="numpy")
    for gradients in sequence:
        oracle.update(gradients)
    found, expected = learner.evaluation_parameters(), oracle.evaluation_parameters()
    for name, view in found.items():
        tensor = torch.as_tensor(view, device=DEVICE)
        np.testing.assert_allclose(of_torch.on_host(tensor), expected[name], rtol=1e-5, atol=1e-6)


BAD_GRADIENTS = {
    "in the memory of the host": lambda torch, p: torch.zeros(p.shape),
    "of NumPy": lambda torch, p: np.zeros(p.shape, np.float32),
    "missing": lambda torch, p: None,
    "not contiguous": lambda torch, p: torch.zeros(p.shape[::-1], device=DEVICE).T,
    "of another shape": lambda torch, p: torch.zeros(3, device=DEVICE),
    "of whole numbers": lambda torch, p: torch.zeros_like(p, dtype=torch.int32),
    "sparse": lambda torch, p: torch.zeros_like(p).to_sparse(),
    "the parameter itself": lambda torch, p: p,
}


@pytest.mark.parametrize("kind", BAD_GRADIENTS)
def test_a_gradient_that_cannot_be_used_changes_nothing(kind, torch, of_torch):
    start, sequence = problem(((129,), (30, 41)))
    learner = trained(every_state, of_torch, start, sequence[:2])
    before = contents(learner, of_torch)
    good = place_all(of_torch, sequence[2])
    with pytest.raises(ld.LearnerError):
        learner.update([good[0], BAD_GRADIENTS[kind](torch, learner.parameters[1])])
    assert contents(learner, of_torch) == before
    assert learner.update(good)
    assert_as_oracle(every_state, of_torch, learner, start, sequence[:3])


@pytest.mark.parametrize("dtype", ["int32", "complex64", "float8_e4m3fn"])
def test_a_parameter_of_another_number_type_is_refused(dtype, torch):
    with pytest.raises(ld.LearnerError, match=dtype):
        RULES["adam"]([torch.zeros(4, dtype=getattr(torch, dtype), device=DEVICE)])


BAD_PARAMETERS = {
    "transposed": lambda torch, square: [square.T],
    "with gaps": lambda torch, square: [square[:, 1:]],
    "overlapping": lambda torch, square: [square, square[1:]],
    "on the host beside one on the GPU": lambda torch, square: [square, torch.zeros(3)],
    "of two number types": lambda torch, square: [square, square.double()],
}


@pytest.mark.parametrize("kind", BAD_PARAMETERS)
def test_parameters_that_cannot_be_updated_in_place_are_refused(kind, torch):
    params = BAD_PARAMETERS[kind](torch, torch.zeros(6, 4, device=DEVICE))
    with pytest.raises(ld.LearnerError):
        RULES["adam"](params)
