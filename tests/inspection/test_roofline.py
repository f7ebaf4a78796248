"""Bytes, operations and predicted times of updates."""

import json

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.inspection import machine
from learnerdsl.inspection.machine import Machine
from learnerdsl.kernels import places
from learnerdsl.learners import adam, lamb, muon, sgd

N = 1000


@ld.rule
def rotated(p, g, lr=0.1):
    """A rule with every function of matrices."""
    gram = ld.let("gram", ld.matmul(g, ld.transpose(g)))
    turned = ld.let("turned", ld.matmul(ld.inverse_root(gram, 4), g))
    basis = ld.let("basis", ld.matmul(ld.transpose(ld.eigenvectors(gram)), turned))
    return ld.assign(p, p - lr * ld.matmul(ld.orthonormal(gram), basis))


def test_bytes_and_times_follow_from_a_bandwidth():
    own = adam.roofline((N, 10), bandwidth=1e9)
    # p, g, m and v are read; p, m and v are written.
    assert own.bytes == 7 * 4 * 10 * N
    assert own.predicted == own.bytes / 1e9
    assert own.memory == 4 * 4 * 10 * N
    assert own.intensity == own.flops / own.bytes
    assert (own.machine, own.in_cache, own.launch, own.measured) == (None, None, 0.0, None)
    assert "at 1 GB/s, as given" in str(own)


def test_operations_of_sweeps_are_those_of_the_cost():
    for rule in (adam, lamb, sgd):
        each = sum(rule.cost().operations_per_element.values())
        assert rule.roofline((N,), bandwidth=1e9).flops == N * each
    assert len(lamb.roofline((N,), bandwidth=1e9).parts) == len(lamb.plan().passes)


def test_operations_of_matrices_follow_the_usual_formulas():
    n, m = 24, 40
    own = rotated.roofline((n, m), bandwidth=1e9)
    matrices = sum(part.flops for part in own.parts if part.name.startswith("matrices"))
    products = 2 * n * m * n + 3 * (2 * n * n * m) + 2 * n**3
    decompositions = 9 * n**3 + 9 * n**3 + round(4 * (n**3 - n**3 / 3))
    assert matrices == products + decompositions
    # Five iterations of Newton and Schulz: two products with the smaller side, one of the gram.
    found = muon.roofline((n, m), bandwidth=1e9).parts
    flops = next(part.flops for part in found if part.name.startswith("matrices"))
    assert flops >= 5 * (4 * n * n * m + 2 * n**3)
    assert flops < 1.3 * 5 * (4 * n * n * m + 2 * n**3)


def test_batches_of_matrices_count_as_many_times():
    one, three = (rotated.roofline(s, bandwidth=1e9).flops for s in ((8, 8), (3, 8, 8)))
    assert three == 3 * one


def test_tensors_add_up():
    both = adam.roofline([(3, 4), (5,)], bandwidth=1e9)
    apart = [adam.roofline(shape, bandwidth=1e9) for shape in ((3, 4), (5,))]
    assert both.bytes == sum(own.bytes for own in apart)
    assert both.flops == sum(own.flops for own in apart)
    assert "2 tensors, 17 elements" in str(both)


def test_shapes_may_be_a_tree_or_arrays():
    flat = adam.roofline([(3, 4), (5,), (), (2, 2)], bandwidth=1e9)
    tree = {"body": {"w": (3, 4), "b": [5]}, "rest": [(), np.ones((2, 2))]}
    assert str(adam.roofline(tree, bandwidth=1e9)) == str(flat)
    assert str(adam.roofline(np.ones((3, 4)), bandwidth=1e9)) == str(
        adam.roofline((3, 4), bandwidth=1e9)
    )
    with pytest.raises(ld.LearnerError, match=r"got \{\}; write"):
        adam.roofline({}, bandwidth=1e9)
    with pytest.raises(ld.RuleError, match="A shape must be a tuple"):
        adam.roofline({"w": "wide"}, bandwidth=1e9)


def test_a_part_without_bytes_has_no_ratio():
    (line,) = [own for own in str(muon.roofline((8, 4), 1e9)).splitlines() if "matrices" in own]
    assert line.split()[-3] == "-"


def test_a_learner_shows_its_own_number_types_and_stays_as_it_is():
    params = [np.ones((8, 9), np.float32), np.ones(5)]
    learner = adam(params)
    own = learner.roofline(bandwidth=1e9, measure=True)
    assert own.bytes == 28 * 72 + 56 * 5
    assert own.measured > 0
    assert learner.step_count == 0
    assert (params[0] == 1).all()
    assert "times the prediction" in str(own)


FAST = Machine(
    "a processor", 2, "2026-01-01 00:00", 1e-6, ((1 << 16, 9e10), (1 << 27, 1e10)), 1e11, 1e9
)


@pytest.fixture
def fast(monkeypatch):
    """A machine with known numbers."""
    monkeypatch.setattr("learnerdsl.inspection.rooflines.this_machine", lambda make: FAST)
    return FAST


def test_small_arrays_are_predicted_at_the_bandwidth_of_caches(fast):
    small, large = adam.roofline((N,)), adam.roofline((10_000_000,))
    assert small.in_cache
    assert not large.in_cache
    assert small.bandwidth == 9e10
    assert large.bandwidth == fast.bandwidth == 1e10
    assert small.predicted == pytest.approx(1e-6 + 28 * N / 9e10)
    assert "of caches, which hold the arrays: a processor, 2 threads" in str(small)
    assert "of memory" in str(large)


def test_functions_of_matrices_take_time_by_their_operations(fast):
    n = 64
    (part,) = [p for p in rotated.roofline((n, n)).parts if p.name.startswith("matrices")]
    products, decompositions = 10 * n**3, 18 * n**3 + round(4 * (n**3 - n**3 / 3))
    assert part.seconds == pytest.approx(products / 1e11 + decompositions / 1e9)


def test_the_machine_is_measured_once_and_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine, "SIZES", (1 << 10, 1 << 12))
    measured = machine.this_machine(ld.Learner)
    (file,) = tmp_path.glob("machine-*.json")
    kept = json.loads(file.read_text().partition("\n")[2])
    assert kept["date"] == measured.date
    assert measured.threads == ld.get_num_threads()
    assert [size for size, _ in measured.bandwidths] == [16 << 10, 16 << 12]
    assert all(rate > 1e6 for _, rate in measured.bandwidths)
    assert min(measured.products, measured.decompositions) > 1e6
    assert machine.this_machine(lambda *given: pytest.fail("measured again")) == measured
    file.write_bytes(file.read_bytes()[:-5])  # a damaged file is measured again
    assert machine.this_machine(ld.Learner).bandwidths != ()
    assert places.directory() == tmp_path


@pytest.mark.parametrize("bandwidth", [0, -1.0, float("nan"), float("inf"), "fast"])
def test_a_bandwidth_is_a_positive_number(bandwidth):
    with pytest.raises(ld.HyperparameterError, match="A bandwidth is a positive number"):
        adam.roofline((3,), bandwidth=bandwidth)


def test_shapes_that_cannot_be_are_refused():
    with pytest.raises(ld.LearnerError, match=r"got \[\]; write \(10,\)"):
        adam.roofline([], bandwidth=1e9)
    with pytest.raises(ld.RuleError, match="A shape must be a tuple"):
        adam.roofline(3, bandwidth=1e9)
