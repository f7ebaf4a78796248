"""Damaged files of functions: a LearnerError, or what was saved."""

import json

import numpy as np
import pytest
from support.wrong_values import packed, unpacked, variants

import learnerdsl.cntk as C
from learnerdsl import LearnerError
from learnerdsl.cntk.graph.persistence import contents
from learnerdsl.errors import CheckpointError


def every_kind_of_node():
    """A function with layers, and with an operation of every kind of attributes."""
    x = C.input_variable((2, 3), name="x")
    words = C.input_variable(6, is_sparse=True)
    dense = C.layers.Dense(4, activation=C.tanh)(C.reshape(x, (6,)))
    part = C.splice(C.slice(dense, 0, 1, 3), dense[::2], axis=0)
    mixed = C.softmax(C.dropout(part, 0.25, seed=3)) + C.times(words, C.parameter((6, 4), init=2))
    turned = C.reduce_sum(C.transpose(x, (1, 0)), axis=0, keepdims=False)
    count = C.constant(1, name="count")
    error = C.classification_error(mixed, C.constant([0, 1, 0, 0]))
    return C.combine([C.clip(mixed, 0, 1), turned, C.assign(count, count + 1), error])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The graph's description and arrays, and the bytes of its file."""
    function = every_kind_of_node()
    path = tmp_path_factory.mktemp("files") / "function"
    function.save(path)
    return contents(function), path.read_bytes()


def load(tmp_path, content):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    return contents(C.Function.load(path))


def is_refused_or_the_same(tmp_path, content, wanted):
    try:
        header, arrays = load(tmp_path, content)
    except LearnerError as error:
        return len(str(error).split()) >= 4
    same = arrays.keys() == wanted[1].keys() and header["graph"] == wanted[0]["graph"]
    return same and all(np.array_equal(arrays[key], wanted[1][key]) for key in arrays)


def test_a_file_that_is_whole_loads_as_it_was(tmp_path, saved):
    (header, arrays), content = saved
    found, loaded = load(tmp_path, content)
    assert found == header
    assert all(np.array_equal(loaded[key], arrays[key]) for key in arrays)


def test_flipped_bits_are_noticed(tmp_path, saved):
    wanted, content = saved
    random = np.random.default_rng(5)
    for bit in random.integers(8 * len(content), size=400):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        assert is_refused_or_the_same(tmp_path, bytes(damaged), wanted), bit


def test_overwritten_stretches_are_noticed(tmp_path, saved):
    wanted, content = saved
    random = np.random.default_rng(6)
    for start in random.integers(len(content) - 16, size=100):
        damaged = content[:start] + random.bytes(16) + content[start + 16 :]
        assert is_refused_or_the_same(tmp_path, damaged, wanted), start


def test_files_that_end_early_or_late_are_noticed(tmp_path, saved):
    wanted, content = saved
    for size in {0, 1, 7, 8, 9, *range(10, len(content), 37)}:
        assert is_refused_or_the_same(tmp_path, content[:size], wanted), size
    assert is_refused_or_the_same(tmp_path, content + b"more", wanted)


def test_an_edited_graph_does_not_have_the_checksum(tmp_path, saved):
    header, data = unpacked(saved[1])
    text = header["__metadata__"]["graph"]
    header["__metadata__"]["graph"] = text.replace('"count"', '"Count"')
    with pytest.raises(CheckpointError, match="not what was written"):
        load(tmp_path, packed(header, data))


def test_a_wrong_value_anywhere_in_a_graph_is_refused_or_means_what_it_says(tmp_path, saved):
    header, data = unpacked(saved[1])
    metadata = header["__metadata__"]
    del metadata["checksum"]  # as if the file had been written with the wrong value
    graph = json.loads(metadata["graph"])
    accepted = 0
    for what, wrong in variants(graph):
        metadata["graph"] = json.dumps(wrong)
        try:
            found = load(tmp_path, packed(header, data))[0]
        except CheckpointError:
            continue
        assert found["graph"] == metadata["graph"], what
        accepted += 1
    assert accepted < 100  # other names, seeds, rates, axes that count from the end


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"op": "tanh"', '"op": "__import__"'),
        ('"op": "tanh"', '"op": "clip"'),
        ('"inputs": [2', '"inputs": [99'),
        ('"dtype": "float32"', '"dtype": "float64"'),
        ('"output_rank": 1', '"output_rank": 2'),
        ('"shape": [2, 3]', '"shape": [3, 2]'),
    ],
)
def test_an_edit_that_makes_another_graph_is_refused(tmp_path, saved, old, new):
    header, data = unpacked(saved[1])
    metadata = header["__metadata__"]
    del metadata["checksum"]
    assert old in metadata["graph"]
    metadata["graph"] = metadata["graph"].replace(old, new, 1)
    with pytest.raises(CheckpointError):
        load(tmp_path, packed(header, data))


@pytest.mark.parametrize("graph", ["null", "[]", "3", "[null]", "{}", "", "[" * 100_000, "NaN"])
def test_a_description_that_is_no_graph_is_refused(tmp_path, saved, graph):
    header, data = unpacked(saved[1])
    metadata = header["__metadata__"]
    del metadata["checksum"]
    metadata["graph"] = graph
    with pytest.raises(CheckpointError):
        load(tmp_path, packed(header, data))


@pytest.mark.parametrize("output", ["-1", "0", "a", "", "999", "1_0", " 3"])
def test_another_output_is_refused(tmp_path, saved, output):
    header, data = unpacked(saved[1])
    del header["__metadata__"]["checksum"]
    header["__metadata__"]["output"] = output
    with pytest.raises(CheckpointError, match="does not need"):
        load(tmp_path, packed(header, data))


def test_arrays_that_are_missing_or_of_another_kind_are_refused(tmp_path, saved):
    header, data = unpacked(saved[1])
    del header["__metadata__"]["checksum"]
    with pytest.raises(CheckpointError, match="missing"):
        load(tmp_path, packed({"__metadata__": header["__metadata__"]}, b""))
    for key in header.keys() - {"__metadata__"}:
        other = {**header, key: {**header[key], "dtype": "I32"}}
        with pytest.raises(CheckpointError, match="missing"):
            load(tmp_path, packed(other, data))
        other = {k: v for k, v in header.items() if k != key} | {"77": header[key]}
        with pytest.raises(CheckpointError):
            load(tmp_path, packed(other, data))


def test_a_file_without_a_checksum_is_one_of_the_first_version(tmp_path, saved):
    header, data = unpacked(saved[1])
    del header["__metadata__"]["checksum"]
    assert load(tmp_path, packed(header, data))[0] == saved[0][0]


def test_restoring_from_a_damaged_file_changes_no_value(tmp_path):
    w = C.parameter((2, 3), init=1, name="w")
    function = C.times(C.input_variable(2), w)
    function.save(tmp_path / "function")
    w.value = 2
    content = bytearray((tmp_path / "function").read_bytes())
    content[-1] ^= 1
    (tmp_path / "function").write_bytes(content)
    with pytest.raises(CheckpointError, match="not what was written"):
        function.restore(tmp_path / "function")
    assert np.all(w.value == 2)


def test_attributes_of_numpy_types_are_saved(tmp_path):
    x = C.input_variable((2, 3))
    function = C.reduce_sum(x, axis=np.int64(1), keepdims=np.bool_(False))
    function.save(tmp_path / "function")
    data = np.arange(6.0).reshape(1, 2, 3)
    assert C.load_model(tmp_path / "function").eval(data).tolist() == [[3.0, 12.0]]
