"""Define Optimizer, a torch.optim.Optimizer for any rule."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any, ClassVar

import torch

from learnerdsl.errors import CheckpointError, HyperparameterError, LearnerError, RuleError
from learnerdsl.inspection import Plan
from learnerdsl.learner.checks import check_choice, checked_seed
from learnerdsl.learner.learner import NONFINITE
from learnerdsl.learner.precision import precisions_for
from learnerdsl.learner.reshaping import Reshape, seen_shape
from learnerdsl.numbers import as_number, quoted
from learnerdsl.torch.devices import refuse_several_devices
from learnerdsl.torch.hooks import with_hooks
from learnerdsl.torch.inputs import extras_of_each
from learnerdsl.torch.interface import Interface, is_schedule, value_of
from learnerdsl.torch.keeping import Kept
from learnerdsl.torch.layouts import Layout, storage_of
from learnerdsl.torch.loading import Unmatched, loaded
from learnerdsl.torch.making import Maker
from learnerdsl.torch.members import MODEL, Member, Members
from learnerdsl.torch.misfits import misfits_of
from learnerdsl.torch.partial import any_spans_model, refuse_part, refuse_rank
from learnerdsl.torch.ranks import Shards
from learnerdsl.torch.replays import refresh, refuse_making
from learnerdsl.torch.scaling import unscale
from learnerdsl.torch.states import States, as_dicts
from learnerdsl.torch.structure import Structure
from learnerdsl.torch.whole import Given

_torch: Any = torch
_outside_graphs = _torch._disable_dynamo
"""Lets torch.compile run a method as it is; the public name would import its compiler at once."""

PROGRESS = ("step_count", "samples")
"""Keys of the groups of a state dict that hold what a learner knows besides states."""


class ByRule(type):
    """The class of optimizer classes; pickle finds one by its name, or makes it of its rule."""


class Optimizer(torch.optim.Optimizer, metaclass=ByRule):
    """Updates the parameters of a PyTorch model by a rule; `optimizer_class` makes subclasses.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups, as in torch.
        positional: values of arguments in the order of the class.
        states: number types of the states; see `learnerdsl.Learner`, also for the next arguments.
        master: how to keep more bits of narrow parameters.
        rounding: "nearest" or "stochastic".
        products: how matrices are multiplied, "full" or "bfloat16"; None for the choice of the
            class, which is "bfloat16" for `Muon`, as in torch, and "full" for all others.
        nonfinite: what to do if a gradient holds NaN or infinity.
        seed: seed of the random numbers of the rule.
        reshape: the shape in which the rule sees a parameter: a function of its name, or its number
            if names are not known, and its shape. States have that shape, too.
        arguments: hyperparameters and options of the rule, for groups that do not have their own:
            numbers, tensors of shape (), or schedules.

    Raises:
        LearnerError: an argument or a parameter cannot be used.
    """

    interface: ClassVar[Interface]

    def __init__(
        self,
        params: Any,
        *positional: Any,
        states: str | Mapping[str, str] | None = None,
        master: str | None = None,
        rounding: str = "nearest",
        products: str | None = None,
        nonfinite: str = "propagate",
        seed: int = 0,
        reshape: Reshape | None = None,
        **arguments: Any,
    ) -> None:
        if type(self) is Optimizer:
            msg = "Optimizer has no rule; write rule.torch(params) or optimizer_class(rule)(params)"
            raise RuleError(msg)
        defaults = self._defaults(positional, arguments)
        self._arguments = {
            "states": states,
            "master": master,
            "rounding": rounding,
            "products": products,
            "nonfinite": nonfinite,
            "seed": seed,
            "reshape": reshape,
        }
        self._given = Given()
        self._begin()
        super().__init__(params.items() if isinstance(params, Mapping) else params, defaults)
        self.state = States(self._begin_states, {})
        self._check_arguments()

    def _defaults(self, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for groups that do not have their own."""
        return self.interface.arguments(positional, named)

    def _check_arguments(self) -> None:
        """Raise if an argument of the learners cannot be used, before any of them is made."""
        check_choice("nonfinite", self._arguments["nonfinite"], NONFINITE)
        checked_seed(self._arguments["seed"])
        rules, kinds = [], []
        for group in self.param_groups:
            choice = self.interface.chosen(group)
            for member in self._in_group(group, 0):
                rules.append(choice.traced(member.shape))
                kinds.append(storage_of(member.tensor))
        if any_spans_model(rules):
            refuse_rank(self.interface.name)
        names = ("states", "master", "rounding", "products")
        precisions_for(rules, kinds, *(self._arguments[name] for name in names))

    def _begin(self) -> None:
        """Start without learners; the next step makes them."""
        self._turn = RLock()
        before = vars(self)
        self._kept = before.get("_kept", Kept()).renewed(before.get("_members", ()))
        self._members: list[Members] = []
        self._structure = Structure([], {}, [])
        self._shards = Shards()

    def _begin_states(self) -> None:
        """Make the states of all parameters before there are gradients.

        `torch.distributed.checkpoint` asks for them before it loads, and if the state dict is flat,
        it loads only keys that the groups have.
        """
        if not self._members and not len(self.state):
            self._arrange(is_early=True)
        if not self.interface.is_of_torch:
            for number, group in enumerate(self.param_groups):
                group.update(self._progress_of(number))

    @_outside_graphs
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters; see `torch.optim.Optimizer.add_param_group`.

        Raises:
            LearnerError: an argument or a parameter cannot be used; nothing was added.
        """
        super().add_param_group(self.interface.folded(param_group))
        try:
            self._check_group(self.param_groups[-1])
        except BaseException:
            self.param_groups.pop()
            raise
        self._given.add(self.param_groups[-1])

    def _check_group(self, group: dict[str, Any]) -> None:
        """Raise if the rule has no use for an argument or a parameter of a group."""
        choice = self.interface.chosen(group)
        for name, source in choice.sources.items():
            value = value_of(group, source, self.interface.name)
            number = as_number(value)
            if (number is None or number != number) and not is_schedule(value):
                msg = (
                    f"{name} of {self.interface.name} cannot be {quoted(value)}; give a number, a "
                    "tensor of shape (), or a schedule."
                )
                raise HyperparameterError(msg)
        for member in self._in_group(group, 0):
            rule = choice.traced(member.shape)
            Layout(member.tensor, rule, f"Parameter {member.name!r}")
        refuse_several_devices(self.interface.name, self.param_groups)

    def _in_group(self, group: dict[str, Any], number: int) -> Iterator[Member]:
        """Yield the parameters of a group, which has this number in its learner."""
        named = [name for own in self.param_groups for name in own.get("param_names", ())]
        count = sum(len(own["params"]) for own in self.param_groups)
        first = 0
        for own in self.param_groups:
            if own is group:
                break
            first += len(own["params"])
        names: Any = range(first, first + len(group["params"]))
        if named and len(set(named)) == len(named) == count:
            names = group["param_names"]
        for name, tensor in zip(names, group["params"], strict=True):
            shape = seen_shape(self._arguments["reshape"], name, tensor.shape)
            yield Member(tensor, name, number, shape)

    @with_hooks
    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        minibatch_size: float = 1,
        **extras: Any,
    ) -> Any:
        """Do one update of all parameters that have a gradient.

        A rule that moves the weights to evaluate the gradient there, such as a chain with `sam`,
        needs several updates for a step. With a closure all of them are done; without one, compute
        new gradients and call `step` again for each.

        Args:
            closure: computes the loss and the gradients, and returns the loss. It also clears the
                gradients before, as it may be called more than once.
            minibatch_size: number of samples in the minibatch, for rules that use it.
            extras: the other inputs that the rule declares by `extra(name)`: numbers, or tensors
                (numbers, if it has one for each parameter) in a dict by parameter, or by name if
                the optimizer was given names. The `loss` may also be what the closure returns.

        Returns:
            What the closure returned, when it was called first.

        Raises:
            LearnerError: a gradient, an extra or a hyperparameter cannot be used.
        """
        if closure is None:
            self._update(None, minibatch_size, extras)
            return None
        with torch.enable_grad():
            result = closure()
        if self._phases() == 1:
            self._update(result, minibatch_size, extras)
        else:
            self._update_in_phases(closure, result, minibatch_size, extras)
        return result

    def _phases(self) -> int:
        """Return how many updates make one step of the rule."""
        for group in self.param_groups:
            for parameter in group["params"]:
                return self.interface.chosen(group).traced(parameter.shape).phases
        return 1

    def _update_in_phases(
        self,
        closure: Callable[[], Any],
        result: Any,
        minibatch_size: float,
        extras: dict[str, Any],
    ) -> None:
        """Do what is left of a step, each update with its own gradients.

        Args:
            closure: computes the gradients.
            result: what it returned for the first of these updates, whose gradients are there.
            minibatch_size: number of samples in the minibatch.
            extras: other inputs of the rule.
        """
        phases = self._phases()
        while True:
            before = self._progress_of(0).get("step_count", 0)
            self._update(result, minibatch_size, extras)
            count = self._progress_of(0).get("step_count", 0)
            if count == before or count % phases == 0:
                return  # a skipped update is repeated by the next step
            with torch.enable_grad():
                result = closure()

    @_outside_graphs
    def undo(self, *, minibatch_size: float = 1, **extras: Any) -> None:
        """Take the last step back; see `learnerdsl.Learner.undo`.

        Parameters must still have the gradients of the step, and the groups their
        hyperparameters, so call it before the next backward pass, and before a scheduler moves on.

        Args:
            minibatch_size: that of the step.
            extras: those of the step; also the loss, if the rule uses it.

        Raises:
            LearnerError: there was no step, or it cannot be undone; nothing was changed.
        """
        with self._turn:
            if not self._members or not self._is_current():
                msg = (
                    f"{self.interface.name} has done no step since it was made, loaded, or given "
                    "other groups, so none can be undone."
                )
                raise LearnerError(msg)
            for members in self._members:
                members.obey()
                members.learner.check_undo(minibatch_size)
            for members, given in extras_of_each(self._members, None, extras):
                members.undo(given, minibatch_size)

    @_outside_graphs
    def _update(self, result: Any, minibatch_size: float, extras: dict[str, Any]) -> None:
        """Do one update, unless no parameter has a gradient."""
        with self._turn:  # tables of addresses belong to one thread at a time
            if not self._is_current():
                if all(p.grad is None for group in self.param_groups for p in group["params"]):
                    return
                refuse_making(self.interface.name, self.param_groups)
                if not self._change_learners():
                    self._arrange()
            parameters = (p for group in self.param_groups for p in group["params"])
            if not unscale(self, parameters, self._members):
                return
            for members, given in extras_of_each(self._members, result, extras):
                members.update(given, minibatch_size)

    def refresh(self) -> None:
        """Send changed hyperparameters to the GPU before a CUDA graph replays a step.

        A replay runs no Python, so it uses the values that the GPU has. If hyperparameters are
        schedules, call this before every replay: it counts the step and evaluates them for it. Else
        call it only after you, or a scheduler, have set one. Nothing waits. On the CPU it does
        nothing.

        Raises:
            LearnerError: there was no step, or a hyperparameter cannot be used.
        """
        with self._turn:
            refresh(self.interface.name, self._members)

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether a GradScaler leaves it to `step` to divide gradients, as with fused=True."""
        return all(group.get("fused") for group in self.param_groups)

    def _is_current(self) -> bool:
        """Return whether the learners belong to the present groups, options and states."""
        if not self._structure.is_current(self.param_groups, self.state):
            return False
        return all(map(Members.is_current, self._members))

    def _change_learners(self) -> bool:
        """Use learners that a GPU had before, for these gradients; return whether there are any."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        is_known = self._structure.has(self.param_groups, self.state)
        chosen = self._kept.change([p for p in parameters if p.grad is not None], is_known)
        if chosen:
            self._members = chosen
            waiting = [p for p in parameters if p.grad is None]
            self._structure = Structure(self.param_groups, self.state, waiting)
        return bool(chosen)

    @torch.no_grad()
    def _arrange(self, misfits: dict[Any, str] | None = None, is_early: bool = False) -> None:
        """Make learners that continue from `state`, of parameters with a gradient or states.

        There is one for each choice of rule and options, or one for all if there is anything that
        they compute together, over the whole model.

        Args:
            misfits: gets what does not fit among the states, which begins anew: parameter or name
                of a state of the whole model -> why. None for states that need not be complete.
            is_early: whether to include parameters that may get a gradient.
        """
        refuse_several_devices(self.interface.name, self.param_groups)
        progress = [self._progress_of(number) for number in range(len(self.param_groups))]
        given: dict[Any, Any] = dict(self.state)
        made: list[Members] = []
        for numbers in self._learners():
            own = [progress[number] for number in numbers]
            known = max(own, key=lambda one: one.get("step_count", -1))
            new = self._make(numbers, given, misfits, is_early)
            loaded_into = () if misfits is None else new
            found = {k: why for m in loaded_into for k, why in misfits_of(m, given, known).items()}
            if found and misfits is not None:
                misfits |= found
                given = {key: value for key, value in given.items() if key not in found}
                known = {key: value for key, value in known.items() if key not in found}
                new = self._make(numbers, given, misfits, is_early)
            for members in new:
                members.take(given, known)
            made += new
        self._adopt(made, given)

    def _make(
        self, numbers: list[int], given: Mapping[Any, Any], misfits: Any, is_early: bool
    ) -> list[Members]:
        """Make the learners of the groups with these numbers; see `_arrange`."""
        own = self.interface, self.param_groups, self._in_group, self._arguments
        return Maker(*own, given, is_early, misfits is not None, self._shards, self._kept).make(
            numbers
        )

    def _learners(self) -> list[list[int]]:
        """Return the numbers of the groups of each learner."""
        chosen: dict[Any, list[int]] = {}
        rules = list[Any]()
        for number, group in enumerate(self.param_groups):
            self.interface.fold(group)
            choice = self.interface.chosen(group)
            self._given.refuse_pieces(number, group, choice)
            chosen.setdefault(choice.key, []).append(number)
            rules += [choice.traced(member.shape) for member in self._in_group(group, 0)]
        self._kept.is_whole = any_spans_model(rules)
        if self._kept.is_whole:
            refuse_part(self.interface.name, (p for g in self.param_groups for p in g["params"]))
            return [list(range(len(self.param_groups)))]
        return list(chosen.values())

    def _adopt(self, made: list[Members], given: Mapping[Any, Any]) -> None:
        """Use these learners, and show their states."""
        for group in self.param_groups:
            for name in filter(self._is_progress, list(group)):
                del group[name]
        self._kept.let_go(self._members)
        self._members = made
        self._kept.add(made)
        shown: dict[Any, Any] = {}
        for members in made:
            shown |= members.states
        known = {id(tensor) for tensor in shown}
        parameters = [p for group in self.param_groups for p in group["params"]]
        waiting = [p for p in parameters if id(p) not in known]
        # States of parameters that were taken out of the groups stay, as in torch.
        others = {key: value for key, value in given.items() if key not in shown}
        if not isinstance(self.state, States):
            self.state = States(self._begin_states, {})
        self.state.clear()
        self.state.update({**others, **shown})
        self._structure = Structure(self.param_groups, self.state, waiting)

    def _progress_of(self, number: int) -> dict[str, Any]:
        """Return what the learner of a group knows besides states."""
        group = self.param_groups[number]
        present = set(map(id, group["params"]))
        found = [
            members.progress()
            for members in self._members
            if not present.isdisjoint(map(id, members.tensors))
        ]
        if found:
            return max(found, key=lambda one: one["step_count"])
        return {n: v for n, v in group.items() if self._is_progress(n)}

    def _is_progress(self, name: str) -> bool:
        """Return whether a key of a group is not an argument but tells what a learner knows."""
        is_known = name in PROGRESS or name.startswith(MODEL)
        return is_known and name not in self.interface.defaults

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The sweeps over memory of the last step, for each rule and variant; print one.

        If parameters are DTensors, a plan says what processes exchange. There are none before the
        first step.
        """
        return tuple(plan for members in self._members for plan in members.learner.plans)

    def evaluation_parameters(self) -> dict[torch.Tensor, torch.Tensor]:
        """Return the weights to evaluate the model with, as new tensors: parameter -> weights.

        Rules that average weights, such as `ScheduleFreeAdamW`, declare them by `evaluate(...)`.
        For other rules they are copies of the parameters.
        """
        found = {p: p.detach().clone() for group in self.param_groups for p in group["params"]}
        for members in self._kept.owners(self._members):
            own = members.evaluation_parameters()
            found |= {p: weights for p, weights in own.items() if self._kept.is_last(members, p)}
        return found

    def adopt_parameters(self) -> None:
        """Let master weights begin again at the present values of the parameters.

        Call this after you have written to the parameters of an optimizer with `master=`, for
        example by `model.load_state_dict(...)`; see `Learner.adopt_parameters`.
        """
        for members in self._kept.owners(self._members):
            members.learner.adopt_parameters()

    def state_dict(self) -> dict[str, Any]:
        """Return the states and groups; see `torch.optim.Optimizer.state_dict`.

        The groups also hold the number of updates and the states of the whole model. A schedule is
        None.
        """
        found = super().state_dict()
        found["state"] = as_dicts(found["state"])
        for number, group in enumerate(found["param_groups"]):
            schedules = {name: None for name, value in group.items() if is_schedule(value)}
            group.update({**schedules, **self._progress_of(number)})
        return found

    @_outside_graphs
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Unmatched:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Continue from what `state_dict` returned, here or in the class of torch.optim.

        Parameters are matched by name if both sides have names, else by their order. A
        hyperparameter that is a schedule here stays one if it was a schedule when it was saved.

        Args:
            state_dict: the state dict.
            strict: whether to refuse a state dict of which something does not fit. If not,
                parameters whose states are missing or do not fit begin anew. With names the groups
                may then be others, too: each has the arguments of the saved group that has its
                first matched parameter.

        Returns:
            What was not loaded.

        Raises:
            CheckpointError: the dict is of another rule or model. Nothing was changed.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            result = hook(self, state_dict)
            state_dict = state_dict if result is None else result
        found = loaded(self.interface, self.param_groups, state_dict, strict)
        before: dict[str, Any] = dict(vars(self))
        try:
            self.state, self.param_groups = States(self._begin_states, found.states), found.groups
            self._begin()
            for group in found.groups:
                self._check_group(group)
            if found.states:
                self._continue(found.unmatched.misfits, strict)
        except BaseException:
            vars(self).update(before)
            raise
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)
        return found.unmatched

    def _continue(self, reasons: dict[str | int, str], is_strict: bool) -> None:
        """Continue from the loaded states.

        Args:
            reasons: gets why states do not fit, by the name of their parameter.
            is_strict: whether to raise then.
        """
        misfits: dict[Any, str] = {}
        self._arrange(misfits)
        if misfits and is_strict:
            raise CheckpointError(next(iter(misfits.values())))
        reasons |= {key: why for key, why in misfits.items() if isinstance(key, str)}
        for group in self.param_groups:
            for member in self._in_group(group, 0):
                if member.tensor in misfits:
                    reasons[member.name] = misfits[member.tensor]

    def __getstate__(self) -> dict[str, Any]:
        groups = [
            {**group, **self._progress_of(number)} for number, group in enumerate(self.param_groups)
        ]
        return {
            "defaults": self.defaults,
            "state": defaultdict(dict, as_dicts(self.state)),
            "param_groups": groups,
            "_arguments": self._arguments,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.state = States(self._begin_states, self.state)
        self._given = Given(self.param_groups)
        self._begin()
