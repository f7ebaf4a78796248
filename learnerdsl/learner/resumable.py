"""Show, set, save, load and reset what a learner keeps from update to update."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import CheckpointError, LearnerError
from learnerdsl.expr import symbols_in
from learnerdsl.interpret import evaluation_parameters
from learnerdsl.learner import checkpoint
from learnerdsl.learner.conversion import Conversion
from learnerdsl.learner.groups import Grouping
from learnerdsl.learner.hyperparameters import HyperTable, hyperparameters_in
from learnerdsl.learner.observed import Watching
from learnerdsl.learner.starts import refuse_parts, refuse_whole_values, start_values
from learnerdsl.learner.state_dict import Progress, check
from learnerdsl.learner.states import ModelStates, ParameterStates, States
from learnerdsl.learner.stored import Stored, as_float32
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.host import Name
from learnerdsl.runtime.arrays.interop import copy_to_host
from learnerdsl.runtime.backends import Backend
from learnerdsl.runtime.engine import Engine
from learnerdsl.storage import PARAMETER_REST, SCALE
from learnerdsl.tracing import Rule

_NO_MINIBATCH = {"minibatch_size": 1, "seed": 0}
"""Clock values for the evaluation parameters, which belong to no minibatch."""


class Resumable(Watching):
    """The states and the clock of a learner. `Learner` sets the attributes declared here."""

    _backend: Backend
    _engine: Engine
    _frozen: dict[Name, Any]
    _grouping: Grouping
    _groups: list[int]
    _hyper: HyperTable
    _is_mapping: bool
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
        `__cuda_array_interface__`, for `torch.as_tensor(array, device="cuda")`. What is assigned is
        rounded to nearest in the state's number type.
        """
        found = States()
        for k, (name, arrays) in enumerate(self._by_parameter(self._engine.states).items()):
            values = self._shown(k, arrays)
            dict.__setitem__(found, name, self._views(k, name, values))
        return found

    def _shown(self, k: int, pieces: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states of parameter `k` as its user sees them: 8-bit ones as their values."""
        shown = {name: pieces[name] for name in self._stored.symbols[k]}
        for name in shown:
            if self._stored.is_coded(k, name):
                own = (name, name + SCALE)
                codes = {piece: copy_to_host(pieces[piece]) for piece in own}
                shown[name] = self._stored.decode_one(k, name, codes)
        return shown

    def _views(self, k: int, parameter: Name, values: dict[str, Any]) -> ParameterStates:
        """Return the states of parameter `k` as a dict that writes what is assigned."""
        is_device = self._backend.name == "cuda"
        return ParameterStates(
            parameter,
            values,
            self._writer(k),
            through=[n for n in values if is_device or self._stored.is_coded(k, n)],
            unsigned=[n for n in values if not self._stored.is_signed(k, n)],
        )

    def _writer(self, k: int) -> Callable[[str, np.ndarray], None]:
        """Return a function that sets a state of parameter `k`, also in the memory of a device."""

        def write(state: str, array: np.ndarray) -> None:
            states = self._engine.read_states()
            for name, piece in self._stored.encode_one(k, state, array).items():
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
        shown = [rule.evaluation for rule in self._rules if rule.evaluation is not None]
        if not shown:
            return self._named(self._backend.on_host())
        refuse_whole_values(self._rules, self._backend.shards)
        step = self.step_count
        pieces = self._engine.read_states()
        values = evaluation_parameters(
            self._rules,
            self._stored.values_of(self._backend.on_host(), pieces),
            {**self._stored.decode(pieces), **self.model_state},
            self._values_in(shown, max(step, 1)),
            {"step": self._engine.tensor_steps, "samples": self.samples, **_NO_MINIBATCH},
        )
        return self._named(self._stored.parameters_of(values))

    def _named(self, arrays: Sequence[np.ndarray]) -> dict[Name, np.ndarray]:
        """Return new arrays where the parameters are, by name; with copies of the frozen ones."""
        found = dict(zip(self._names, self._backend.from_host(arrays), strict=True))
        found |= {name: _copied(array) for name, array in self._frozen.items()}
        return {name: found[name] for name in self._grouping.numbers}

    def master_parameters(self) -> dict[Name, np.ndarray]:
        """Return the weights with all bits that the learner keeps, as new NumPy arrays.

        They are float32 for narrow parameters; with `master="float32"` or `"split16"` they are
        exactly the weights of training in float32. For other parameters they are copies.
        """
        pieces = self._engine.read_states()
        values = self._stored.values_of(self._backend.copies(), pieces)
        return dict(zip(self._names, values, strict=True))

    def adopt_parameters(self) -> None:
        """Let master weights begin again at the present values of the parameters.

        A learner with `master=` keeps bits of its weights in an array of its own, so it does not
        notice all of what others write into the parameters: with `master="float32"` nothing, and
        otherwise it adds the bits that the former values lacked. Call this after you have written
        to the parameters; states and the step count stay. `load(path, parameters=True)` needs no
        such call.
        """
        states = self._engine.read_states()
        if PARAMETER_REST in states:
            for k, parameter in enumerate(self._backend.on_host()):
                for name, piece in self._stored.rest_of(k, parameter).items():
                    states[name][k] = piece
            self._engine.write_states({**states, **self._engine.read_model_states()})

    def _values_in(self, expressions: Iterable[Any], step: int) -> list[dict[str, float]]:
        """Return for each parameter the hyperparameters that expressions depend on, at a step."""
        needed = hyperparameters_in(dict.fromkeys(self._rules), expressions)
        return self._hyper.values(self._groups, needed, step)

    def reset(self) -> None:
        """Set all states to their start values and the step count to 0; parameters are kept.

        Master weights begin again at the present values of the parameters, as in
        `adopt_parameters`.
        """
        rules = dict.fromkeys(self._rules)
        starts = [sympy.sympify(spec.init) for rule in rules for spec in rule.states]
        needs_values = not symbols_in(*starts).isdisjoint(rule.parameter for rule in rules)
        needs_values = needs_values or not self._stored.is_plain
        arrays = self._backend.on_host() if needs_values else self._backend.like_parameters()
        parameters = self._stored.values_of(arrays)
        shards = self._backend.shards
        values = start_values(self._rules, parameters, shards, self._values_in(starts, 1))
        states = self._stored.encode(values, parameters)
        # Set the clock first: it decides in which slot each value of a ring lies.
        self._engine.set_clock(0, 0.0)
        self._engine.write_states(states)
        if self._watch is not None:
            self._watch.forget()

    def __reduce__(self) -> Any:
        """Refuse to be pickled or copied: the tables of a learner hold addresses of its arrays."""
        msg = "A learner is bound to its arrays; make a new one and load state_dict() into it."
        raise LearnerError(msg)

    def state_dict(self, parameters: bool = False, dtype: str | None = None) -> dict[str, Any]:
        """Return a copy of everything that the next updates depend on.

        Args:
            parameters: whether to return the values of the parameters too, under "values".
            dtype: None to return all arrays as they are stored, which resumes bitwise. "float32"
                to return what a learner of float32 parameters would: states as float32 values, and
                under "values" the parameters as such, with all bits of their master weights.

        Returns:
            A dict with the keys "rule", "version", "options", "step_count", "samples", "seed",
            "parameters" (name, shape, dtype and index of the group of each), "hyperparameters" (a
            list with a dict for each group; None where a schedule gives the value), "state"
            (parameter -> state -> array) and "model_state". If updates left parameters out,
            "missed" has the number of those updates for each parameter; if parameters are frozen,
            "frozen" has their names; if there are several groups, "group_options" has the options
            of each parameter. The states of a parameter have more arrays where number types
            need them: `<state>.scale` has the scales of 8-bit blocks, and "parameter.rest" the bits
            of a master weight that the parameter lacks.

        Raises:
            CheckpointError: an argument is none of these.
        """
        refuse_parts(self._backend.shards)
        _check_choice(parameters)
        _check_dtype(dtype)
        missed = self._engine.missed_steps
        states = self._engine.read_states()
        for name in () if self._watch is None else self._watch.states.values():
            del states[name]
        plain = [dtype or kind.name for kind in self._backend.kinds]
        options = [dict(rule.options) for rule in self._rules]
        found = {
            "rule": self._rule.name,
            "version": self._rule.version,
            "options": dict(self._rule.options),
            "step_count": self.step_count,
            "samples": self.samples,
            "seed": self._seed,
            "parameters": [
                [str(name), list(shape), kind, group]
                for (name, shape), kind, group in zip(
                    self._backend.shapes.items(), plain, self._groups, strict=True
                )
            ],
            "hyperparameters": [
                {name: None if callable(value) else value for name, value in group.items()}
                for group in self._hyper.settings
            ],
            "state": self._by_parameter(self._stored.plain(states) if dtype else states),
            "model_state": self._engine.read_model_states(),
            **({"missed": missed} if any(missed) else {}),
            **({"frozen": list(map(str, self._frozen))} if self._frozen else {}),
            **({"group_options": options} if len(self._hyper.settings) > 1 else {}),
        }
        if dtype:
            values = self._stored.values_of(self._backend.copies(), states)
            found["values"] = dict(zip(self._names, map(as_float32, values), strict=True))
        elif parameters:
            found["values"] = dict(zip(self._names, self._backend.copies(), strict=True))
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any], parameters: bool = False) -> None:
        """Continue from what `state_dict` returned; the updates that follow are bitwise the same.

        Parameters in a dict are matched by name, in any order; only the random numbers of a rule,
        and of stochastic rounding, depend on the order. A hyperparameter that is a number in this
        learner takes its saved value, as in torch. One that is a schedule keeps the schedule, which
        continues at the step that was loaded.

        The number types need not be the same. An array that was saved in another type is converted
        through its values: exactly if the learner's type holds them, else rounded to nearest. What
        float64 computes is not rounded to float32 unasked: save it with `dtype="float32"`.

        Without `parameters`, the parameters stay as they are. If the checkpoint has none, master
        weights then begin at the present values of the parameters.

        Args:
            state_dict: what `state_dict` returned, or the same read from a file of your own.
            parameters: whether to load the values of the parameters too, into the caller's arrays.

        Raises:
            CheckpointError: the state dict is damaged, lacks the parameters, or is of another rule
                or model; or a hyperparameter was a schedule when it was saved, and is a number
                here; or master weights were saved in another form, which needs `parameters=True`.
                Nothing was changed.
        """
        _check_choice(parameters)
        own = self.state_dict()
        self._replace(self._checked(state_dict, own, parameters), own)

    def _checked(self, given: Any, own: dict[str, Any], parameters: bool) -> Progress:
        """Return what a state dict says, checked, in the number types of this learner."""
        states = [own["state"][name] for name in self._names]
        shapes = list(self._backend.shapes.values())
        conversion = Conversion(self._stored, self._names, states, shapes, self._backend.on_host)
        return check(given, own, self._hyper, conversion, self._is_mapping, parameters)

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

    def continue_from(self, other: "Resumable") -> None:
        """Continue where a learner of some of these parameters is; the others begin now."""
        own, theirs = self.state_dict(), other.state_dict()
        steps = theirs["step_count"]
        missed = dict(zip(other._names, theirs.get("missed", [0] * len(other._names)), strict=True))
        settings = [dict(group) for group in self._hyper.settings]
        for group, known in zip(settings, other._hyper.settings, strict=False):
            group |= known
        progress = Progress(
            steps,
            theirs["samples"],
            theirs["seed"],
            {**self._by_state(own["state"] | theirs["state"]), **theirs["model_state"]},
            settings,
            [missed.get(name, steps) for name in self._names],
        )
        self._take(progress)
        if self._watch is not None and other._watch is not None:
            self._watch.history.adopt(other._watch.history)

    def snapshot(self) -> Callable[[], None]:
        """Return a function that puts everything back as it is now, bit for bit.

        That is the parameters, states, steps, hyperparameters with their schedules, and what was
        observed. Use it to try something out.

        >>> import numpy as np
        >>> from learnerdsl.learners import adam
        >>> learner = adam([np.zeros(2)])
        >>> put_back = learner.snapshot()
        >>> learner.update([np.ones(2)])
        True
        >>> put_back()
        >>> learner.parameters[0], learner.step_count
        (array([0., 0.]), 0)
        """
        engine, watch = self._engine, self._watch
        clock = engine.step_count, engine.samples
        missed, seed = list(engine.missed_steps), self._seed
        states = {**engine.read_states(), **engine.read_model_states()}
        settings = [dict(group) for group in self._hyper.settings]
        parameters = self._backend.copies()
        seen = None if watch is None else watch.kept()

        def put_back() -> None:
            # Set the clock first: it decides in which slot each value of a ring lies.
            engine.set_clock(*clock)
            engine.missed_steps = missed
            engine.write_states(states)
            self._seed = seed
            engine.set_seed(seed)
            self._hyper.replace(settings)
            self._backend.write_parameters(parameters)
            if watch is not None:
                watch.put_back(seen)

        return put_back

    def _by_state(self, states: Mapping[Name, Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Map each state name to a list with the array of each parameter, or None."""
        names = dict.fromkeys(state for own in states.values() for state in own)
        return {s: [states[name].get(s) for name in self._names] for s in names}

    def _take(self, progress: Progress) -> None:
        """Write checked values to the engine, the hyperparameters and the parameters."""
        # Set the clock first: it decides in which slot each value of a ring lies.
        self._engine.set_clock(progress.step_count, progress.samples)
        self._engine.missed_steps = progress.missed
        unseen = {} if self._watch is None else self._watch.empty_states()
        self._engine.write_states({**progress.states, **unseen})
        if self._watch is not None:
            self._watch.forget()
        self._seed = progress.seed
        self._engine.set_seed(self._seed)
        self._hyper.replace(progress.settings)
        if progress.parameters is not None:
            self._backend.write_parameters(progress.parameters)

    def save(self, path: Any, parameters: bool = False, dtype: str | None = None) -> None:
        """Write `state_dict` to a safetensors file, atomically.

        Symbolic links are followed, and a replaced file keeps its owner and mode.

        Args:
            path: the file, as text or a `pathlib.Path`.
            parameters: whether to write the values of the parameters too.
            dtype: None, or "float32" to write float32 values of everything; see `state_dict`.

        Raises:
            CheckpointError: the file cannot be written.
        """
        checkpoint.write(path, self.state_dict(parameters, dtype))

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
        self._replace(self._checked(loaded, own, parameters), own)


def _copied(array: Any) -> Any:
    """Return a copy of an array of any library, where it is."""
    return array.detach().clone() if hasattr(array, "detach") else array.copy()


def _check_choice(parameters: Any) -> None:
    if not isinstance(parameters, bool):
        msg = (
            "parameters must be True or False: whether the file holds their values, got "
            f"{quoted(parameters)}."
        )
        raise CheckpointError(msg)


def _check_dtype(dtype: Any) -> None:
    if dtype not in (None, "float32"):
        msg = (
            "dtype must be None, which keeps all arrays as they are, or 'float32', got "
            f"{quoted(dtype)}."
        )
        raise CheckpointError(msg)
