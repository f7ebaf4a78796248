"""Wrong values put in every place of a nest of dicts and lists, one after the other."""

import copy
import json
import struct

import numpy as np

WRONG = (None, -1, "a", [], {}, float("nan"), float("inf"), 10**400, True, 0.5, [[[0]]])
ARRAYS = (np.zeros(7), np.zeros((2, 3), np.int32), np.array("a"), np.zeros((2, 3), np.float16))


def places(tree, place=()):
    """The keys that lead to each part of a nest."""
    found = [place] if place else []
    if isinstance(tree, (list, tuple)):
        tree = dict(enumerate(tree))
    for key, part in tree.items() if isinstance(tree, dict) else ():
        found += places(part, (*place, key))
    return found


def replaced(tree, place, value):
    """A copy of a nest with another value in one place."""
    changed = copy.deepcopy(tree)
    part = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return changed


def without(tree, place):
    """A copy of a nest that lacks what is in one place."""
    changed = copy.deepcopy(tree)
    part = changed
    for key in place[:-1]:
        part = part[key]
    del part[place[-1]]
    return changed


def variants(tree, wrong=WRONG):
    """Every nest that differs from `tree` in one place, with words that say how."""
    for place in places(tree):
        yield f"without {place}", without(tree, place)
        for value in wrong:
            yield f"{place} = {value!r:.40}", replaced(tree, place, value)


def same(one, other):
    """Whether two nests hold the same, of the same types; ints may be floats."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        is_array = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        return is_array and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(one[key], other[key]) for key in one)
        )
    if isinstance(one, (list, tuple)):
        return (
            isinstance(other, (list, tuple))
            and len(one) == len(other)
            and all(map(same, one, other))
        )
    kinds = {float if type(value) is int else type(value) for value in (one, other)}
    return len(kinds) == 1 and (one == other or (one != one and other != other))


def unpacked(content):
    """The header of a safetensors file and the bytes of its arrays."""
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def packed(header, data):
    """The safetensors file of a header and the bytes of its arrays."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
