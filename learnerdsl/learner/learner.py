"""Define Learner, which updates the caller's arrays by a rule and shows the code that does it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import is_
from types import MappingProxyType
from typing import Any

import numpy as np

from learnerdsl.cards import counted
from learnerdsl.errors import (
    LearnerError,
    NonFiniteError,
    UnknownAttributeError,
)
from learnerdsl.learner.checks import (
    check_choice,
    check_form,
    check_takes_rows,
    checked_samples,
    checked_seed,
    picker,
    refuse_later_start,
    rules_for,
)
from learnerdsl.learner.extras import ExtraInputs, refuse_divided
from learnerdsl.learner.groups import check_some_are_trained, grouped, matching
from learnerdsl.learner.hyperparameters import (
    GroupViews,
    Hyperparameters,
    HyperTable,
    names_of_groups,
)
from learnerdsl.learner.inspectable import Inspectable
from learnerdsl.learner.observed import watched
from learnerdsl.learner.precision import precisions_for
from learnerdsl.learner.reshaping import Reshape, as_seen, refuse_rows_of_reshaped, seen_shapes
from learnerdsl.learner.resumable import Resumable
from learnerdsl.learner.stored import Stored
from learnerdsl.learner.undoing import Undoer, Undoing
from learnerdsl.numbers import quoted
from learnerdsl.runtime.absent import refuse_absent
from learnerdsl.runtime.arrays.gradients import NOTHING, Addresses, LastArrays
from learnerdsl.runtime.arrays.host import Arrays, Gradients, Name, named_arrays
from learnerdsl.runtime.arrays.interop import version_counter
from learnerdsl.runtime.arrays.nested import flattened
from learnerdsl.runtime.arrays.sparse import NO_ROWS, RowSparse
from learnerdsl.runtime.backends import choose_backend
from learnerdsl.runtime.engine import Outcome
from learnerdsl.runtime.shards import array_of
from learnerdsl.runtime.turns import TOKEN, is_nested, wait_for_turn
from learnerdsl.runtime.work import Work
from learnerdsl.tracing import Rule, check_variants

NONFINITE = ("propagate", "skip", "raise")
MISSING = ("raise", "skip")
NESTED = (
    "This learner is in the middle of an update, so a function that the update calls, such as a "
    "schedule, cannot update it again."
)


OneRule = Rule | Callable[[tuple[int, ...]], Rule]


class Learner(Resumable, Undoing, Inspectable):
    r"""Updates arrays in place by a rule, in one launch for all of them, and shows its code.

    Call a rule to make one: `learner = adam(params, lr=1e-3)`.

    Args:
        rule: a traced rule; or a function that takes the shape of a parameter and returns a traced
            rule, for rules that treat tensors of different shapes differently; or a list with one
            of these for each parameter, all variants of one rule.
        params: dict or sequence of contiguous, writable arrays (any shape) of float32, float64,
            bfloat16 (of ml_dtypes) or float16: of NumPy, of PyTorch on the CPU, or of PyTorch, CuPy
            or another library on one GPU. The learner keeps the arrays and updates their memory.
            Dicts, lists, tuples and dataclasses may be nested; then arrays have their paths as
            names, such as "layers.0.weight", and gradients come in the same form or by path.
        backend: "cpu" (compiled), "cuda", "numpy" (interpreted by the oracle: slow) or "auto",
            which follows the arrays.
        groups: parameters with hyperparameters of their own, `[{"params": ["b"], "lr": 0.0}]`.
            Where a rule is called, they may have options of their own, too. "params" is a list of
            names, a pattern such as "*.bias", or a function of name and array. With
            `"frozen": True` the parameters of a group stay as they are: they have no states, need
            no gradients, and do not count in sums over the model; see `thaw`.
        nonfinite: what to do if a gradient holds NaN or infinity: "propagate" it, "skip" the
            update, or "raise". The last two check all gradients before anything is written.
        seed: seed of the random numbers of the rule, 0 or more and less than 2**53.
        missing: what to do if a dict of gradients leaves parameters out: "raise", or "skip" them
            as if their gradients were None.
        states: number type of the states in memory: one for all states with a value per element,
            such as "bfloat16", or a dict such as `{"m": "int8", "v": "uint8"}`. By default states
            are as the rule declares, else float32, and float64 for float64 parameters.
        master: how to keep more bits of bfloat16 or float16 parameters: "float32", "split16",
            "split8" or "kahan"; None for not at all.
        rounding: how narrow states are rounded, and narrow parameters without master weights:
            "nearest" (ties to even), or "stochastic".
        products: how matrices are multiplied: "full", in float32 (float64 for float64 parameters),
            which None means too; or "bfloat16", which is faster on machines with units for it.
        observe: what to observe in every update, in the sweeps that it makes anyway: names among
            "grad_norm", "update_norm", "param_norm" (before the update), "update_ratio" (of these
            two) and "nonfinite" (values of gradients that are NaN or infinite); or a dict with a
            function for each name, such as `{"largest": lambda p, new: ld.max(abs(new - p))}`.
            Its arguments are `p`, `g`, `new`, or names of values of the rule. `learner.observed`
            has the numbers.
        reshape: the shape in which the rule sees a parameter, its gradient and extras: a function
            of name and shape that returns a shape of as many elements, with -1 for one length, or
            None for the parameter's own. `lambda name, shape: (shape[0], -1) if len(shape) == 4
            else None` makes matrices of the kernels of convolutions, and `(12, 64, -1)` of a weight
            with 12 heads of 64 rows a stack of 12 matrices. States have the shape that the rule
            sees; what `update` takes, and methods return, has that of the parameter.
        hyperparameters: values or schedules that replace the defaults of the rule.

    Number types are those of memory: updates load values, compute in float32 (or float64), and
    round what they store.

    * "bfloat16" has 8 bits of precision and the range of float32, "float16" has 11 bits and ends at
      65504.
    * "int8" and "uint8" (for states that are never negative) have a float32 scale s for each 256
      elements and are finer near 0 (https://arxiv.org/abs/2602.23349): x is $s c / (254 - |c|)$ of
      a signed code c, and $(s c / 255)^2$ of one without sign.
    * `master="float32"` keeps a float32 copy of the weights. "split16" keeps the 16 bits that a
      bfloat16 parameter lacks, so both together are the same float32 weight in less memory, and
      "split8" the first 8 of them, rounded. "kahan" keeps what rounding lost, in the type of the
      parameter (Kahan summation, https://arxiv.org/abs/2010.06192).
    * `rounding="stochastic"` rounds to one of the two neighbours $a < x < b$, to b with probability
      $(x - a) / (b - a)$, so that small steps are right on average
      (https://arxiv.org/abs/1502.02551). The bits come from `seed`, the step and the element, and
      are the same on every backend.
    * `products="bfloat16"` rounds the operands of every product of matrices to bfloat16, adds up in
      float32, and rounds the result to bfloat16. A sum of a product and one of its operands,
      $\alpha A B + \beta B$ with numbers $\alpha$ and $\beta$, is rounded once. It needs PyTorch,
      except with `backend="numpy"`.

    Raises:
        LearnerError: an argument cannot be used; the message says what to write instead.
    """

    def __init__(
        self,
        rule: OneRule | Sequence[OneRule],
        params: Arrays,
        *,
        backend: str = "auto",
        groups: Sequence[Mapping[str, Any]] | None = None,
        nonfinite: str = "propagate",
        seed: int = 0,
        missing: str = "raise",
        states: str | Mapping[str, str] | None = None,
        master: str | None = None,
        rounding: str = "nearest",
        products: str | None = None,
        observe: Sequence[str] | Mapping[str, Any] | None = None,
        reshape: Reshape | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        self._made_of: Mapping[str, Any] = MappingProxyType(
            {
                "rule": rule,
                "params": params,
                "backend": backend,
                "nonfinite": nonfinite,
                "missing": missing,
                "states": states,
                "master": master,
                "rounding": rounding,
                "products": products,
                "observe": observe,
                "reshape": reshape,
            }
        )
        # The order matters. All arguments are checked before the engine is made, because that
        # compiles the rule and allocates the states.
        check_choice("nonfinite", nonfinite, NONFINITE)
        check_choice("missing", missing, MISSING)
        self._missing, self._nonfinite = missing, nonfinite
        self._seed = checked_seed(seed)
        params = flattened(params)
        self._is_mapping = isinstance(params, Mapping)
        every = named_arrays(params, "Parameters")
        grouping = self._grouping = grouped(every, groups)
        check_some_are_trained(grouping)
        self._frozen = {name: every[name] for name in every if grouping.is_frozen(name)}
        given = {name: array for name, array in every.items() if name not in self._frozen}
        self._parameters = {name: array_of(array) for name, array in given.items()}
        seen = seen_shapes(reshape, given)
        self._backend = choose_backend(backend, given, seen)
        self._names = list(self._parameters)
        is_device = self._backend.name == "cuda"
        if isinstance(rule, (list, tuple)):
            rule = [own for own, name in zip(rule, every, strict=True) if name in given]
        traced = rules_for(rule, self._backend.shapes)
        self._rules, self._watch = watched(observe, traced, self._backend.shapes, is_device)
        self._rule = self._rules[0]
        check_variants(self._rules)
        refuse_divided(self._rules, self._backend.shards)
        kinds = self._backend.kinds
        self._choices: dict[str, Any] = {
            "states": states,
            "master": master,
            "rounding": rounding,
            "products": products,
        }
        self._precisions = precisions_for(self._rules, kinds, states, master, rounding, products)
        self._stored = Stored(self._rules, self._precisions)
        self._groups = [grouping.numbers[name] for name in self._names]
        own = {} if hyperparameters is None else hyperparameters
        names = names_of_groups(self._rules, self._groups, 1 + len(grouping.overrides))
        self._hyper = HyperTable(self._rule, own, grouping.overrides, names)
        work = Work(
            rules=self._rules,
            shapes=list(self._backend.shapes.values()),
            groups=self._groups,
            group_count=len(self._hyper.settings),
            numbers=range(len(self._names)),
            seed=self._seed,
            check_finite=nonfinite != "propagate",
            precisions=self._precisions,
            shards=self._backend.shards,
        )
        self._engine = self._backend.engine(work)
        # The engine needs the hyperparameters before reset: start values may depend on them.
        # Refreshing them now refuses a schedule without a first value before any update.
        self._hyper.attach(self._engine)
        self._hyper.refresh()
        self._minibatch_size: Any = 1
        self._engine.set_minibatch_size(1)
        self.reset()
        self._prepare_updates()

    def _prepare_updates(self) -> None:
        """Make what an update needs besides the engine."""
        # Gradients and extras must not share memory with the states, so their checks are made
        # when the addresses of the states are known.
        spans = [(first, end, self._names[k]) for first, end, k in self._engine.state_spans()]
        check = partial(self._backend.check, states=spans)
        self._check = check("gradient")
        self._is_choosing = False
        self._may_be_absent = False  # not known
        shapes = list(self._backend.shapes.values())
        self._seen = None if self._made_of["reshape"] is None else shapes
        own = self._names, self._is_mapping, check, self._frozen, self._seen
        self._extras = ExtraInputs(self._rules, shapes, *own)
        # Gradients in a sequence have the places of all parameters, frozen ones too.
        has_gaps = bool(self._frozen) and not self._is_mapping
        self._expected = -1 if has_gaps else len(self._names)
        holds = self._backend.holds_gradients or self._nonfinite == "raise"
        self._bound = LastArrays(len(self._names), holds)
        self._count_version = version_counter(self._parameters.values())
        is_counted = self._count_version is not None or self._watch is not None
        self._needs_no_settling = self._nonfinite == "propagate" and not is_counted
        self._pick: Callable[[Any], tuple[Any, ...]] = picker(self._names)
        self._turn = [TOKEN]
        self._undoer_key = None

    def update(
        self, gradients: Gradients, minibatch_size: float = 1, **extras: Any
    ) -> bool | Outcome:
        """Do one update of all parameters, in place.

        Args:
            gradients: arrays with the shapes and the dtype of the parameters, in the same form
                (dict or sequence), in memory of their own; or `RowSparse` gradients. An array that
                was also the previous gradient of its parameter is not checked again, so refilling
                the same arrays is cheaper than passing new ones (it saves 2 to 5 microseconds an
                update). On the host, an array of another float type or layout (strides, byte order)
                is copied into the parameter's type in every update. None skips its parameter: the
                parameter, its states and its own step count, which a rule sees as `step`, stay as
                they are. Schedules follow the learner's `step_count`, which counts every update,
                even one without any gradient.
            minibatch_size: number of samples in the minibatch, for rules that use it.
            extras: the other inputs that the rule declares by `extra(name)`, such as `loss=0.7`: a
                number for the model; or numbers or arrays for the parameters, of the shape that the
                rule asks for, in the same form as the gradients.

        On a GPU the update is queued on the current stream of the arrays' library. Nothing waits
        for it, except with `nonfinite="raise"`.

        Threads that update the same learner wait for each other.

        Returns:
            Whether the update was done. It is False only with `nonfinite="skip"`; on a GPU the
            result is then an object whose truth value waits for the update.

        Raises:
            LearnerError: a gradient, an extra or a schedule cannot be used; nothing was changed.
        """
        # A list with one token is a cheap lock: pop and append are atomic. See runtime/turns.py.
        turn = self._turn
        while True:
            try:
                token = turn.pop()
                break
            except IndexError:
                if is_nested(self, Learner.update, Learner.undo):
                    raise LearnerError(NESTED) from None
                wait_for_turn(self, turn, Learner.update, Learner.undo)
        try:
            if minibatch_size is not self._minibatch_size:
                self._set_minibatch_size(minibatch_size)
            absent: Sequence[int] = ()
            if type(gradients) is Addresses:
                absent = self._bind_addresses(gradients)
            else:
                try:
                    fits = len(gradients) == self._expected
                    arrays = self._pick(gradients) if self._is_mapping else tuple(gradients)
                except (KeyError, TypeError, IndexError):
                    fits, arrays = False, ()
                if not fits:
                    arrays = self._complete(gradients)
                # Most updates pass the arrays of the previous one. `map(is_, ...)` compares them
                # without running Python code for each array, so the usual case skips all checks;
                # only new arrays are checked and bound. `present` has a sentinel in place of each
                # array that was freed, which no argument can be.
                if not all(map(is_, arrays, self._bound.present())):
                    absent = self._bind(gradients, arrays)
            if extras or self._extras.names or self._hyper.scheduled:
                self._send(extras, absent)
            engine = self._engine
            refusal = engine.launch_without(absent) if absent else engine.launch()
            return True if self._needs_no_settling else self._settle(refusal, absent)
        finally:
            turn.append(token)

    def _send(self, extras: Mapping[str, Any], absent: Sequence[int]) -> None:
        """Pass extras and the values of schedules to the engine."""
        if extras or self._extras.names:
            self._extras.take(extras, self._engine, absent)
        if self._hyper.scheduled:
            self._hyper.refresh()

    def undo(
        self, gradients: Gradients, minibatch_size: float = 1, **extras: Any
    ) -> bool | Outcome:
        r"""Take the last update back, in place: restore what it changed, up to rounding.

        The parameters, the states, the step count and the number of samples become those before
        the update, and schedules follow. A rule for this is derived from the rule of the learner,
        by solving its assignments for the old values (`rule.inverse()` shows it), and compiled like
        any rule, so it takes little more than the time of an update, and no copy of anything. To
        take back several updates, pass their gradients from the last to the first.

        The result is not bitwise what was there before. An error in a state is divided by what the
        state was multiplied by, such as $\beta_1$, so it grows with each update that is taken back,
        and a state that decays fast loses all digits in some updates. See docs/undo.md for what
        this comes to. `learner.snapshot()` is exact, and keeps a copy.

        Args:
            gradients: those of the update, which hyperparameters must not have changed since.
            minibatch_size: that of the update.
            extras: those of the update.

        Returns:
            Whether the update was undone. It is False only with `nonfinite="skip"`, if the update
            was skipped too.

        Raises:
            LearnerError: there is no update, the old values are not kept, or a gradient or an extra
                cannot be used; nothing was changed.

        >>> import numpy as np
        >>> from learnerdsl.learners import adamw
        >>> w, g = np.ones(2), np.array([0.5, -3.0])
        >>> learner = adamw([w], lr=0.1)
        >>> learner.update([g]), w.round(3)
        (True, array([0.899, 1.099]))
        >>> learner.undo([g]), w.round(12), learner.step_count
        (True, array([1., 1.]), 0)
        """
        turn = self._turn
        while True:
            try:
                token = turn.pop()
                break
            except IndexError:
                if is_nested(self, Learner.update, Learner.undo):
                    raise LearnerError(NESTED) from None
                wait_for_turn(self, turn, Learner.update, Learner.undo)
        try:
            return self._take_back(gradients, checked_samples(minibatch_size), extras)
        finally:
            turn.append(token)

    def _make_undoer(self, rules: Sequence[Rule]) -> "Learner":
        """Return a learner of the same arrays and states, by other rules."""
        own = dict(zip(self._names, rules, strict=True))
        every = [own.get(name, self._rule) for name in self._grouping.numbers]
        return _Undoer(self, every)

    def refresh(self) -> None:
        """Send changed hyperparameters to the device before a CUDA graph replays an update.

        A replay runs no Python, so it uses the values that the device has. If hyperparameters have
        schedules, call this before every replay: it counts the update and evaluates the schedules
        for it. Without schedules, call it only after you set a hyperparameter.

        Raises:
            LearnerError: the learner works on the host, or a schedule has no value.
        """
        if self._hyper.scheduled:
            self._hyper.refresh()
        self._engine.refresh()

    def _bind(self, gradients: Gradients, arrays: tuple[Any, ...]) -> Sequence[int]:
        """Check all new arrays, then pass them to the engine.

        Returns:
            The indices of the parameters without a gradient.
        """
        if not self._is_mapping and type(gradients) not in (list, tuple):
            arrays = self._complete(gradients)
        if self._is_choosing:  # an exception came in between
            self._choose_types(self._check.given)
        bound = self._bound.present()
        changed = [k for k, array in enumerate(arrays) if array is not bound[k]]
        checked = self._check.check(changed, [arrays[k] for k in changed])
        while checked.types:  # at most twice: then the types of all gradients are known
            self._choose_types(checked.types)
            changed = list(range(len(arrays)))
            checked = self._check.check(changed, arrays)
        rows = {k: a.indices for k, a in enumerate(arrays) if isinstance(a, RowSparse)}
        refuse_rows_of_reshaped(self._names, rows, self._seen, self._check.shapes)
        for k in rows:
            check_takes_rows(self._rules[k], self._names[k], self._precisions[k].has_blocks)
            if self._watch is not None:
                self._watch.refuse_rows(self._names[k])
        absent = [changed[p] for p in checked.unlasting if checked.arrays[p] is NOTHING]
        if absent:
            self._refuse_absent(absent[0])
            rows |= dict.fromkeys(absent, NO_ROWS)
        # Forget first: if an exception interrupts, the next update binds every array again.
        self._bound.forget()
        seen = as_seen(checked.arrays, changed, self._seen)
        self._engine.bind(1, changed, seen, checked.addresses)
        self._engine.select_rows(rows)
        self._bound.keep(arrays, changed, checked)
        return absent

    def _bind_addresses(self, given: Addresses) -> Sequence[int]:
        """Pass the addresses of gradients to the engine; return the indices of those missing."""
        if given.absent:
            self._refuse_absent(given.absent[0])
        self._bound.forget()
        engine: Any = self._engine
        engine.bind_addresses(given.values)
        engine.select_rows(dict.fromkeys(given.absent, NO_ROWS))
        return given.absent

    def _refuse_absent(self, index: int) -> None:
        """Raise if the rule needs the gradients of all parameters, also that with this index."""
        if not self._may_be_absent:
            refuse_absent(self._rules, self._names[index])
            self._may_be_absent = True

    def _choose_types(self, given: Sequence[str | None]) -> None:
        """Choose the number types in which kernels read gradients of the types `given`."""
        self._is_choosing = True
        self._bound.forget()
        types = self._engine.choose_gradients(given)
        self._check.adopt(types)
        pairs = zip(self._precisions, types, strict=True)
        self._precisions = [replace(own, gradient=kind) for own, kind in pairs]
        self._is_choosing = False

    def _complete(self, gradients: Any) -> tuple[Any, ...]:
        """Return the gradients in the order of the parameters, or raise an error."""
        gradients = flattened(gradients) if self._is_mapping else gradients
        check_form("Gradients", gradients, self._is_mapping)
        given = named_arrays(gradients, "Gradients")
        given = {name: g for name, g in given.items() if name not in self._frozen}
        may_miss = self._is_mapping and self._missing == "skip"
        self._check.refuse_names(list(given), () if may_miss else self._names)
        return tuple(map(given.get, self._names))

    def _settle(self, result: float | Outcome, absent: Sequence[int]) -> bool | Outcome:
        """Tell autograd of an update; return what `update` returns, or raise."""
        if self._count_version is not None:
            self._count_version(absent)
        if self._watch is not None:
            self._watch.note(self._engine, result, absent)
        if self._nonfinite == "propagate":
            return True
        outcome = result if isinstance(result, Outcome) else result == 0
        if self._nonfinite == "skip":
            return outcome
        if not outcome:
            bad = [repr(self._names[k]) for k in self._engine.find_nonfinite(self._bound.values)]
            msg = f"Gradients of {', '.join(bad)} hold NaN or infinity; nothing was updated."
            raise NonFiniteError(msg)
        return True

    def _set_minibatch_size(self, value: Any) -> None:
        """Check the minibatch size, send it to the engine, and remember it."""
        size = checked_samples(value)
        self._minibatch_size = None  # if the next line is interrupted, the engine is asked again
        self._engine.set_minibatch_size(size)
        self._minibatch_size = value if type(value) in (int, float) else None

    @property
    def parameters(self) -> Mapping[Name, np.ndarray]:
        """The arrays that updates change by name, or by index if they came in a sequence."""
        return MappingProxyType(self._parameters)

    @property
    def frozen(self) -> Mapping[Name, np.ndarray]:
        """The arrays of frozen groups, which updates leave as they are."""
        return MappingProxyType(self._frozen)

    def thaw(self, params: Any) -> "Learner":
        """Return a learner of the same arrays that updates some frozen parameters as well.

        It continues where this one is: states, clock, hyperparameters, history. What is thawed
        begins with the start values of its states, and its own step count begins at 1. Use the new
        learner from then on, not this one.

        Args:
            params: which frozen parameters, as in `groups`: names, a pattern, or a function.

        Raises:
            LearnerError: they are not frozen, or are not there; or the rule has a state of the
                model that depends on the step, or the learner works on a GPU and has done updates,
                so that all parameters must have done the same number.

        >>> import numpy as np
        >>> from learnerdsl.learners import sgd
        >>> params = {"body": np.zeros(2), "head": np.zeros(2)}
        >>> learner = sgd(params, lr=0.5, groups=[{"params": "body", "frozen": True}])
        >>> learner.update({"head": np.ones(2)})
        True
        >>> learner = learner.thaw("body")
        >>> learner.update({"body": np.ones(2), "head": np.ones(2)})
        True
        >>> params["body"], params["head"]
        (array([-0.5, -0.5]), array([-1., -1.]))
        """
        names = matching(self._frozen, params, "thaw, which is for frozen parameters,")
        if self.step_count:
            refuse_later_start(self._rules, self._backend.name == "cuda")
        groups = self._grouping.explicit(names)
        new = Learner(**self._made_of, groups=groups, seed=self._seed)
        new.continue_from(self)
        return new

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the inputs that `update` takes besides the gradients, such as `loss`."""
        return self._extras.names

    @property
    def threads(self) -> str:
        """How updates run: "serial", or the number of threads and the library they come from."""
        return self._engine.threads

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The hyperparameters of all parameters that are not in a group of `groups`."""
        return Hyperparameters(self._hyper, 0)

    @property
    def groups(self) -> tuple[Hyperparameters, ...]:
        """The hyperparameters of each of the `groups`, in the order in which they were given."""
        return GroupViews(
            Hyperparameters(self._hyper, k) for k in range(1, len(self._hyper.settings))
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            if name in self._hyper.names:
                hint = f"write learner.hyperparameters[{name!r}] = {quoted(value)}"
            else:
                hint = f"the hyperparameters are: {', '.join(self._hyper.names) or 'none'}"
            msg = f"A learner has no attribute {name!r}, and setting it would do nothing; {hint}."
            raise UnknownAttributeError(msg)
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        count = sum(map(math.prod, self._backend.shapes.values()))
        return (
            f"<Learner {self._rule.name}: {counted(len(self._names), 'parameter')}, "
            f"{counted(count, 'element')}, "
            f"step {self.step_count}, backend {self._backend.name}>"
        )


class _Undoer(Undoer, Learner):
    """Takes updates of another learner back; see `Undoer`."""
