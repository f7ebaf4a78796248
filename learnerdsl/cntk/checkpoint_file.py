"""Files of nested dicts and lists with arrays: safetensors, with the structure as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from learnerdsl.cntk import files
from learnerdsl.cntk.checks import shown
from learnerdsl.errors import CheckpointError, LearnerError

ARRAY = "__array__"
TREE = "learnerdsl.cntk"


def write_tree(path: str | Path, tree: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of numbers, text and arrays to a file, atomically.

    Raises:
        CheckpointError: the tree holds something else; nothing is written then.
        FileError: an OSError; the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        described = json.dumps(_without_arrays(tree, "", arrays))
    except RecursionError:
        msg = (
            "The state is nested too deeply for a checkpoint, or contains itself; give a flatter "
            "one."
        )
        raise CheckpointError(msg) from None
    except LearnerError:
        raise
    except ValueError as error:  # an int with more digits than Python prints
        msg = f"The state cannot be stored in a checkpoint: {error}."
        raise CheckpointError(msg) from None
    files.write(path, files.sealed({TREE: described}, arrays), arrays)


def read_tree(path: str | Path) -> dict[str, Any]:
    """Read what `write_tree` wrote; tuples become lists.

    Raises:
        CheckpointError: the file is damaged, or `write_tree` did not write it.
        MissingFileError: a FileNotFoundError; there is no such file.
    """

    def decode(header: dict[str, str], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        tree = _with_arrays(json.loads(header[TREE]), arrays)
        if not isinstance(tree, dict):
            msg = f"it holds {shown(tree)} instead of a dict"
            raise ValueError(msg)
        return tree

    return files.read(path, "checkpoint", "of a trainer", decode)


def _without_arrays(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return a value that JSON can hold; arrays are moved to `arrays` and numbered."""
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biufc":
            _refuse(value, place)
        key = str(len(arrays))
        arrays[key] = np.array(value, value.dtype.newbyteorder("="), order="C")
        return {ARRAY: key}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key == ARRAY:
                _refuse(key, f"{place} (a key)")
        return {key: _without_arrays(v, f"{place}[{key!r}]", arrays) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(v, f"{place}[{k}]", arrays) for k, v in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return _refuse(value, place)


def _refuse(value: Any, place: str) -> None:
    msg = (
        f"{shown(value)} at {place} cannot be stored in a checkpoint; give dicts with text as "
        "keys, lists, numbers, text, None and arrays of numbers."
    )
    raise CheckpointError(msg)


def _with_arrays(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if ARRAY in value:
            return arrays[value[ARRAY]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value
