"""Files of state dicts: safetensors, with what is no array as metadata."""

import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from learnerdsl.errors import CheckpointError
from learnerdsl.files import check_readable, checked_path, replace_file
from learnerdsl.learner.state_dict import StateDict

ARRAYS = ("state", "model_state")
"""What of a state dict is in tensors; the rest is JSON, which is the metadata DESCRIPTION."""

DESCRIPTION, CHECKSUMS = "learnerdsl", "checksums"
"""Names in the metadata. The checksums are CRC-32 by the name of the tensor or metadata."""

Tensors = dict[str, np.ndarray]
Decoded = TypeVar("Decoded")


def write(path: Any, state_dict: StateDict, parameters: Sequence[np.ndarray] | None = None) -> None:
    """Write a state dict to a file that appears whole or not at all.

    Args:
        path: the file.
        state_dict: of a learner.
        parameters: their values, if they are to be in the file, too.

    Raises:
        CheckpointError: something in it cannot be in a file, or it cannot be written.
    """
    names = list(state_dict["state"])
    if len({str(name) for name in names}) < len(names):
        msg = "Two parameters have names that read the same as text, so no file can hold both."
        raise CheckpointError(msg)
    tensors: Tensors = {}
    for name, states in state_dict["state"].items():
        tensors |= {f"state/{name}/{state}": array for state, array in states.items()}
    for name, value in state_dict["model_state"].items():
        tensors[f"model/{name}"] = np.array(value)
    for name, array in zip(names, parameters or (), strict=parameters is not None):
        tensors[f"parameter/{name}"] = array
    described = {key: value for key, value in state_dict.items() if key not in ARRAYS}
    try:
        description = json.dumps(described)
        sums = json.dumps(_checksums(description, tensors))
        content = save(tensors, {DESCRIPTION: description, CHECKSUMS: sums})
    except (TypeError, ValueError) as error:
        msg = f"Names, options or version of the learner cannot be in a file: {error}."
        raise CheckpointError(msg) from error
    replace_file(path, content, "checkpoint")


def _checksums(description: str, tensors: Tensors) -> dict[str, int]:
    sums = {DESCRIPTION: zlib.crc32(description.encode())}
    for key, array in tensors.items():
        sums[key] = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return sums


def _check_sums(metadata: dict[str, str], tensors: Tensors) -> None:
    """Raise if what was read is not what was written; files of the first version have no sums."""
    if CHECKSUMS in metadata:
        written = json.loads(metadata[CHECKSUMS])
        for key, number in _checksums(metadata[DESCRIPTION], tensors).items():
            if written[key] != number:
                msg = f"the checksum of {key} differs"
                raise ValueError(msg)


def read_safetensors(
    path: Any,
    kind: str,
    owner: str,
    decode: Callable[[dict[str, str], Tensors], Decoded],
    is_wanted: Callable[[str], bool] = lambda key: True,
) -> Decoded:
    """What `decode` makes of the metadata and the arrays of a safetensors file.

    Args:
        path: the file.
        kind: "checkpoint" or "file", for the messages.
        owner: whose it should be, for the messages.
        decode: function of metadata and arrays; what it raises means that the file is none of ours.
        is_wanted: whether the array of this name is read.

    Raises:
        CheckpointError: the file is damaged, or none of ours; a `FileNotFoundError`, too, if there
            is none.
    """
    file_path = checked_path(path, kind)
    check_readable(file_path, kind)
    try:
        with safe_open(file_path, framework="np") as file:
            metadata = file.metadata() or {}
            keys = [key for key in file.keys() if is_wanted(key)]  # noqa: SIM118
            tensors = {key: file.get_tensor(key) for key in keys}
        return decode(metadata, tensors)
    except CheckpointError:
        raise
    except Exception as error:  # whatever damage makes of a file
        msg = f"{file_path} is damaged or not a {kind} {owner} ({error})."
        raise CheckpointError(msg) from error


def read(path: Any, like: StateDict, has_parameters: bool = False) -> StateDict:
    """Read a file that `write` wrote, with the names of the state dict `like`.

    Args:
        path: the file.
        like: the state dict of the learner that is to load it.
        has_parameters: whether to read the values of the parameters, too, under "values".

    Raises:
        CheckpointError: the file is damaged, or no checkpoint of a learner.
    """
    names = {str(name): name for name in like["state"]}

    def decode(metadata: dict[str, str], tensors: Tensors) -> StateDict:
        _check_sums(metadata, tensors)
        loaded: StateDict = dict(json.loads(metadata[DESCRIPTION]))
        loaded |= {"model_state": {}, "values": {}}
        loaded["state"] = {names.get(name, name): {} for name, *_ in loaded.get("parameters", ())}
        for key, array in tensors.items():
            kind, _, rest = key.partition("/")
            if kind == "model":
                loaded["model_state"][rest] = array
            elif kind == "parameter":
                loaded["values"][names.get(rest, rest)] = array
            else:
                name, _, state = rest.rpartition("/")
                loaded["state"].setdefault(names.get(name, name), {})[state] = array
        return loaded

    def is_wanted(key: str) -> bool:
        return has_parameters or not key.startswith("parameter/")

    return read_safetensors(path, "checkpoint", "of a learner", decode, is_wanted)
