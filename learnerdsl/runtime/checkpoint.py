"""State dicts of learners, and files of them: safetensors with the description as metadata."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from learnerdsl.errors import CheckpointError, LearnerError
from learnerdsl.runtime.files import write_atomically

DESCRIPTION = (
    "rule",
    "version",
    "options",
    "step_count",
    "samples",
    "seed",
    "hyperparameters",
    "parameters",
)
StateDict = dict[str, Any]
Tensors = dict[str, np.ndarray]
Decoded = TypeVar("Decoded")


def check_matches(given: Any, own: StateDict, checked: Callable[[str, Any], Any]) -> None:
    """Raise unless `given` can be loaded where `own` is the present state dict.

    Args:
        given: what should be a state dict.
        own: a state dict of the learner that is to load it.
        checked: function of a hyperparameter's name and value that raises if it cannot have it.
    """
    missing = [key for key in own if not isinstance(given, Mapping) or key not in given]
    if missing:
        msg = f"The state dict lacks {', '.join(missing)}; it was not made by learner.state_dict()."
        raise CheckpointError(msg)
    for key in ("rule", "version", "options"):
        if given[key] != own[key]:
            msg = (
                f"The checkpoint has {key} {given[key]!r}, this learner {own[key]!r}; "
                "load it into a learner of the rule that wrote it."
            )
            raise CheckpointError(msg)
    for key in ("step_count", "samples", "seed"):
        value, kinds = given[key], (int, float) if key == "samples" else int
        if isinstance(value, bool) or not isinstance(value, kinds) or not value >= 0:
            msg = f"The checkpoint has {key} {value!r}, which is no count."
            raise CheckpointError(msg)
    _check_names("parameters", given["state"], own["state"])
    _check_parameters(given["parameters"], own["parameters"])
    for name, states in own["state"].items():
        _check_names(f"states of {name!r}", given["state"][name], states)
        for state, array in states.items():
            _check_array(f"State {state!r} of {name!r}", given["state"][name][state], array)
    _check_names("model states", given["model_state"], own["model_state"])
    for name, value in given["model_state"].items():
        if not isinstance(value, (int, float)):
            msg = f"The checkpoint has {value!r} for {name!r}, one number for the whole model."
            raise CheckpointError(msg)
    _check_hyperparameters(given["hyperparameters"], own["hyperparameters"], checked)


def _check_parameters(given: Any, own: list[Any]) -> None:
    """Names, shapes, dtypes and groups of the parameters, in order."""
    for theirs, ours in zip(given, own, strict=True):
        for what, its, mine in zip(("name", "shape", "dtype", "group"), theirs, ours, strict=True):
            if its != mine:
                its, mine = (tuple(v) if what == "shape" else repr(v) for v in (its, mine))
                msg = f"Parameter {ours[0]!r} has {what} {its} in the checkpoint, but {mine} here."
                raise CheckpointError(msg)


def _check_array(what: str, given: Any, own: np.ndarray) -> None:
    try:
        other = np.asarray(given)
    except ValueError as error:
        msg = f"{what} is no array in the checkpoint: {error}."
        raise CheckpointError(msg) from None
    if other.shape != own.shape or other.dtype != own.dtype:
        msg = (
            f"{what} has shape {other.shape} and dtype {other.dtype} in the checkpoint, "
            f"but {own.shape} and {own.dtype} here."
        )
        raise CheckpointError(msg)


def _check_hyperparameters(given: Any, own: list[Any], checked: Callable[[str, Any], Any]) -> None:
    if not isinstance(given, list) or len(given) != len(own):
        msg = f"The checkpoint has other groups of parameters: {given!r}, here {own!r}."
        raise CheckpointError(msg)
    for group in given:
        for name, value in group.items():
            try:
                if value is not None:
                    checked(name, value)
            except LearnerError as error:
                raise CheckpointError(str(error)) from None


def _check_names(what: str, given: Any, own: Any) -> None:
    if not isinstance(given, Mapping):
        msg = f"The checkpoint has {given!r} for its {what}, which is no dict."
        raise CheckpointError(msg)
    missing = [repr(name) for name in own if name not in given]
    extra = [repr(name) for name in given if name not in own]
    if missing or extra:
        msg = f"The checkpoint has other {what}: missing {missing}, not known here {extra}."
        raise CheckpointError(msg)


def write(path: str | Path, state_dict: StateDict) -> None:
    """Write a state dict to a file that appears whole or not at all."""
    tensors: dict[str, np.ndarray] = {}
    if len({str(name) for name in state_dict["state"]}) < len(state_dict["state"]):
        msg = "Two parameters have names that read the same as text, so no file can hold both."
        raise CheckpointError(msg)
    for name, states in state_dict["state"].items():
        tensors |= {f"state/{name}/{state}": array for state, array in states.items()}
    for name, value in state_dict["model_state"].items():
        tensors[f"model/{name}"] = np.array(value)
    described = {key: state_dict[key] for key in DESCRIPTION}
    write_atomically(Path(path), save(tensors, {"learnerdsl": json.dumps(described)}))


def read_safetensors(
    path: str | Path, kind: str, owner: str, decode: Callable[[dict[str, str], Tensors], Decoded]
) -> Decoded:
    """What `decode` makes of the metadata and the arrays of a safetensors file.

    Args:
        path: the file.
        kind: "checkpoint" or "file", for the messages.
        owner: whose it should be, for the messages.
        decode: function of metadata and arrays; what it raises means that the file is none of ours.

    Raises:
        CheckpointError: the file is damaged, or none of ours.
        FileNotFoundError: there is none.
    """
    if not Path(path).exists():
        msg = f"There is no {kind} {path}."
        raise FileNotFoundError(msg)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return decode(metadata, tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        msg = f"{path} is damaged or not a {kind} {owner} ({error})."
        raise CheckpointError(msg) from None


def read(path: str | Path, like: StateDict) -> StateDict:
    """Read a file that `write` wrote, with the names of the state dict `like`.

    Raises:
        CheckpointError: the file is damaged, or no checkpoint of a learner.
        FileNotFoundError: there is none.
    """

    def decode(metadata: dict[str, str], tensors: Tensors) -> tuple[StateDict, list[str], Tensors]:
        described = json.loads(metadata["learnerdsl"])
        return described, [parameter[0] for parameter in described["parameters"]], tensors

    described, described_names, tensors = read_safetensors(
        path, "checkpoint", "of a learner", decode
    )
    loaded: StateDict = {**described, "model_state": {}}
    names = {str(name): name for name in like["state"]}
    loaded["state"] = {names.get(name, name): {} for name in described_names}
    for key, array in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "model":
            loaded["model_state"][rest] = float(array) if array.ndim == 0 else array
        else:
            name, _, state = rest.rpartition("/")
            loaded["state"].setdefault(names.get(name, name), {})[state] = array
    return loaded
