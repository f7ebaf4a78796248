"""Damaged files of every kind: refused, and nothing of the learner has changed."""

import json
import random
import struct

import numpy as np
import pytest
from support.checkpoints import assert_refused, everything, restless_learner

import learnerdsl as ld
from learnerdsl.learners import noisy_sgd


def header_of(content):
    """The header of a safetensors file, and where the arrays start."""
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:end]), end


def with_header(content, change):
    """The file with a changed header."""
    header, end = header_of(content)
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[end:]


def with_description(content, change):
    """The file with another description, or text for it, and no checksums, as tools may write."""

    def changed(header):
        metadata = header["__metadata__"]
        new = change(json.loads(metadata["learnerdsl"]))
        metadata.pop("checksums")
        metadata["learnerdsl"] = new if isinstance(new, str) else json.dumps(new)

    return with_header(content, changed)


@pytest.fixture
def good(tmp_path):
    """The content of a good file."""
    restless_learner().save(tmp_path / "good", parameters=True)
    return (tmp_path / "good").read_bytes()


B = ["b", [4], "float32", 1]
DESCRIPTIONS = {
    "a nest": lambda d: "[" * 50_000,
    "a nest of dicts": lambda d: '{"a":' * 50_000,
    "nothing": lambda d: "",
    "null": lambda d: "null",
    "a list": lambda d: [1],
    "pairs": lambda d: [["rule", 1]],
    "names that are lists": lambda d: d | {"parameters": [[["w"], [3, 4], "float32", 0], B]},
    "names that are dicts": lambda d: d | {"parameters": [[{}, [3, 4], "float32", 0], B]},
    "names that are null": lambda d: d | {"parameters": [[None, [3, 4], "float32", 0], B]},
    "an unknown name": lambda d: d | {"parameters": [["v", [3, 4], "float32", 0], B]},
    "no parameters": lambda d: d | {"parameters": None},
    "empty parameters": lambda d: d | {"parameters": [[], []]},
    "a digit too many": lambda d: d | {"step_count": 10**4000},
    "more digits than Python reads": lambda d: json.dumps(d).replace(
        '": 2,', '": ' + "2" * 9999 + ","
    ),
    "infinity": lambda d: d | {"step_count": float("inf")},
    "a seed in words": lambda d: d | {"seed": "lucky"},
    "a key less": lambda d: {key: value for key, value in d.items() if key != "samples"},
    "another rule": lambda d: d | {"rule": "adam"},
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_file_with_another_description_is_refused(case, good, tmp_path):
    path = tmp_path / "bad"
    path.write_bytes(with_description(good, DESCRIPTIONS[case]))
    learner = restless_learner(3)
    assert_refused(learner, lambda: learner.load(path))


def replaced(key, **entries):
    """A change of a header: another entry for a tensor."""
    return lambda header: header.update({key: header[key] | entries})


HEADERS = {
    "a tensor of bfloat16": replaced("state/w/m", dtype="BF16", shape=[6, 4]),
    "a tensor of 8 bits": replaced("state/w/m", dtype="F8_E4M3", shape=[12, 4]),
    "a tensor of whole numbers": replaced("state/w/m", dtype="I32"),
    "a tensor of an unknown type": replaced("state/w/m", dtype="F99"),
    "a tensor of another shape": replaced("state/w/m", shape=[4, 3]),
    "a huge shape": replaced("state/w/m", shape=[2**62, 4]),
    "a negative shape": replaced("state/w/m", shape=[-3, 4]),
    "wrong offsets": replaced("state/w/m", data_offsets=[0, 4]),
    "offsets beyond the end": replaced("state/w/m", data_offsets=[10**6, 10**6 + 48]),
    "offsets of another": lambda h: replaced("state/w/m", **h["parameter/w"])(h),
    "a tensor less": lambda h: h.pop("state/b/peak"),
    "a name in another place": lambda h: h.update({"state/v/m": h.pop("state/w/m")}),
    "a tensor of no learner": lambda h: h.update({"other": h.pop("state/w/m")}),
    "no metadata": lambda h: h.pop("__metadata__"),
    "metadata of numbers": lambda h: h.update({"__metadata__": {"learnerdsl": 3}}),
    "checksums in words": lambda h: h["__metadata__"].update(checksums="many"),
    "checksums of nothing": lambda h: h["__metadata__"].update(checksums="{}"),
    "checksums that are a number": lambda h: h["__metadata__"].update(checksums="3"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_file_with_a_damaged_header_is_refused(case, good, tmp_path):
    path = tmp_path / "bad"
    path.write_bytes(with_header(good, HEADERS[case]))
    learner = restless_learner(3)
    assert_refused(learner, lambda: learner.load(path))


@pytest.mark.parametrize("length", [0, 7, 2**31, 2**40, 2**63, 2**64 - 1])
def test_a_file_with_a_wrong_length_of_its_header_is_refused(length, good, tmp_path):
    path = tmp_path / "bad"
    path.write_bytes(struct.pack("<Q", length) + good[8:])
    learner = restless_learner(3)
    assert_refused(learner, lambda: learner.load(path))


def test_a_bit_that_is_another_in_an_array_is_found(good, tmp_path):
    path = tmp_path / "bad"
    learner = restless_learner(3)
    _, end = header_of(good)
    for position in range(end, len(good)):
        content = bytearray(good)
        content[position] ^= 1 << position % 8
        path.write_bytes(content)
        assert_refused(learner, lambda: learner.load(path, parameters=True))


def damaged(content, rng):
    """The file with one random damage."""
    kind = rng.choice(["flip", "flips", "cut", "grow", "swap", "zero", "digit"])
    changed = bytearray(content)
    place = rng.randrange(len(changed))
    if kind in ("flip", "flips"):
        for _ in range(1 if kind == "flip" else 20):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del changed[place:]
    elif kind == "grow":
        changed[place:place] = rng.randbytes(rng.randrange(1, 20))
    elif kind == "swap":
        other = rng.randrange(len(changed))
        changed[place], changed[other] = changed[other], changed[place]
    elif kind == "zero":
        changed[place : place + 16] = bytes(len(changed[place : place + 16]))
    else:
        digits = [k for k, byte in enumerate(changed) if byte in b'0123456789,:[]{}"']
        changed[rng.choice(digits)] = rng.choice(b'0123456789,:[]{}"-e.')
    return bytes(changed)


def test_a_random_damage_is_refused_or_changes_nothing_of_what_is_loaded(good, tmp_path):
    path = tmp_path / "bad"
    learner, right = restless_learner(3), restless_learner()
    before, wanted = everything(learner), everything(right)
    start = learner.state_dict()
    arrays = {name: array.copy() for name, array in learner.parameters.items()}
    refused = 0
    for number in range(600):
        path.write_bytes(damaged(good, random.Random(number)))
        try:
            learner.load(path, parameters=True)
        except ld.CheckpointError:
            refused += 1
            assert everything(learner) == before, number
        else:
            assert everything(learner) == wanted, number
            learner.load_state_dict(start)
            for name, array in arrays.items():
                learner.parameters[name][...] = array
    assert refused > 500


# A file of the first version, which lacked what newer ones have


HEADER_OF_THE_FIRST_VERSION = r"""
{"__metadata__":{"learnerdsl":"{\"rule\": \"noisy_sgd\", \"version\": 1, \"options\": {},
 \"step_count\": 2, \"samples\": 5.0, \"seed\": 3,
 \"hyperparameters\": [{\"lr\": 0.25, \"eta\": 0.3, \"gamma\": 0.55}],
 \"parameters\": [[\"w\", [2], \"float64\", 0]]}"}}
"""


def test_a_file_of_the_first_version_loads(tmp_path):
    text = HEADER_OF_THE_FIRST_VERSION.replace("\n", "").encode()
    (tmp_path / "old").write_bytes(struct.pack("<Q", len(text)) + text)
    learner = noisy_sgd({"w": np.zeros(2)})
    learner.load(tmp_path / "old")
    assert (learner.step_count, learner.samples, learner.state_dict()["seed"]) == (2, 5.0, 3)
    assert dict(learner.hyperparameters) == {"lr": 0.25, "eta": 0.3, "gamma": 0.55}
