"""The Learner: a rule at work on arrays of the caller."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import is_
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import LearnerError, NonFiniteError
from learnerdsl.interpret import evaluation_parameters
from learnerdsl.rule import Rule, check_variants
from learnerdsl.runtime import checkpoint
from learnerdsl.runtime.absent import refuse_absent
from learnerdsl.runtime.arguments import (
    check_choice,
    check_form,
    check_takes_rows,
    checked_samples,
    checked_seed,
    picker,
    rules_for,
)
from learnerdsl.runtime.backends import choose_backend
from learnerdsl.runtime.engine import Done, Groups, fill_states
from learnerdsl.runtime.extras import ExtraInputs
from learnerdsl.runtime.gradients import NOTHING, LastArrays
from learnerdsl.runtime.hyper import Hyperparameters, HyperTable, group_numbers
from learnerdsl.runtime.memory import Arrays, Gradients, Name, named_arrays
from learnerdsl.runtime.sparse import NO_ROWS, RowSparse
from learnerdsl.runtime.turns import TOKEN, wait_for_turn

NONFINITE = ("propagate", "skip", "raise")
MISSING = ("raise", "skip")


class Learner:
    """Updates arrays in place by a rule, one fused launch for all of them.

    Made by calling a rule: `learner = adam(params, lr=1e-3)`.

    Args:
        rule: a traced rule, or a function of a parameter's shape that gives one, for rules that
            treat tensors of different shapes differently.
        params: dict or sequence of contiguous, writable arrays of one dtype, float32 or float64:
            of NumPy, or of PyTorch, CuPy or another library on one GPU. The learner keeps them and
            updates their memory; they may have any shape.
        backend: "cpu" (compiled), "cuda", "numpy" (interpreted: slow, the oracle) or "auto", which
            follows the arrays.
        groups: `[{"params": ["b"], "lr": 0.0}]`: parameters with hyperparameters of their own.
        nonfinite: what to do when a gradient holds NaN or infinity: "propagate" it, "skip" the
            update, or "raise". The last two look at all gradients before anything is written.
        seed: of the random numbers of rules that draw some, from 0 up to 2**53.
        missing: what to do when a dict of gradients leaves parameters out: "raise", or "skip" them
            as if their gradients were None.
        hyperparameters: values or schedules that replace the rule's defaults.

    Raises:
        LearnerError: what is wrong with an argument, and what to write instead.
    """

    def __init__(
        self,
        rule: Rule | Callable[[tuple[int, ...]], Rule],
        params: Arrays,
        *,
        backend: str = "auto",
        groups: Sequence[Mapping[str, Any]] | None = None,
        nonfinite: str = "propagate",
        seed: int = 0,
        missing: str = "raise",
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice("nonfinite", nonfinite, NONFINITE)
        check_choice("missing", missing, MISSING)
        self._missing = missing
        self._nonfinite = nonfinite
        self._seed = checked_seed(seed)
        self._is_mapping = isinstance(params, Mapping)
        self._parameters = named_arrays(params, "Parameters")
        self._backend = choose_backend(backend, self._parameters)
        self._kind = self._backend.kind
        self._names = list(self._parameters)
        self._rules = rules_for(rule, self._backend.shapes)
        self._rule = self._rules[0]
        check_variants(self._rules)
        self._groups, overrides = group_numbers(self._names, groups or ())
        self._hyper = HyperTable(self._rule, hyperparameters or {}, overrides)
        count = Groups(self._groups, len(self._hyper.settings))
        check_finite = nonfinite != "propagate"
        self._engine = self._backend.engine(self._rules, count, check_finite, self._seed)
        self._hyper.attach(self._engine)
        self._minibatch_size: Any = 1
        self._engine.set_minibatch_size(1)
        self.reset()
        states = [(first, end, self._names[k]) for first, end, k in self._engine.state_spans()]
        check = partial(self._backend.check, states=states)
        self._check = check("gradient")
        self._extras = ExtraInputs(self._rule, self._names, self._is_mapping, check)
        self._bound = LastArrays(len(self._names), self._backend.holds_gradients)
        self._pick: Callable[[Any], tuple[Any, ...]] = picker(self._names)
        self._turn = [TOKEN]

    def update(self, gradients: Gradients, minibatch_size: float = 1, **extras: Any) -> bool:
        """Do one update of all parameters, in place.

        Args:
            gradients: arrays of the parameters' shapes and dtype, in the same form (dict or
                sequence), in memory of their own, or `RowSparse` ones. An array that was passed
                for the same parameter in the update before is not checked again, so filling the
                same arrays anew costs less than passing new ones (2 to 5 microseconds an update).
                On the host, arrays of another float type or of another layout (strides, byte
                order) are copied into the parameter's type in every update. None skips its
                parameter: that and its states stay as they are, also its own count of steps, which
                `step` is in a rule; schedules follow the learner's `step_count`, which counts
                every update, even one without any gradient.
            minibatch_size: number of samples the gradients are of, for rules that use it.
            extras: what else the rule asks for by `extra(name)`, such as `loss=0.7`: numbers, or
                arrays in the same form as the gradients.

        On a GPU the update is started on the current stream of the arrays' library, and nothing
        waits for it, except with `nonfinite="raise"`.

        Threads that update one learner wait for each other.

        Returns:
            Whether the update was done; False only with `nonfinite="skip"`. On a GPU that is an
            object then, which waits for the update when it is asked for its truth.

        Raises:
            LearnerError: a gradient or schedule that cannot be used; nothing has changed then.
        """
        turn = self._turn
        while True:
            try:
                token = turn.pop()
                break
            except IndexError:
                wait_for_turn(self, turn, Learner.update)
        try:
            if minibatch_size is not self._minibatch_size:
                self._set_minibatch_size(minibatch_size)
            try:
                fits = len(gradients) == len(self._names)
                arrays = self._pick(gradients) if self._is_mapping else tuple(gradients)
            except (KeyError, TypeError, IndexError):
                fits, arrays = False, ()
            if not fits:
                arrays = self._complete(gradients)
            absent: Sequence[int] = ()
            if not all(map(is_, arrays, self._bound.present())):
                absent = self._bind(gradients, arrays)
            if extras or self._extras.names:
                self._extras.take(extras, self._engine, absent)
            if self._hyper.scheduled:
                self._hyper.refresh()
            engine = self._engine
            refusal = engine.launch_without(absent) if absent else engine.launch()
            return True if self._nonfinite == "propagate" else self._settle(refusal)
        finally:
            turn.append(token)

    def refresh(self) -> None:
        """Before a CUDA graph replays a captured update: send the device what has changed.

        That is the hyperparameters that were set since, and what schedules say of the coming step;
        the replay itself runs no Python. It counts the update, so call it before
        every replay if hyperparameters have schedules; without those, only where one was set.

        Raises:
            LearnerError: the learner works on the host, or a schedule has no value.
        """
        if self._hyper.scheduled:
            self._hyper.refresh()
        self._engine.refresh()

    def _bind(self, gradients: Gradients, arrays: tuple[Any, ...]) -> Sequence[int]:
        """Check the arrays that are new, all of them before one is used.

        Returns:
            Numbers of the parameters that have no gradient.
        """
        if not self._is_mapping and type(gradients) not in (list, tuple):
            arrays = self._complete(gradients)
        bound = self._bound.present()
        changed = [k for k, array in enumerate(arrays) if array is not bound[k]]
        checked = self._check.check(changed, [arrays[k] for k in changed])
        rows = {k: a.indices for k, a in enumerate(arrays) if isinstance(a, RowSparse)}
        for k in rows:
            check_takes_rows(self._rules[k], self._names[k])
        absent = [changed[p] for p in checked.unlasting if checked.arrays[p] is NOTHING]
        if absent:
            refuse_absent(self._rules, self._names[absent[0]])
            rows |= dict.fromkeys(absent, NO_ROWS)
        # An exception that comes in between leaves nothing half known: all is bound anew then.
        self._bound.forget()
        self._engine.bind(1, changed, checked.arrays, checked.addresses)
        self._engine.select_rows(rows)
        self._bound.keep(arrays, changed, checked)
        return absent

    def _complete(self, gradients: Any) -> tuple[Any, ...]:
        """The gradients in the order of the parameters, or an error that says what is wrong."""
        check_form("Gradients", gradients, self._is_mapping)
        given = named_arrays(gradients, "Gradients")
        may_miss = self._is_mapping and self._missing == "skip"
        self._check.refuse_names(list(given), () if may_miss else self._names)
        return tuple(map(given.get, self._names))

    def _settle(self, refusal: Any) -> Any:
        """What `update` answers where gradients that are not finite forbid it."""
        if self._nonfinite == "skip":
            return refusal == 0 if isinstance(refusal, float) else Done(refusal)
        if float(refusal):
            bad = [repr(self._names[k]) for k in self._engine.find_nonfinite(self._bound.values)]
            msg = f"Gradients of {', '.join(bad)} hold NaN or infinity; nothing was updated."
            raise NonFiniteError(msg)
        return True

    def _set_minibatch_size(self, value: Any) -> None:
        size = checked_samples(value)
        self._minibatch_size = None  # unknown, until the engine has it
        self._engine.set_minibatch_size(size)
        self._minibatch_size = value if type(value) in (int, float) else None

    @property
    def parameters(self) -> Mapping[Name, np.ndarray]:
        """Name (or index) -> the caller's array."""
        return MappingProxyType(self._parameters)

    @property
    def state(self) -> dict[Name, dict[str, np.ndarray]]:
        """Parameter -> state name -> array; the memory that updates use, so writing changes it.

        A state of shape "tensor" is a float64 array of shape (). On a GPU that is a copy, and the
        others speak `__cuda_array_interface__`, for `torch.as_tensor(array, device="cuda")`.
        """
        return self._by_parameter(self._engine.states)

    def _by_parameter(self, states: Mapping[str, Sequence[Any]]) -> dict[Name, dict[str, Any]]:
        """Parameter -> state name -> array."""
        return {
            name: {state: a[k] for state, a in states.items() if a[k] is not None}
            for k, name in enumerate(self._names)
        }

    @property
    def model_state(self) -> dict[str, float]:
        """Values of the states of shape "model"."""
        return self._engine.read_model_states()

    @property
    def step_count(self) -> int:
        """Number of updates done."""
        return self._engine.step_count

    @property
    def samples(self) -> float:
        """Number of samples seen: the sum of `minibatch_size` over the updates done."""
        return self._engine.samples

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of what `update` takes beside the gradients, as `loss`."""
        return self._extras.names

    def evaluation_parameters(self) -> dict[Name, np.ndarray]:
        """New arrays with the parameters to evaluate a model with.

        Rules that average weights declare these by `evaluate(...)`; of the others they are copies
        of the parameters.
        """
        clock = {"step": self._engine.tensor_steps, "samples": self.samples}
        clock |= {"minibatch_size": 1, "seed": 0}
        values = evaluation_parameters(
            self._rules,
            self._backend.on_host(),
            {**self._engine.read_states(), **self.model_state},
            self._hyper.values(self._groups),
            clock,
        )
        return dict(zip(self._names, self._backend.from_host(values), strict=True))

    @property
    def threads(self) -> str:
        """What runs the updates: "serial", or the number of threads and who provides them."""
        return self._engine.threads

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The hyperparameters of all parameters that are in no group with a value of its own."""
        return Hyperparameters(self._hyper, 0)

    @property
    def groups(self) -> tuple[Hyperparameters, ...]:
        """The hyperparameters of each of the `groups` given at construction, in that order."""
        return tuple(Hyperparameters(self._hyper, k) for k in range(1, len(self._hyper.settings)))

    def reset(self) -> None:
        """Give all states their start values and count steps from 0; parameters stay."""
        clock = self._engine.step_count, self._engine.samples
        self._engine.set_clock(0, 0.0)
        try:
            values = self._hyper.values(self._groups)
        except BaseException:
            self._engine.set_clock(*clock)
            raise
        needs_values = any(
            rule.parameter in sympy.sympify(spec.init).free_symbols
            for rule in dict.fromkeys(self._rules)
            for spec in rule.states
        )
        parameters = self._backend.on_host() if needs_values else self._backend.like_parameters()
        fill_states(self._engine, self._rules, parameters, values)

    def __reduce__(self) -> Any:
        """Refused: the tables of a learner hold addresses of its arrays."""
        msg = "A learner is bound to its arrays; make a new one and give it state_dict()."
        raise LearnerError(msg)

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the next updates depend on, but for the parameters themselves.

        Keys: "rule", "version", "options", "step_count", "samples", "seed", "hyperparameters" (a
        list with a dict for each group; None where a schedule gives the value), "state" (parameter
        -> state -> array) and "model_state".
        """
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
            "model_state": self.model_state,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; the updates that follow are bitwise the same.

        Hyperparameters that were numbers take their saved values, as in torch; schedules are
        functions of the step, so those of this learner go on at the step that was reached.

        Raises:
            CheckpointError: the state dict is of another rule or model; nothing has changed then.
        """
        checkpoint.check_matches(state_dict, self.state_dict(), self._hyper.checked)
        # First the clock: it says in which memory each value of a ring is.
        self._engine.set_clock(state_dict["step_count"], state_dict["samples"])
        given = state_dict["state"]
        states = {
            state: [given[name].get(state) for name in self._names]
            for state in {state: None for own in given.values() for state in own}
        }
        self._engine.write_states({**states, **state_dict["model_state"]})
        self._seed = state_dict["seed"]
        self._engine.set_seed(self._seed)
        for own, saved in zip(self._hyper.settings, state_dict["hyperparameters"], strict=False):
            own |= {
                name: value
                for name, value in saved.items()
                if value is not None and not callable(own.get(name))
            }
        self._hyper.publish()

    def save(self, path: str | Path) -> None:
        """Write `state_dict` to a safetensors file, which appears whole or not at all."""
        checkpoint.write(path, self.state_dict())

    def load(self, path: str | Path) -> None:
        """Continue from a file that `save` wrote; see `load_state_dict`.

        Raises:
            CheckpointError: the file is damaged or of another rule or model; nothing has changed.
            FileNotFoundError: there is no such file.
        """
        self.load_state_dict(checkpoint.read(path, self.state_dict()))

    def __repr__(self) -> str:
        count = sum(map(math.prod, self._backend.shapes.values()))
        return (
            f"<Learner {self._rule.name}: {len(self._names)} parameters, {count:,} elements, "
            f"step {self.step_count}, backend {self._backend.name}>"
        )
