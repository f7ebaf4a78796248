"""Show, set, save, load and reset what a learner keeps from update to update."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import CheckpointError, LearnerError
from learnerdsl.expr import symbols_in
from learnerdsl.interpret import evaluation_parameters, initial_states
from learnerdsl.interpret.pieces import decode_states, encode_states
from learnerdsl.learner import checkpoint
from learnerdsl.learner.hyperparameters import HyperTable, hyperparameters_in
from learnerdsl.learner.state_dict import Progress, check, checked_array
from learnerdsl.learner.states import ModelStates, ParameterStates, States
from learnerdsl.learner.stored import Stored
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.host import Name
from learnerdsl.runtime.arrays.interop import copy_to_host
from learnerdsl.runtime.backends import Backend
from learnerdsl.runtime.engine import Engine
from learnerdsl.storage import Precision
from learnerdsl.tracing import Rule

_NO_MINIBATCH = {"minibatch_size": 1, "seed": 0}
"""Clock values for the evaluation parameters, which belong to no minibatch."""


class Resumable:
    """The states and the clock of a learner. `Learner` sets the attributes declared here."""

    _backend: Backend
    _engine: Engine
    _groups: list[int]
    _hyper: HyperTable
    _is_mapping: bool
    _precisions: list[Precision]
    _stored: Stored
    _names: list[Name]
    _rule: Rule
    _rules: list[Rule]
    _seed: int

    @property
    def state(self) -> dict[Name, dict[str, np.ndarray]]:
        """Parameter -> state name -> array, in the memory that updates use.

        Writing to an array changes the state, and `learner.state["w"]["m"] = array` copies the
        array there. An array has the dtype in which the state is stored; a state of shape "tensor"
        is a float64 array of shape (). Two kinds are read-only copies, which can be assigned: 8-bit
        states, shown as float32 values, and scalars on a GPU. There, other states offer
        `__cuda_array_interface__`, for `torch.as_tensor(array, device="cuda")`.
        """
        is_device = self._backend.name == "cuda"
        found = States()
        for k, (name, arrays) in enumerate(self._by_parameter(self._engine.states).items()):
            values = self._shown(k, arrays)
            copies = [state for state in values if self._stored.is_narrow(k, state)]
            write = self._writer(k) if is_device or copies else None
            dict.__setitem__(found, name, ParameterStates(name, values, write, copies))
        return found

    def _shown(self, k: int, pieces: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states of parameter `k` as its user sees them: 8-bit ones as their values."""
        names = [spec.symbol.name for spec in self._rules[k].states]
        shown = {name: pieces[name] for name in names if name in pieces}
        narrow = [name for name in shown if self._stored.is_narrow(k, name)]
        if narrow:
            host = {name: copy_to_host(array) for name, array in pieces.items()}
            values = decode_states(self._rules[k], self._precisions[k], host)
            shown |= {name: values[name] for name in narrow}
        return shown

    def _writer(self, k: int) -> Callable[[str, np.ndarray], None]:
        """Return a function that sets a state of parameter `k`, also in the memory of a device."""

        def write(state: str, array: np.ndarray) -> None:
            states = self._engine.read_states()
            own = {name: arrays[k] for name, arrays in states.items() if arrays[k] is not None}
            values = decode_states(self._rules[k], self._precisions[k], own)
            values[state] = array
            for name, piece in encode_states(self._rules[k], self._precisions[k], values).items():
                states[name][k] = piece
            self._engine.write_states({**states, **self._engine.read_model_states()})

        return write

    def _by_parameter(self, states: Mapping[str, Sequence[Any]]) -> dict[Name, dict[str, Any]]:
        """Map each parameter to a dict of its states."""
        return {
            name: {state: a[k] for state, a in states.items() if a[k] is not None}
            for k, name in enumerate(self._names)
        }

    @property
    def model_state(self) -> dict[str, float]:
        """Values of the model-wide states; `learner.model_state["d"] = 1e-6` sets one."""
        return ModelStates(self._engine.read_model_states(), self._write_model_state)

    def _write_model_state(self, name: str, value: float) -> None:
        states = {**self._engine.read_states(), **self._engine.read_model_states()}
        self._engine.write_states({**states, name: value})

    @property
    def step_count(self) -> int:
        """Number of updates done."""
        return self._engine.step_count

    @property
    def samples(self) -> float:
        """Number of samples seen: the sum of `minibatch_size` over the updates done."""
        return self._engine.samples

    def evaluation_parameters(self) -> dict[Name, np.ndarray]:
        """Return new arrays with the weights to evaluate the model with.

        Rules that average weights declare them by `evaluate(...)`. For other rules they are copies
        of the parameters. Hyperparameters have the values of the last update.
        """
        step = self.step_count
        shown = [rule.evaluation for rule in self._rules if rule.evaluation is not None]
        pieces = self._engine.read_states()
        values = evaluation_parameters(
            self._rules,
            self._stored.values_of(self._backend.on_host(), pieces),
            {**self._stored.decode(pieces), **self.model_state},
            self._values_in(shown, max(step, 1)),
            {"step": self._engine.tensor_steps, "samples": self.samples, **_NO_MINIBATCH},
        )
        arrays = self._backend.from_host(self._stored.parameters_of(values))
        return dict(zip(self._names, arrays, strict=True))

    def master_parameters(self) -> dict[Name, np.ndarray]:
        """Return the weights with all bits that the learner keeps, as new NumPy arrays.

        They are float32 for narrow parameters; with `master="float32"` or `"split16"` they are
        exactly the weights of training in float32. For other parameters they are copies.
        """
        pieces = self._engine.read_states()
        values = self._stored.values_of(self._backend.copies(), pieces)
        return dict(zip(self._names, values, strict=True))

    def _values_in(self, expressions: Iterable[Any], step: int) -> list[dict[str, float]]:
        """Return for each parameter the hyperparameters that expressions depend on, at a step."""
        needed = hyperparameters_in(dict.fromkeys(self._rules), expressions)
        return self._hyper.values(self._groups, needed, step)

    def reset(self) -> None:
        """Set all states to their start values and the step count to 0; parameters are kept.

        Master weights begin again at the present values of the parameters.
        """
        rules = dict.fromkeys(self._rules)
        starts = [sympy.sympify(spec.init) for rule in rules for spec in rule.states]
        needs_values = self._rule.parameter in symbols_in(*starts)
        needs_values = needs_values or not self._stored.is_plain
        arrays = self._backend.on_host() if needs_values else self._backend.like_parameters()
        parameters = self._stored.values_of(arrays)
        values = initial_states(self._rules, parameters, self._values_in(starts, 1))
        states = self._stored.encode(values, parameters)
        # Set the clock first: it decides in which slot each value of a ring lies.
        self._engine.set_clock(0, 0.0)
        self._engine.write_states(states)

    def __reduce__(self) -> Any:
        """Refuse to be pickled or copied: the tables of a learner hold addresses of its arrays."""
        msg = "A learner is bound to its arrays; make a new one and load state_dict() into it."
        raise LearnerError(msg)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of everything that the next updates depend on, except the parameters.

        Returns:
            A dict with the keys "rule", "version", "options", "step_count", "samples", "seed",
            "parameters" (name, shape, dtype and index of the group of each), "hyperparameters" (a
            list with a dict for each group; None where a schedule gives the value), "state"
            (parameter -> state -> array) and "model_state". If updates left parameters out,
            "missed" has the number of those updates for each parameter.
        """
        missed = self._engine.missed_steps
        return {
            "rule": self._rule.name,
            "version": self._rule.version,
            "options": dict(self._rule.options),
            "step_count": self.step_count,
            "samples": self.samples,
            "seed": self._seed,
            "parameters": [
                [str(name), list(shape), kind.name, group]
                for (name, shape), kind, group in zip(
                    self._backend.shapes.items(), self._backend.kinds, self._groups, strict=True
                )
            ],
            "hyperparameters": [
                {name: None if callable(value) else value for name, value in group.items()}
                for group in self._hyper.settings
            ],
            "state": self._by_parameter(self._engine.read_states()),
            "model_state": self._engine.read_model_states(),
            **({"missed": missed} if any(missed) else {}),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; the updates that follow are bitwise the same.

        Parameters in a dict are matched by name, in any order; only the random numbers of a rule
        depend on the order. A hyperparameter that is a number in this learner takes its saved
        value, as in torch. One that is a schedule keeps the schedule, which continues at the step
        that was loaded.

        Args:
            state_dict: what `state_dict` returned, or the same read from a file of your own.

        Raises:
            CheckpointError: the state dict is damaged, or of another rule or model; or a
                hyperparameter was a schedule when it was saved, and is a number here. Nothing was
                changed.
        """
        own = self.state_dict()
        self._replace(check(state_dict, own, self._hyper, self._is_mapping), own)

    def _replace(self, progress: Progress, own: dict[str, Any]) -> None:
        """Load checked values; if anything interrupts, restore the old ones."""
        before = Progress(
            own["step_count"],
            own["samples"],
            own["seed"],
            {**self._by_state(own["state"]), **own["model_state"]},
            [dict(settings) for settings in self._hyper.settings],
            own.get("missed", [0] * len(self._names)),
            None if progress.parameters is None else self._backend.copies(),
        )
        try:
            self._take(progress)
        except BaseException:
            self._take(before)
            raise

    def _by_state(self, states: Mapping[Name, Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Map each state name to a list with the array of each parameter, or None."""
        names = dict.fromkeys(state for own in states.values() for state in own)
        return {s: [states[name].get(s) for name in self._names] for s in names}

    def _take(self, progress: Progress) -> None:
        """Write checked values to the engine, the hyperparameters and the parameters."""
        # Set the clock first: it decides in which slot each value of a ring lies.
        self._engine.set_clock(progress.step_count, progress.samples)
        self._engine.missed_steps = progress.missed
        self._engine.write_states(progress.states)
        self._seed = progress.seed
        self._engine.set_seed(self._seed)
        self._hyper.replace(progress.settings)
        if progress.parameters is not None:
            self._backend.write_parameters(progress.parameters)

    def save(self, path: Any, parameters: bool = False) -> None:
        """Write `state_dict` to a safetensors file, atomically.

        Symbolic links are followed, and a replaced file keeps its owner and mode.

        Args:
            path: the file, as text or a `pathlib.Path`.
            parameters: whether to write the values of the parameters too.

        Raises:
            CheckpointError: the file cannot be written.
        """
        _check_choice(parameters)
        values = self._backend.on_host() if parameters else None
        checkpoint.write(path, self.state_dict(), values)

    def load(self, path: Any, parameters: bool = False) -> None:
        """Continue from a file that `save` wrote; see `load_state_dict`.

        Args:
            path: the file.
            parameters: whether to load the values of the parameters too, into the caller's arrays.

        Raises:
            CheckpointError: the file does not exist (the error is a `FileNotFoundError` too), is
                damaged, lacks the parameters, or is of another rule or model. Nothing was changed.
        """
        _check_choice(parameters)
        own = self.state_dict()
        loaded = checkpoint.read(path, own, parameters)
        progress = check(loaded, own, self._hyper, self._is_mapping)
        if parameters:
            progress = replace(progress, parameters=self._checked_values(path, loaded["values"]))
        self._replace(progress, own)

    def _checked_values(self, path: Any, values: Mapping[Name, np.ndarray]) -> list[np.ndarray]:
        """Return the values of the parameters in a file, checked, in the learner's order."""
        if not values:
            msg = f"{path} has no values of parameters; save with save(path, parameters=True)."
            raise CheckpointError(msg)
        missing = [name for name in self._names if name not in values]
        if missing or len(values) > len(self._names):
            msg = (
                f"{path} has values of the parameters {quoted(list(values))}; expected "
                f"{quoted(self._names)}."
            )
            raise CheckpointError(msg)
        likes = self._backend.like_parameters()
        return [
            checked_array(f"Parameter {name!r}", values[name], like)
            for name, like in zip(self._names, likes, strict=True)
        ]


def _check_choice(parameters: Any) -> None:
    if not isinstance(parameters, bool):
        msg = (
            "parameters must be True or False: whether the file holds their values, got "
            f"{quoted(parameters)}."
        )
        raise CheckpointError(msg)
