import ml_dtypes
import numpy as np
import pytest
from numba import njit
from support.rounding_by_hand import companded, expanded, nearest, neighbours
from support.tiers import slow

from learnerdsl.interpret import codecs
from learnerdsl.kernels import cpu_memory as kernels
from learnerdsl.kernels.slots import SEED, STEP, TENSOR_NUMBER
from learnerdsl.storage import BLOCK, STORAGES, Precision, noise_multiplier

torch = pytest.importorskip("torch", reason="torch judges float16")

ALL_BITS = np.arange(2**16, dtype=np.uint16)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NUMPY = {"bfloat16": BFLOAT16, "float16": np.dtype(np.float16)}
DROPPED = {"bfloat16": 16, "float16": 13}


def random_floats(count=4_000_000, seed=0):
    """Numbers of random bits, so NaN, infinities, subnormals and all exponents alike."""
    bits = np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)
    return bits.view(np.float32)


def edges():
    """Numbers on and beside every number of both types, and on the middles between them."""
    found = []
    for dtype, bits in ((BFLOAT16, 8), (np.dtype(np.float16), 11)):
        own = ALL_BITS.view(dtype).astype(np.float32)
        own = own[np.isfinite(own)]
        _, exponent = np.frexp(own)
        middles = own + np.ldexp(np.float32(0.5), exponent - bits)
        for values in (own, middles):
            found += [values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf)]
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.996, 65520, 3.3961e38, 3.4028e38]
    return np.concatenate([*found, np.array(special, np.float32)]).astype(np.float32)


def few(count=3000):
    """Some edges and random numbers that are not NaN."""
    rng = np.random.default_rng(4)
    values = np.concatenate([random_floats(count, 5), rng.choice(edges(), count)])
    small = rng.standard_normal(count).astype(np.float32) * np.float32(2.0**-15)
    values = np.concatenate([values, small])
    return values[~np.isnan(values)]


@njit
def each(function, out, x):
    for i in range(len(x)):
        out[i] = function(x[i])


@njit
def each_by(function, out, x, y):
    for i in range(len(x)):
        out[i] = function(x[i], y[i])


@njit
def each_of_three(function, out, x, y, z):
    for i in range(len(x)):
        out[i] = function(x[i], y[i], z[i])


LOOPS = {1: each, 2: each_by, 3: each_of_three}


def kernel(name, dtype, *arrays):
    """What the function of kernels gives for each element."""
    out = np.empty(arrays[0].shape, dtype)
    LOOPS[len(arrays)](getattr(kernels, name), out, *arrays)
    return out


def assert_same_bits(one, other):
    assert one.dtype == other.dtype
    kind = f"u{one.dtype.itemsize}"
    np.testing.assert_array_equal(one.view(kind), other.view(kind))


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_every_number_is_decoded_as_numpy_and_torch_do(name):
    stored = ALL_BITS.view(NUMPY[name])
    own = kernel(f"from_{name}", np.float32, ALL_BITS)
    by_torch = torch.from_numpy(ALL_BITS.view(np.int16)).view(getattr(torch, name)).float().numpy()
    is_number = ~np.isnan(own)
    for other in (stored.astype(np.float32), codecs.decode(STORAGES[name], stored), by_torch):
        assert_same_bits(own[is_number], other[is_number])
        assert np.isnan(other[~is_number]).all()
        np.testing.assert_array_equal(np.signbit(own), np.signbit(other))


@pytest.mark.parametrize("numbers", [edges, random_floats])
def test_bfloat16_has_the_bits_of_ml_dtypes(numbers):
    x = numbers()
    own = kernel("to_bfloat16", np.uint16, x)
    with np.errstate(all="ignore"):
        assert_same_bits(own, x.astype(BFLOAT16).view(np.uint16))
    # NaN has no payload there, and no sign in torch.
    is_number = ~np.isnan(x)
    by_torch = torch.from_numpy(x).bfloat16().view(torch.int16).numpy().view(np.uint16)
    assert_same_bits(own[is_number], by_torch[is_number])
    assert np.isnan(kernel("from_bfloat16", np.float32, own)[~is_number]).all()


@pytest.mark.parametrize("numbers", [edges, random_floats])
def test_float16_has_the_bits_of_torch(numbers):
    x = numbers()
    own = kernel("to_float16", np.uint16, x)
    assert_same_bits(own, torch.from_numpy(x).half().view(torch.int16).numpy().view(np.uint16))
    is_number = ~np.isnan(x)
    with np.errstate(all="ignore"):
        by_numpy = x.astype(np.float16).view(np.uint16)
    assert_same_bits(own[is_number], by_numpy[is_number])
    assert np.isnan(by_numpy[~is_number].view(np.float16)).all()


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_numbers_are_rounded_as_by_hand(name):
    x = few()
    by_hand = np.array([nearest(name, float(v)) for v in x], np.uint16)
    np.testing.assert_array_equal(kernel(f"to_{name}", np.uint16, x), by_hand)
    stored, scales = codecs.encode(STORAGES[name], x)
    assert scales is None
    np.testing.assert_array_equal(stored.view(np.uint16), by_hand)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_chance_picks_one_of_the_two_neighbours_and_is_right_on_average(name):
    x = few(60)
    noises = np.arange(2**16, dtype=np.uint32)
    for value in x[np.isfinite(x)]:
        own = kernel(f"to_{name}_by", np.uint16, np.full(2**16, value, np.float32), noises)
        below, share = neighbours(name, float(value))
        share = min(share, 1)  # beyond the largest number there is only infinity
        sign = 0x8000 if np.signbit(value) else 0
        assert set(own.tolist()) <= {sign + below, sign + below + (share > 0)}
        ups = int(np.sum(own == sign + below + 1))
        # All dropped bits take part, except for subnormal numbers of float16, which drop more.
        is_exact = (share * 2**16).denominator == 1
        assert (ups == share * 2**16) if is_exact else abs(ups - share * 2**16) < 1


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_chance_keeps_what_is_a_number_of_the_type_and_what_is_none(name):
    rng = np.random.default_rng(6)
    noise = rng.integers(0, 2**16, 2**16, dtype=np.uint32)
    own = kernel(f"to_{name}_by", np.uint16, ALL_BITS.view(NUMPY[name]).astype(np.float32), noise)
    is_number = ~np.isnan(ALL_BITS.view(NUMPY[name]).astype(np.float32))
    np.testing.assert_array_equal(own[is_number], ALL_BITS[is_number])
    assert np.isnan(own[~is_number].view(NUMPY[name]).astype(np.float32)).all()
    largest = random_floats(2**16, 7)
    largest = largest[np.isnan(largest) | np.isinf(largest)]
    stored = kernel(f"to_{name}_by", np.uint16, largest, noise[: len(largest)])
    np.testing.assert_array_equal(stored, kernel(f"to_{name}", np.uint16, largest))


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_chance_of_kernels_is_that_of_the_oracle(name):
    x = np.concatenate([random_floats(400_000, 8), edges(), few()])
    noise = np.random.default_rng(9).integers(0, 2**16, len(x), dtype=np.uint32)
    own = kernel(f"to_{name}_by", np.uint16, x, noise)
    stored, _ = codecs.encode(STORAGES[name], x, noise.astype(np.uint64))
    is_number = ~np.isnan(x)
    np.testing.assert_array_equal(own[is_number], stored.view(np.uint16)[is_number])
    assert np.isnan(stored.astype(np.float32)[~is_number]).all()


def coded(name, x, scale, noise=None):
    """Codes by kernels of numbers, given the scale of all or of each."""
    factors = kernel(f"factor_to_{name}", np.float32, np.broadcast_to(np.float32(scale), x.shape))
    if noise is None:
        return kernel(f"to_{name}", name, x, factors)
    return kernel(f"to_{name}_by", name, x, factors, noise)


def decoded(name, codes, scale):
    scales = np.broadcast_to(np.float32(scale), codes.shape)
    return kernel(f"from_{name}", np.float32, codes, kernel(f"factor_from_{name}", "f4", scales))


def numbers_of_a_block(name, scale, count=20_000):
    rng = np.random.default_rng(10)
    top = scale if name == "int8" else scale**2
    shares = np.concatenate([rng.uniform(0, 1, count), rng.uniform(0, 1, count) ** 8, [0, 1]])
    signs = rng.choice((-1, 1), shares.size) if name == "int8" else 1
    return (signs * shares * top).astype(np.float32)


def code_of(value, scale, signed):
    """The code of a value before rounding; unsigned ones of positive numbers are at least 1."""
    exact = float(companded(value, scale, signed))
    return exact if signed else max(exact**0.5, 1.0 if value > 0 else 0.0)


SCALES = (1.0, 3.7, 1e-3, 1e-12, 2.0**15, 1e15)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_codes_of_8_bits_are_the_nearest_by_hand(name, scale):
    scale = float(np.float32(scale))
    x = numbers_of_a_block(name, scale, 1000)
    codes, signed = coded(name, x, scale), name == "int8"
    for value, code in zip(x.tolist(), codes.tolist(), strict=True):
        assert abs(code_of(value, scale, signed) - code) <= 0.5 + 1e-4
    for code, value in zip(codes.tolist(), decoded(name, codes, scale).tolist(), strict=True):
        exact = float(expanded(code, scale, signed))
        assert abs(value - exact) <= 4e-7 * abs(exact)


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_codes_of_8_bits_are_monotone_and_keep_0_and_the_largest(name):
    x = np.sort(numbers_of_a_block(name, 3.0))
    codes = coded(name, x, 3.0)
    assert (np.diff(codes.astype(int)) >= 0).all()
    everything = np.arange(-127 if name == "int8" else 0, 128 if name == "int8" else 256)
    assert set(codes.tolist()) == set(everything.tolist())
    values = decoded(name, everything.astype(name), 3.0)
    assert (np.diff(values) > 0).all()
    np.testing.assert_array_equal(coded(name, values, 3.0), everything)
    assert values[everything == 0] == 0.0
    assert values[-1] == (3.0 if name == "int8" else 9.0)


@pytest.mark.parametrize("noise", [None, 0, 2**16 - 1])
def test_positive_numbers_stay_positive_without_a_sign(noise):
    x = np.geomspace(1e-37, 1, 100).astype(np.float32)
    noises = None if noise is None else np.full(x.size, noise, np.uint32)
    by_noise = () if noise is None else (noises,)
    assert (decoded("uint8", coded("uint8", x, 1.0, *by_noise), 1.0) > 0).all()
    codes, scales = codecs.encode(STORAGES["uint8"], x, noises)
    assert (codecs.decode(STORAGES["uint8"], codes, scales) > 0).all()


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_8_bits_lose_no_more_than_half_a_step(name):
    x = numbers_of_a_block(name, 1.0)
    error = np.abs(decoded(name, coded(name, x, 1.0), 1.0).astype(np.float64) - x)
    # The slope of the expanding function, at most half a code away.
    slope = (1 + np.abs(x)) ** 2 / 254 if name == "int8" else 2 * np.sqrt(x) / 255
    extra = 4 / 254**2 if name == "int8" else 1.0001 / 255**2
    assert (error <= slope / 2 + extra).all()
    assert error.max() < 0.0081 if name == "int8" else 0.004


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700])
@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_the_oracle_has_the_codes_of_kernels(name, size):
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    x = np.abs(x) if name == "uint8" else x
    x *= np.repeat(np.float32([1e-20, 3.0, 1e10]), BLOCK)[:size]
    noise = np.random.default_rng(1).integers(0, 2**16, size, dtype=np.uint32)
    stored, scales = codecs.encode(STORAGES[name], x)
    by_chance, same = codecs.encode(STORAGES[name], x, noise.astype(np.uint64))
    np.testing.assert_array_equal(scales, same)
    assert scales.shape == (codecs.blocks_of((size,)),)
    of_each = np.repeat(scales, BLOCK)[:size]
    for block, scale in enumerate(scales):
        largest = np.abs(x[block * BLOCK : (block + 1) * BLOCK]).max()
        assert scale == (largest if name == "int8" else np.sqrt(largest))
    for oracle, own in (
        (stored, coded(name, x, of_each)),
        (by_chance, coded(name, x, of_each, noise)),
    ):
        steps = np.abs(oracle.astype(int) - own.astype(int))
        assert steps.max() <= 1
        assert (steps > 0).sum() <= 1
    values = decoded(name, stored, of_each)
    decoded_by_numpy = codecs.decode(STORAGES[name], stored, scales)
    np.testing.assert_allclose(values, decoded_by_numpy, rtol=3e-7)


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_blocks_that_are_hard_to_scale(name):
    tiny = np.float32(1e-45)
    blocks = {
        "zeros": [0.0, 0.0, -0.0],
        "subnormal": [tiny, 0.0, tiny],
        "smallest": [2.0**-126, 2.0**-127, 0.0],
        "largest": [np.finfo(np.float32).max, 1.0, 0.0],
        "infinite": [np.inf, 1.0, 0.0],
        "not a number": [np.nan, 1.0, 0.0],
    }
    results = {}
    for what, numbers in blocks.items():
        x = np.array(numbers, np.float32)
        codes, scales = codecs.encode(STORAGES[name], x)
        own = coded(name, x, scales[0])
        assert np.abs(own.astype(int) - codes.astype(int)).max() <= 1
        results[what] = decoded(name, own, scales[0])
        np.testing.assert_allclose(
            results[what], codecs.decode(STORAGES[name], codes, scales), rtol=3e-7
        )
    np.testing.assert_array_equal(results["zeros"], 0.0)
    np.testing.assert_allclose(results["subnormal"], [tiny, 0.0, tiny], atol=tiny)
    np.testing.assert_allclose(results["smallest"], blocks["smallest"], rtol=0.01)
    np.testing.assert_allclose(results["largest"][[0, 2]], [blocks["largest"][0], 0.0], rtol=1e-6)
    # What is infinite or not a number takes its block with it; nothing becomes a wrong number.
    assert not np.isfinite(results["infinite"]).any()
    assert np.isnan(results["not a number"]).all()


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_chance_picks_one_of_two_codes_and_is_right_on_average(name):
    noises = np.arange(2**16, dtype=np.uint32)
    for value in numbers_of_a_block(name, 1.0, 30):
        own = coded(name, np.full(2**16, value, np.float32), 1.0, noises).astype(int)
        exact = code_of(float(value), 1.0, name == "int8")
        assert own.max() - own.min() <= 1
        assert own.min() <= exact + 1e-4
        assert own.max() >= exact - 1e-4
        assert abs(own.mean() - exact) < 5e-5


def test_the_largest_of_bits_is_the_largest_magnitude():
    tops = np.zeros(6, np.int32)
    x = np.array([0.0, -0.0, 1e-45, -3.0, np.inf, np.nan], np.float32)
    own = kernel("larger_bits", np.int32, tops, x)
    np.testing.assert_array_equal(own, np.abs(x).view(np.int32))
    assert (np.diff(own) >= 0).all()


@njit
def count_lost_bits(first, last, upper, rest, join, lost_bits):
    """How many numbers two arrays do not give back."""
    count = 0
    half = np.uint32(1) << np.uint32(lost_bits) >> np.uint32(1)
    for bits in range(first, last):
        word = np.uint32(bits)
        x = kernels.float_of(word)
        back = join(upper(x), rest(x))
        kept = np.uint32(np.uint32(word + half) >> np.uint32(lost_bits)) << np.uint32(lost_bits)
        wanted = kernels.float_of(np.uint32(kept))
        count += back == back if x != x else back != wanted
    return count


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, 2**18),
        *((int(bits) - 2**18, int(bits) + 2**18) for bits in (0x7F800000, 0x3F800000, 0xBF800000)),
        (2**32 - 2**18, 2**32),
        slow(0, 2**32),
    ],
)
@pytest.mark.parametrize("master", ["split16", "split8"])
def test_two_arrays_hold_every_number(master, first, last):
    parts = [f"{master}_upper", f"{master}_rest", f"from_{master}"]
    functions = [getattr(kernels, part) for part in parts]
    assert count_lost_bits(first, last, *functions, 0 if master == "split16" else 8) == 0


@pytest.mark.parametrize("master", ["split16", "split8", "kahan", "float32"])
@pytest.mark.parametrize("numbers", [edges, random_floats])
def test_the_oracle_keeps_weights_as_kernels_do(master, numbers):
    x = numbers()
    precision = Precision("bfloat16", "bfloat16", (), master)
    with np.errstate(all="ignore"):
        stored, rest = codecs.encode_parameter(precision, x)
        values = codecs.decode_parameter(precision, stored, rest)
    if master.startswith("split"):
        own = kernel(f"{master}_upper", np.uint16, x), kernel(f"{master}_rest", rest.dtype, x)
        assert_same_bits(own[0], stored.view(np.uint16))
        np.testing.assert_array_equal(own[1], rest)
        joined = kernel(f"from_{master}", np.float32, *own)
        assert_same_bits(joined, values)
        assert_same_bits(own[0][~np.isnan(x)] >> 15, (np.signbit(x)[~np.isnan(x)]).astype("u2"))
    if master == "split16" or master == "float32":
        np.testing.assert_array_equal(values, x)
    if master == "kahan":
        own = kernel("to_bfloat16", np.uint16, x)
        assert_same_bits(own, stored.view(np.uint16))
        lost = kernel("kahan_rest", np.float32, x, stored.astype(np.float32))
        assert_same_bits(kernel("to_bfloat16", np.uint16, lost), rest.view(np.uint16))
    # The weight is at least as near as the parameter alone.
    finite = np.isfinite(x) & np.isfinite(stored.astype(np.float32))
    wide = x[finite].astype(np.float64)
    error = np.abs(values[finite].astype(np.float64) - wide)
    alone = np.abs(stored[finite].astype(np.float64) - wide)
    assert (error <= alone).all()
    np.testing.assert_array_equal(np.isnan(values), np.isnan(x))


@njit
def noise_of_kernels(model, tensor, first, count, multiplier, out):
    key = kernels.rounding_key(model, tensor)
    for i in range(count):
        out[i] = kernels.noise_bits(kernels.noise_at(key, first + i), multiplier)


def kernel_noise(seed, step, number, first, count, multiplier=1):
    model, tensor = np.zeros(max(SEED, STEP) + 1), np.zeros(TENSOR_NUMBER + 1)
    model[SEED], model[STEP], tensor[TENSOR_NUMBER] = seed, step, number
    out = np.empty(count, np.uint32)
    noise_of_kernels(model, tensor, first, count, multiplier, out)
    return out


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 5, 2**53 - 1])
@pytest.mark.parametrize(("step", "number", "first"), [(1, 0, 0), (2**33, 7, 2**31 - 3), (3, 9, 5)])
def test_noise_of_kernels_is_that_of_the_oracle(seed, step, number, first):
    positions = np.arange(first, first + 50)
    noise = codecs.rounding_noise(seed, step, number, positions)
    for array in range(12):
        multiplier = noise_multiplier(array)
        own = kernel_noise(seed, step, number, first, 50, multiplier)
        np.testing.assert_array_equal(own, codecs.noise_of(noise, multiplier))


def test_noise_is_even_and_independent_between_elements_arrays_tensors_steps_and_seeds():
    count = 2**20
    base = {"seed": 3, "step": 5, "number": 2, "first": 0, "count": count}
    draws = [kernel_noise(**base, multiplier=noise_multiplier(k)) for k in range(6)]
    draws.append(draws[0][::-1])
    draws.append(np.roll(draws[0], 1))
    changes = ({"step": 6}, {"seed": 4}, {"number": 3}, {"first": 2**20})
    draws += [kernel_noise(**{**base, **change}) for change in changes]
    for draw in draws:
        counts = np.bincount(draw >> 8, minlength=256)
        assert np.sum((counts - count / 256) ** 2 / (count / 256)) < 255 + 6 * np.sqrt(2 * 255)
    correlation = np.corrcoef(np.array(draws, np.float64)) - np.eye(len(draws))
    assert np.abs(correlation).max() < 6 / np.sqrt(count)
    with pytest.raises(AssertionError):  # the judge sees what is not independent
        assert np.abs(np.corrcoef(draws[0], draws[0] // 2)[0, 1]) < 0.01
