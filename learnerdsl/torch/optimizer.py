"""Define Optimizer, a torch.optim.Optimizer for any rule, and make its classes."""

import copyreg
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import torch

from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError, RuleError
from learnerdsl.learner.checks import check_choice, checked_seed
from learnerdsl.learner.learner import NONFINITE
from learnerdsl.learner.precision import precisions_for
from learnerdsl.numbers import as_number, quoted
from learnerdsl.torch.interface import Interface, class_name, interface_of, is_schedule, value_of
from learnerdsl.torch.layouts import Layout, is_narrow, storage_of
from learnerdsl.torch.loading import loaded
from learnerdsl.torch.members import Member, Members, spans_model
from learnerdsl.torch.states import ParameterState, States

_torch: Any = torch
_outside_graphs = _torch._disable_dynamo
"""Lets torch.compile run a method as it is; the public name would import its compiler at once."""

PROGRESS = ("step_count", "samples")
MODEL = "model."
"""Keys of the groups of a state dict, and the prefix of further ones, that hold what a learner
knows besides states."""


class ByRule(type):
    """The class of optimizer classes; pickle finds one by its name, or makes it of its rule."""


def _reduced(cls: Any) -> Any:
    """Return how to pickle an optimizer class."""
    is_found = getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls
    if is_found or "interface" not in vars(cls):  # a user's subclass has a name of its own
        return cls.__qualname__
    return optimizer_class, (cls.interface.described, cls.__name__)


copyreg.pickle(ByRule, _reduced)


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
        **arguments: Any,
    ) -> None:
        if type(self) is Optimizer:
            msg = "Optimizer has no rule; write rule.torch(params) or optimizer_class(rule)(params)"
            raise RuleError(msg)
        defaults = self.interface.arguments(positional, arguments)
        self._arguments = {
            "states": states,
            "master": master,
            "rounding": rounding,
            "products": products,
            "nonfinite": nonfinite,
            "seed": seed,
        }
        self._begin()
        super().__init__(params.items() if isinstance(params, Mapping) else params, defaults)
        self.state = States(self._begin_states, {})
        self._check_arguments()

    def _check_arguments(self) -> None:
        """Raise if an argument of the learners cannot be used, before any of them is made."""
        check_choice("nonfinite", self._arguments["nonfinite"], NONFINITE)
        checked_seed(self._arguments["seed"])
        rules, kinds = [], []
        for group in self.param_groups:
            choice = self.interface.chosen(group)
            for p in group["params"]:
                rules.append(choice.rule.trace(shape=tuple(p.shape), **choice.options))
                kinds.append(storage_of(p))
        names = ("states", "master", "rounding", "products")
        precisions_for(rules, kinds, *(self._arguments[name] for name in names))

    def _begin(self) -> None:
        """Start without learners; the next step makes them."""
        self._members: list[Members] = []
        self._structure: list[list[int]] = []
        self._waiting: list[torch.Tensor] = []
        self._others = 0

    def _begin_states(self) -> None:
        """Make the states of all parameters before there are gradients."""
        if not self._members:
            self._arrange(is_early=True)

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
            shape = tuple(member.tensor.shape)
            rule = choice.rule.trace(shape=shape, **choice.options)
            Layout(member.tensor, rule, f"Parameter {member.name!r}")

    def _in_group(self, group: dict[str, Any], number: int) -> Iterator[Member]:
        """Yield the parameters of a group, which has this number in its learner."""
        named = [name for own in self.param_groups for name in own.get("param_names", ())]
        first = 0
        for own in self.param_groups:
            if own is group:
                break
            first += len(own["params"])
        names: Any = range(first, first + len(group["params"]))
        if named and len(set(named)) == len(named):
            names = group["param_names"]
        for name, tensor in zip(names, group["params"], strict=True):
            yield Member(tensor, name, number)

    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        minibatch_size: float = 1,
        **extras: Any,
    ) -> Any:
        """Do one update of all parameters that have a gradient.

        Args:
            closure: computes the loss and the gradients, and returns the loss.
            minibatch_size: number of samples in the minibatch, for rules that use it.
            extras: the other inputs that the rule declares by `extra(name)`: numbers, or tensors
                in a dict by parameter, or by name if the optimizer was given names. The `loss` may
                also be what the closure returns.

        Returns:
            What the closure returned.

        Raises:
            LearnerError: a gradient, an extra or a hyperparameter cannot be used.
        """
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        self._update(result, minibatch_size, extras)
        return result

    @_outside_graphs
    @torch.no_grad()
    def _update(self, result: Any, minibatch_size: float, extras: dict[str, Any]) -> None:
        """Do one update, unless no parameter has a gradient."""
        if all(p.grad is None for group in self.param_groups for p in group["params"]):
            return
        if not self._is_current():
            self._arrange()
        for members in self._members:
            names = members.learner.extras
            given = extras
            if result is not None and "loss" in names and "loss" not in extras:
                given = {**extras, "loss": result}
            members.update(given, minibatch_size)

    def _is_current(self) -> bool:
        """Return whether the learners belong to the present groups, options and states."""
        known = [id(t) for members in self._members for t in members.tensors]
        return (
            len(self.state) == len(known) + self._others
            and self._present_structure() == self._structure
            and all(p.grad is None for p in self._waiting)
            and all(members.is_current() for members in self._members)
        )

    def _present_structure(self) -> list[list[int]]:
        """Return what identifies each group and its parameters."""
        return [[id(group), *map(id, group["params"])] for group in self.param_groups]

    def _arrange(self, is_strict: bool = False, is_early: bool = False) -> None:
        """Make a learner for each choice of rule and options, which continues from `state`.

        It has the parameters that have a gradient or states.

        Args:
            is_strict: whether to refuse states that are incomplete.
            is_early: whether to include parameters that may get a gradient.
        """
        progress = [self._progress_of(number) for number in range(len(self.param_groups))]
        given: dict[Any, Any] = dict(self.state)
        chosen: dict[Any, list[int]] = {}
        for number, group in enumerate(self.param_groups):
            chosen.setdefault(self.interface.chosen(group).key, []).append(number)
        made: list[Members] = []
        for numbers in chosen.values():
            members = self._make(numbers, given, is_early)
            if members is not None:
                own = [progress[number] for number in numbers]
                known = max(own, key=lambda one: one.get("step_count", -1))
                members.take(given, known, is_strict)
                made.append(members)
        if len(made) > 1 and any(spans_model(members.rule) for members in made):
            msg = (
                f"{self.interface.name} computes something over all parameters together, so its "
                "groups cannot differ in options, only in hyperparameters."
            )
            raise HyperparameterError(msg)
        self._adopt(made, given)

    def _make(self, numbers: list[int], given: Mapping[Any, Any], is_early: bool) -> Members | None:
        """Make the learner of the groups with these numbers; None if none needs one yet."""
        groups = [self.param_groups[number] for number in numbers]
        members = [
            member
            for k, group in enumerate(groups)
            for member in self._in_group(group, k)
            if member.tensor.grad is not None
            or given.get(member.tensor)
            or (is_early and member.tensor.requires_grad)
        ]
        if not members:
            return None
        arguments = dict(self._arguments)
        if any(is_narrow(p) for group in self.param_groups for p in group["params"]):
            # Parameters that need no master weights may be in a learner of their own.
            has_narrow = any(is_narrow(member.tensor) for member in members)
            arguments["master"] = arguments["master"] if has_narrow else None
        return Members(self.interface, self.interface.chosen(groups[0]), groups, members, arguments)

    def _adopt(self, made: list[Members], given: Mapping[Any, Any]) -> None:
        """Use these learners, and show their states."""
        for group in self.param_groups:
            for name in filter(self._is_progress, list(group)):
                del group[name]
        self._members = made
        self._structure = self._present_structure()
        shown: dict[Any, Any] = {}
        for members in made:
            shown |= members.states
        known = {id(tensor) for tensor in shown}
        parameters = [p for group in self.param_groups for p in group["params"]]
        self._waiting = [p for p in parameters if id(p) not in known]
        # States of parameters that were taken out of the groups stay, as in torch.
        others = {key: value for key, value in given.items() if key not in shown}
        self._others = len(others)
        self.state.clear()
        self.state.update({**others, **shown})

    def _progress_of(self, number: int) -> dict[str, Any]:
        """Return what the learner of a group knows besides states."""
        group = self.param_groups[number]
        own = {n: v for n, v in group.items() if self._is_progress(n)}
        if own:
            return own
        present = set(map(id, group["params"]))
        for members in self._members:
            if not present.isdisjoint(map(id, members.tensors)):
                return members.progress()
        return {}

    def _is_progress(self, name: str) -> bool:
        """Return whether a key of a group is not an argument but tells what a learner knows."""
        is_known = name in PROGRESS or name.startswith(MODEL)
        return is_known and name not in self.interface.defaults

    def evaluation_parameters(self) -> dict[torch.Tensor, torch.Tensor]:
        """Return the weights to evaluate the model with, as new tensors: parameter -> weights.

        Rules that average weights, such as `ScheduleFreeAdamW`, declare them by `evaluate(...)`.
        For other rules they are copies of the parameters.
        """
        found = {p: p.detach().clone() for group in self.param_groups for p in group["params"]}
        for members in self._members:
            found |= members.evaluation_parameters()
        return found

    def adopt_parameters(self) -> None:
        """Let master weights begin again at the present values of the parameters.

        Call this after you have written to the parameters of an optimizer with `master=`, for
        example by `model.load_state_dict(...)`; see `Learner.adopt_parameters`.
        """
        for members in self._members:
            members.learner.adopt_parameters()

    def state_dict(self) -> dict[str, Any]:
        """Return the states and groups; see `torch.optim.Optimizer.state_dict`.

        The groups also hold the number of updates and the states of the whole model. A schedule is
        None.
        """
        found = super().state_dict()
        found["state"] = {
            key: dict(value) if isinstance(value, ParameterState) else value
            for key, value in found["state"].items()
        }
        for number, group in enumerate(found["param_groups"]):
            for name, value in group.items():
                if is_schedule(value):
                    group[name] = None
            group.update(self._progress_of(number))
        return found

    @_outside_graphs
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned, here or in the class of torch.optim.

        Parameters are matched by name if both sides have names, else by their order. A
        hyperparameter that is a schedule here stays one if it was a schedule when it was saved.

        Raises:
            CheckpointError: the dict is of another rule or model. Nothing was changed.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            result = hook(self, state_dict)
            state_dict = state_dict if result is None else result
        states, groups = loaded(self.interface, self.param_groups, state_dict)
        before: dict[str, Any] = dict(vars(self))
        try:
            self.state, self.param_groups = States(self._begin_states, states), groups
            self._begin()
            for group in groups:
                self._check_group(group)
            if states:
                self._arrange(is_strict=True)
        except BaseException:
            vars(self).update(before)
            raise
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        groups = [
            {**group, **self._progress_of(number)} for number, group in enumerate(self.param_groups)
        ]
        states = {
            key: dict(value) if isinstance(value, ParameterState) else value
            for key, value in self.state.items()
        }
        return {
            "defaults": self.defaults,
            "state": defaultdict(dict, states),
            "param_groups": groups,
            "_arguments": self._arguments,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.state = States(self._begin_states, self.state)
        self._begin()


_classes: dict[tuple[int, str], tuple[UpdateRule, type[Optimizer]]] = {}


def optimizer_class(rule: UpdateRule, name: str | None = None) -> type[Optimizer]:
    """Return the class of optimizers that update by a rule.

    Its arguments are the hyperparameters and options of the rule; `beta1` and `beta2` are
    `betas=(beta1, beta2)`, as in torch. It also accepts the arguments of every optimizer of torch:
    `maximize`, and `foreach`, `fused` and `capturable`, which change nothing. For a builtin learner
    it is the class of this package.

    Args:
        rule: a rule, or a chain.
        name: name of the class; None for that of the rule with capitals.

    Raises:
        LearnerError: `rule` is not a rule, or has an argument that torch uses otherwise.

    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import lion
    >>> from learnerdsl.transforms import clip_by_global_norm
    >>> optimizer_class(ld.chain(clip_by_global_norm, lion))
    <class 'learnerdsl.torch.ClipByGlobalNormLion'>
    """
    if not isinstance(rule, UpdateRule):
        msg = f"optimizer_class needs a rule, got {quoted(rule)}; decorate a function with @rule."
        raise RuleError(msg)
    own = class_name(rule.name) if name is None else name
    if (id(rule), own) not in _classes:
        _classes[id(rule), own] = rule, make_class(interface_of(rule, own))
    return _classes[id(rule), own][1]


def known_class(interface: Interface) -> type[Optimizer]:
    """Return a new class for a rule whose arguments are those of torch."""
    made = make_class(interface)
    _classes[id(interface.described), interface.name] = interface.described, made
    return made


def make_class(interface: Interface) -> type[Optimizer]:
    """Return a new class of optimizers with an interface."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in interface.defaults.items())
    about = f"Updates by `{interface.described.name}`.\n\nArguments: params, {arguments}.\n\n"
    attributes = {
        "__module__": "learnerdsl.torch",
        "__qualname__": interface.name,
        "__doc__": about + (interface.described.__doc__ or ""),
        "interface": interface,
        # torch wraps the step of each class to run its hooks.
        "step": Optimizer.__dict__["step"],
    }
    return ByRule(interface.name, (Optimizer,), attributes)  # pyright: ignore[reportReturnType]
