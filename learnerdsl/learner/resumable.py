"""What a learner keeps from update to update: seen, written, saved, loaded and started anew."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from learnerdsl.dtypes import NumberType
from learnerdsl.errors import CheckpointError, LearnerError
from learnerdsl.expr import symbols_in
from learnerdsl.interpret import evaluation_parameters, initial_states
from learnerdsl.learner import checkpoint
from learnerdsl.learner.hyperparameters import HyperTable, hyperparameters_in
from learnerdsl.learner.state_dict import Progress, check, checked_array
from learnerdsl.learner.states import ModelStates, ParameterStates, States
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.host import Name
from learnerdsl.runtime.backends import Backend
from learnerdsl.runtime.engine import Engine
from learnerdsl.tracing import Rule

_NO_MINIBATCH = {"minibatch_size": 1, "seed": 0}
"""What the clock says of an update where there is none."""


class Resumable:
    """The states and the clock of a learner; see `Learner`, which has what is declared here."""

    _backend: Backend
    _engine: Engine
    _groups: list[int]
    _hyper: HyperTable
    _is_mapping: bool
    _kind: NumberType
    _names: list[Name]
    _rule: Rule
    _rules: list[Rule]
    _seed: int

    @property
    def state(self) -> dict[Name, dict[str, np.ndarray]]:
        """Parameter -> state name -> array; the memory that updates use, so writing changes it.

        `learner.state["w"]["m"] = array` copies the array there. A state of shape "tensor" is a
        float64 array of shape (). On a GPU that is a copy that cannot be written to, but assigned;
        the others speak `__cuda_array_interface__`, for `torch.as_tensor(array, device="cuda")`.
        """
        is_device = self._backend.name == "cuda"
        found = States()
        for k, (name, arrays) in enumerate(self._by_parameter(self._engine.states).items()):
            write = self._writer(k) if is_device else None
            dict.__setitem__(found, name, ParameterStates(name, arrays, write))
        return found

    def _writer(self, k: int) -> Callable[[str, np.ndarray], None]:
        """A function that gives a state of parameter number `k` a value, wherever it is."""

        def write(state: str, array: np.ndarray) -> None:
            states = self._engine.read_states()
            states[state][k] = array
            self._engine.write_states({**states, **self._engine.read_model_states()})

        return write

    def _by_parameter(self, states: Mapping[str, Sequence[Any]]) -> dict[Name, dict[str, Any]]:
        """Parameter -> state name -> array."""
        return {
            name: {state: a[k] for state, a in states.items() if a[k] is not None}
            for k, name in enumerate(self._names)
        }

    @property
    def model_state(self) -> dict[str, float]:
        """Values of the states of shape "model"; `learner.model_state["d"] = 1e-6` sets one."""
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
        """New arrays with the parameters to evaluate a model with.

        Rules that average weights declare these by `evaluate(...)`; of the others they are copies
        of the parameters. Hyperparameters have their values of the last update.
        """
        step = self.step_count
        shown = [rule.evaluation for rule in self._rules if rule.evaluation is not None]
        values = evaluation_parameters(
            self._rules,
            self._backend.on_host(),
            {**self._engine.read_states(), **self.model_state},
            self._values_in(shown, max(step, 1)),
            {"step": self._engine.tensor_steps, "samples": self.samples, **_NO_MINIBATCH},
        )
        return dict(zip(self._names, self._backend.from_host(values), strict=True))

    def _values_in(self, expressions: Iterable[Any], step: int) -> list[dict[str, float]]:
        """For each parameter the hyperparameters that expressions depend on, at a step."""
        needed = hyperparameters_in(dict.fromkeys(self._rules), expressions)
        return self._hyper.values(self._groups, needed, step)

    def reset(self) -> None:
        """Give all states their start values and count steps from 0; parameters stay."""
        rules = dict.fromkeys(self._rules)
        starts = [sympy.sympify(spec.init) for rule in rules for spec in rule.states]
        needs_values = self._rule.parameter in symbols_in(*starts)
        parameters = self._backend.on_host() if needs_values else self._backend.like_parameters()
        states = initial_states(self._rules, parameters, self._values_in(starts, 1))
        # First the clock: it says in which memory each value of a ring is.
        self._engine.set_clock(0, 0.0)
        self._engine.write_states(states)

    def __reduce__(self) -> Any:
        """Refused: the tables of a learner hold addresses of its arrays."""
        msg = "A learner is bound to its arrays; make a new one and give it state_dict()."
        raise LearnerError(msg)

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the next updates depend on, but for the parameters themselves.

        Keys: "rule", "version", "options", "step_count", "samples", "seed", "parameters" (name,
        shape, dtype and number of the group of each), "hyperparameters" (a list with a dict for
        each group; None where a schedule gives the value), "state" (parameter -> state -> array)
        and "model_state". "missed" is there if parameters were left out of updates: for each one,
        of how many.
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
                [str(name), list(shape), self._kind.name, group]
                for (name, shape), group in zip(
                    self._backend.shapes.items(), self._groups, strict=True
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

        Parameters in a dict are known by their names, in whatever order they come; only the random
        numbers that a rule draws depend on the order. A hyperparameter that is a number here takes
        its saved value, as in torch; one that is a schedule keeps it: a schedule is a function of
        the step, and goes on at the step that was reached.

        Raises:
            CheckpointError: the state dict is damaged, or of another rule or model, or has no
                number for a hyperparameter, as that was a schedule, and this learner has none;
                nothing has changed then.
        """
        own = self.state_dict()
        self._replace(check(state_dict, own, self._hyper, self._is_mapping), own)

    def _replace(self, progress: Progress, own: dict[str, Any]) -> None:
        """Take all of it over, or nothing, whatever interrupts."""
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
        """State name -> for each parameter its array, or None."""
        names = dict.fromkeys(state for own in states.values() for state in own)
        return {s: [states[name].get(s) for name in self._names] for s in names}

    def _take(self, progress: Progress) -> None:
        # First the clock: it says in which memory each value of a ring is.
        self._engine.set_clock(progress.step_count, progress.samples)
        self._engine.missed_steps = progress.missed
        self._engine.write_states(progress.states)
        self._seed = progress.seed
        self._engine.set_seed(self._seed)
        self._hyper.replace(progress.settings)
        if progress.parameters is not None:
            self._backend.write_parameters(progress.parameters)

    def save(self, path: Any, parameters: bool = False) -> None:
        """Write `state_dict` to a safetensors file, which appears whole or not at all.

        A link is followed, and a file that is replaced keeps its mode.

        Args:
            path: the file, as text or a `pathlib.Path`.
            parameters: whether the values of the parameters are to be in the file, too.

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
            parameters: whether to write the values in the file into the parameters, too.

        Raises:
            CheckpointError: there is no file (it is a `FileNotFoundError` then), it is damaged,
                lacks the parameters, or is of another rule or model; nothing has changed then.
        """
        _check_choice(parameters)
        own = self.state_dict()
        loaded = checkpoint.read(path, own, parameters)
        progress = check(loaded, own, self._hyper, self._is_mapping)
        if parameters:
            progress = replace(progress, parameters=self._checked_values(path, loaded["values"]))
        self._replace(progress, own)

    def _checked_values(self, path: Any, values: Mapping[Name, np.ndarray]) -> list[np.ndarray]:
        """The values of the parameters that a file has, in their order."""
        if not values:
            msg = f"{path} has no values of parameters; write them by save(path, parameters=True)."
            raise CheckpointError(msg)
        missing = [name for name in self._names if name not in values]
        if missing or len(values) > len(self._names):
            msg = f"{path} has values of other parameters than these: {quoted(list(values))}."
            raise CheckpointError(msg)
        likes = self._backend.like_parameters()
        return [
            checked_array(f"Parameter {name!r}", values[name], like)
            for name, like in zip(self._names, likes, strict=True)
        ]


def _check_choice(parameters: Any) -> None:
    if not isinstance(parameters, bool):
        msg = (
            f"parameters is True or False, for their values in the file; got {quoted(parameters)}."
        )
        raise CheckpointError(msg)
