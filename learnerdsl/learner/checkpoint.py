"""Write and read checkpoint files: arrays as safetensors, everything else as metadata."""

import json
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from learnerdsl.errors import CheckpointError, DtypeError
from learnerdsl.files import check_readable, checked_path, replace_file
from learnerdsl.learner.state_dict import StateDict
from learnerdsl.storage import STORAGES

ARRAYS = ("state", "model_state", "values")
"""Keys of a state dict that are stored as tensors; the rest is JSON, under DESCRIPTION."""

DESCRIPTION, CHECKSUMS = "learnerdsl", "checksums"
"""Keys of the metadata. The checksums map the name of a tensor or metadata entry to its CRC-32."""

Tensors = dict[str, np.ndarray]
Decoded = TypeVar("Decoded")


def write(path: Any, state_dict: StateDict) -> None:
    """Write a state dict to a file atomically.

    Args:
        path: the file.
        state_dict: what `Learner.state_dict` returned.

    Raises:
        CheckpointError: the state dict holds something that cannot be stored in a file, or the
            file cannot be written.
    """
    names = list(state_dict["state"])
    if len({str(name) for name in names}) < len(names):
        msg = (
            "Two parameters have names that are equal as text, such as 0 and '0', so a file cannot "
            "hold both; rename one of them."
        )
        raise CheckpointError(msg)
    tensors: Tensors = {}
    for name, states in state_dict["state"].items():
        tensors |= {f"state/{name}/{state}": array for state, array in states.items()}
    for name, value in state_dict["model_state"].items():
        tensors[f"model/{name}"] = np.array(value)
    for name, array in state_dict.get("values", {}).items():
        tensors[f"parameter/{name}"] = array
    described = {key: value for key, value in state_dict.items() if key not in ARRAYS}
    try:
        description = json.dumps(described)
        sums = json.dumps(_checksums(description, tensors))
        content = save(tensors, {DESCRIPTION: description, CHECKSUMS: sums})
    except (TypeError, ValueError) as error:
        msg = (
            "The names of the parameters, the options or the version of the rule cannot be stored "
            f"in a file: {error}."
        )
        raise CheckpointError(msg) from error
    replace_file(path, content, "checkpoint")


def _checksums(description: str, tensors: Tensors) -> dict[str, int]:
    """Return the CRC-32 of the description and of the bytes of each tensor, by their names."""
    sums = {DESCRIPTION: zlib.crc32(description.encode())}
    for key, array in tensors.items():
        sums[key] = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return sums


def _check_sums(metadata: dict[str, str], tensors: Tensors) -> None:
    """Raise if a checksum differs from the one that was written; the first files have none."""
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
    """Read a safetensors file and return `decode(metadata, tensors)`.

    Args:
        path: the file.
        kind: "checkpoint" or "file", for the messages.
        owner: the kind of object the file should be of, for the messages: "of a learner".
        decode: called with the metadata and the arrays; any exception it raises is reported as
            damage to the file.
        is_wanted: called with the name of an array; returns whether to read it.

    Returns:
        What `decode` returned.

    Raises:
        CheckpointError: the file is damaged, or learnerdsl did not write it. If the file does not
            exist, the error is a `FileNotFoundError` too.
    """
    file_path = checked_path(path, kind)
    check_readable(file_path, kind)
    try:
        with safe_open(file_path, framework="np") as file:
            metadata = file.metadata() or {}
            keys = [key for key in file.keys() if is_wanted(key)]  # noqa: SIM118
            if any(file.get_slice(key).get_dtype() == "BF16" for key in keys):
                STORAGES["bfloat16"].numpy  # noqa: B018 - NumPy must know the type from here on
            tensors = {key: file.get_tensor(key) for key in keys}
        return decode(metadata, tensors)
    except (CheckpointError, DtypeError):
        raise
    except Exception as error:  # a damaged file can raise anything
        msg = f"{file_path} is damaged or not a {kind} {owner} ({error})."
        raise CheckpointError(msg) from error


def read(path: Any, like: StateDict, has_parameters: bool = False) -> StateDict:
    """Read a file that `write` wrote and return its state dict, with the names that `like` has.

    Args:
        path: the file.
        like: the state dict of the learner that will load the file.
        has_parameters: whether to read the values of the parameters too; they go under "values".

    Raises:
        CheckpointError: the file is damaged, or it is not a checkpoint of a learner.
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
