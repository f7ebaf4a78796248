"""State dicts of learners, and files of them: safetensors with the description as metadata."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from learnerdsl.errors import CheckpointError
from learnerdsl.runtime.cache import write_atomically

DESCRIPTION = ("rule", "version", "options", "step_count", "samples", "seed", "hyperparameters")
StateDict = dict[str, Any]


def check_matches(given: StateDict, own: StateDict) -> None:
    """Raise unless `given` can be loaded where `own` is the present state dict."""
    missing = [key for key in own if key not in given]
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
    _check_names("parameters", given["state"], own["state"])
    _check_names("model states", given["model_state"], own["model_state"])
    for name, states in own["state"].items():
        _check_names(f"states of {name!r}", given["state"][name], states)
        for state, array in states.items():
            other = np.asarray(given["state"][name][state])
            if other.shape != array.shape or other.dtype != array.dtype:
                msg = (
                    f"State {state!r} of {name!r} has shape {other.shape} and dtype {other.dtype} "
                    f"in the checkpoint, but {array.shape} and {array.dtype} here."
                )
                raise CheckpointError(msg)


def _check_names(what: str, given: Any, own: Any) -> None:
    missing = [repr(name) for name in own if name not in given]
    extra = [repr(name) for name in given if name not in own]
    if missing or extra:
        msg = f"The checkpoint has other {what}: missing {missing}, not known here {extra}."
        raise CheckpointError(msg)


def write(path: str | Path, state_dict: StateDict) -> None:
    """Write a state dict to a file that appears whole or not at all."""
    tensors: dict[str, np.ndarray] = {}
    for name, states in state_dict["state"].items():
        tensors |= {f"state/{name}/{state}": array for state, array in states.items()}
    for name, value in state_dict["model_state"].items():
        tensors[f"model/{name}"] = np.array(value)
    described = {key: state_dict[key] for key in DESCRIPTION}
    write_atomically(Path(path), save(tensors, {"learnerdsl": json.dumps(described)}))


def read(path: str | Path, like: StateDict) -> StateDict:
    """Read a file that `write` wrote, with the names of the state dict `like`.

    Raises:
        CheckpointError: the file is damaged, or no checkpoint of a learner.
        FileNotFoundError: there is none.
    """
    if not Path(path).exists():
        msg = f"There is no checkpoint {path}."
        raise FileNotFoundError(msg)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        described = json.loads(metadata["learnerdsl"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        msg = f"{path} is damaged or not a checkpoint of a learner ({error})."
        raise CheckpointError(msg) from None
    loaded: StateDict = {**described, "state": {}, "model_state": {}}
    names = {str(name): name for name in like["state"]}
    loaded["state"] = {name: {} for name in names.values() if not like["state"][name]}
    for key, array in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "model":
            loaded["model_state"][rest] = float(array)
        else:
            name, _, state = rest.rpartition("/")
            loaded["state"].setdefault(names.get(name, name), {})[state] = array
    return loaded
