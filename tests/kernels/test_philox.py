"""Random numbers: the same for every backend and thread count, another one for each use."""

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.interpret import philox


@ld.rule
def noise(p, g, scale=1.0):
    return ld.assign(p, scale * ld.normal() + 0 * g)


@ld.rule
def shares(p, g, scale=1.0):
    first, second = ld.uniform(), ld.uniform()
    kept = ld.state("kept")
    kept_new = ld.assign(kept, second)
    return ld.combine([kept_new, ld.assign(p, scale * first + 0 * kept_new * ld.norm(first))])


def drawn(rule, shapes=((50_000,), (3, 2)), dtype="float64", steps=1, **arguments):
    params = [np.zeros(s, dtype) for s in shapes]
    learner = rule(params, **arguments)
    for _ in range(steps):
        learner.update([np.zeros(s, dtype) for s in shapes])
    return params, learner


def test_philox_gives_the_published_words():
    # Known answers of the authors' Random123 library: key and counter all zero, and all ones.
    zero = philox(np.zeros(1, np.uint64), 0, 0, 0, 0)
    assert [int(w[0]) for w in zero] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = philox(np.full(1, 2**64 - 1, np.uint64), 0, 2**64 - 1, 2**32 - 1, 2**32 - 1)
    assert [int(w[0]) for w in ones] == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [noise, shares], ids=lambda r: r.name)
def test_compiled_numbers_are_those_of_the_oracle(rule, dtype):
    compiled, _ = drawn(rule, dtype=dtype, steps=2, seed=2**40 + 5)
    oracle, _ = drawn(rule, dtype=dtype, steps=2, seed=2**40 + 5, backend="numpy")
    for a, b in zip(compiled, oracle, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-15)


def test_numbers_do_not_depend_on_threads():
    ends = []
    for is_parallel in (False, True):
        params = [np.zeros(100_000, np.float32)]
        learner = noise(params)
        learner._engine.use_threads(is_parallel)
        learner.update([np.zeros(100_000, np.float32)])
        ends.append(params[0])
    np.testing.assert_array_equal(*ends)


def test_normal_numbers_have_the_moments_of_the_normal_distribution():
    values = drawn(noise, shapes=((400_000,),))[0][0]
    n = values.size
    assert abs(values.mean()) < 5 / np.sqrt(n)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs(np.mean(np.abs(values) < 1) - 0.6826895) < 5 * np.sqrt(0.2166 / n)


def test_uniform_numbers_fill_the_interval_without_one():
    values = drawn(shares, shapes=((400_000,),), dtype="float32")[0][0]
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, bins=50, range=(0, 1))[0]
    assert np.sum((counts - 8000) ** 2 / 8000) < 95  # chi squared with 49 degrees: 1 in 10,000


def test_steps_tensors_calls_and_seeds_give_different_numbers():
    both, learner = drawn(shares, shapes=((1000,), (1000,)))
    streams = [both[0], both[1], learner.state[0]["kept"]]
    streams.append(drawn(shares, shapes=((1000,),), steps=2)[0][0])
    streams.append(drawn(shares, shapes=((1000,),), seed=1)[0][0])
    for i, a in enumerate(streams):
        for b in streams[:i]:
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.2


def test_resumed_learner_draws_what_it_would_have_drawn(tmp_path):
    straight, _ = drawn(noise, steps=4, seed=9)
    _, learner = drawn(noise, steps=3, seed=9)
    learner.save(tmp_path / "noise.safetensors")
    params = [np.zeros(50_000), np.zeros((3, 2))]
    again = noise(params, seed=1)
    again.load(tmp_path / "noise.safetensors")
    again.update([np.zeros(50_000), np.zeros((3, 2))])
    np.testing.assert_array_equal(params[0], straight[0])


def test_rows_draw_what_they_would_draw_in_a_dense_update():
    dense = drawn(noise, shapes=((6, 4),))[0][0]
    for backend in ("cpu", "numpy"):
        table = np.zeros((6, 4))
        learner = noise([table], backend=backend)
        learner.update([ld.RowSparse(np.array([1, 4]), np.zeros((2, 4)), (6, 4))])
        np.testing.assert_allclose(table[[1, 4]], dense[[1, 4]], rtol=1e-12)
        assert not table[[0, 2, 3, 5]].any()


@pytest.mark.parametrize("seed", [-1, 2**53, 0.5, "a", True])
def test_bad_seed_is_refused(seed):
    with pytest.raises(ld.HyperparameterError, match="seed must be"):
        noise([np.zeros(3)], seed=seed)
