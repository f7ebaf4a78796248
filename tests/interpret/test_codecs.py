"""What the oracle's encodings do to whole arrays; single numbers are tested beside the kernels."""

import numpy as np
import pytest
from support.precisions import BFLOAT16

import learnerdsl as ld
from learnerdsl.interpret import codecs
from learnerdsl.interpret.pieces import (
    decode_states,
    decode_tensor_parameter,
    empty_pieces,
    encode_new_parameter,
    encode_states,
)
from learnerdsl.storage import BLOCK, MASTERS, STORAGES, Precision, noise_multiplier

SHAPES = ((), (0,), (3, 0), (1,), (255,), (256,), (257,), (20, 30), (2, 3, 70))


@ld.rule
def every_shape(p, g, lr=0.1):
    m = ld.state("m")
    past = ld.state("past", ring=3)
    t = ld.state("t", shape="tensor")
    d = ld.state("d", shape="model")
    lines = [ld.assign(m, m + g), ld.assign(past, g), ld.assign(t, ld.norm(g))]
    return ld.combine([*lines, ld.assign(d, ld.norm(g, over="model")), ld.assign(p, p - lr * g)])


RULE = every_shape.trace()
NAMES = ("m", "past_1", "past_2", "past_3")


def normal(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", STORAGES)
def test_arrays_keep_their_shape(name, shape):
    storage = STORAGES[name]
    values = np.abs(normal(shape)).astype(storage.arithmetic)
    stored, scales = codecs.encode(storage, values)
    assert stored.dtype == storage.numpy
    back = codecs.decode(storage, stored, scales)
    assert stored.shape == back.shape == shape
    assert back.dtype == storage.arithmetic
    assert (scales is not None) == bool(storage.block)
    if scales is not None:
        assert scales.shape == (codecs.blocks_of(shape),)
        assert codecs.blocks_of(shape) == -(-values.size // BLOCK)
    tolerance = {1: 0.016, 2: 0.004}.get(storage.itemsize, 0)
    largest = np.max(values, initial=0)
    np.testing.assert_allclose(back, values, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("name", STORAGES)
def test_what_was_decoded_is_encoded_as_before(name):
    storage = STORAGES[name]
    values = np.abs(normal(700)).astype(storage.arithmetic)
    once = codecs.encode(storage, values)
    decoded = codecs.decode(storage, *once)
    for _ in range(3):
        stored, scales = codecs.encode(storage, decoded)
        np.testing.assert_array_equal(stored, once[0])
        decoded = codecs.decode(storage, stored, scales)


@pytest.mark.parametrize("parameter", ["bfloat16", "float16"])
@pytest.mark.parametrize("master", ["", *MASTERS])
@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_keep_their_shape(shape, master, parameter):
    if master and parameter not in MASTERS[master].parameters:
        return
    precision = Precision(parameter, parameter, (), master)
    values = normal(shape)
    stored, piece = encode_new_parameter(precision, values)
    assert stored.dtype == STORAGES[parameter].numpy
    assert stored.shape == shape
    empty = empty_pieces(RULE, precision, stored)
    assert {n: (a.dtype, a.shape) for n, a in piece.items()} == {
        n: (a.dtype, a.shape) for n, a in empty.items() if n == "parameter.rest"
    }
    back = decode_tensor_parameter(precision, stored, piece)
    assert back.dtype == np.float32
    assert back.shape == shape
    tolerance = 0 if master in ("float32", "split16") else 2.0**-16 if master else 2.0**-8
    np.testing.assert_allclose(back, values, rtol=tolerance)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int8"])
def test_states_are_encoded_into_the_pieces_that_are_allocated(kind):
    precision = Precision(states=tuple((n, kind) for n in NAMES if kind != "float32"))
    shape = (20, 30)
    values = {name: normal(shape, k) for k, name in enumerate(NAMES)} | {"t": np.float64(3.5)}
    pieces = encode_states(RULE, precision, values)
    empty = empty_pieces(RULE, precision, np.zeros(shape, np.float32))
    described = [
        {n: (np.asarray(a).dtype, np.shape(a)) for n, a in one.items()} for one in (pieces, empty)
    ]
    assert described[0] == described[1]
    assert "d" not in pieces
    for name, decoded in decode_states(RULE, precision, pieces).items():
        tolerance = {"float32": 0, "bfloat16": 0.004, "int8": 0.016}[kind]
        np.testing.assert_allclose(decoded, values[name], atol=4 * tolerance)


@pytest.mark.parametrize("kind", ["bfloat16", "int8"])
def test_values_of_a_ring_move_without_being_encoded_again(kind):
    precision = Precision(states=tuple((n, kind) for n in NAMES), rounding="stochastic")
    noise = codecs.rounding_noise(1, 2, 3, np.arange(600)).reshape(20, 30)
    values = {name: normal((20, 30), k) for k, name in enumerate(NAMES)} | {"t": 0.0}
    old = encode_states(RULE, precision, values)
    decoded = decode_states(RULE, precision, old)
    moved = decoded | {"past_2": decoded["past_1"], "past_3": decoded["past_2"]}
    new = encode_states(RULE, precision, moved | {"past_1": values["m"]}, noise, old)
    ends = ("", ".scale") if kind == "int8" else ("",)
    for end in ends:
        np.testing.assert_array_equal(new[f"past_2{end}"], old[f"past_1{end}"])
        np.testing.assert_array_equal(new[f"past_3{end}"], old[f"past_2{end}"])
    # A kernel writes the new value to the array of the oldest, and draws its noise.
    number = 1 + [spec.symbol.name for spec in RULE.states].index("past_3")
    own = codecs.noise_of(noise, noise_multiplier(number))
    wanted, _ = codecs.encode(STORAGES[kind], values["m"], own)
    np.testing.assert_array_equal(new["past_1"], wanted)


def test_kahan_beside_infinity_keeps_infinity():
    precision = Precision("bfloat16", "bfloat16", (), "kahan")
    values = np.array([3.4e38, -3.4e38, np.inf, -np.inf, 1.0], np.float32)
    stored, rest = codecs.encode_parameter(precision, values)
    back = codecs.decode_parameter(precision, stored, rest)
    np.testing.assert_array_equal(back, [np.inf, -np.inf, np.inf, -np.inf, 1.0])
    assert rest.dtype == BFLOAT16
