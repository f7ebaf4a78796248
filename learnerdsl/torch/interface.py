"""Say how the arguments of an optimizer class lead to a rule and its hyperparameters."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError, UnknownNameError
from learnerdsl.torch.rules import maximizing
from learnerdsl.tracing import Rule

Group = Mapping[str, Any]
"""A dict of `param_groups`."""
Source = tuple[str, int | None]
"""Name of an argument, and the position in it if it is a tuple."""

RULE = "rule"
"""Key of a group that says which rule updates its parameters, in classes of several rules."""

ACCEPTED = {
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
}
"""Arguments that every optimizer of torch has; `maximize` alone has other results."""

_INSTEAD = {
    "observe": "make a learner of the same tensors instead: rule(dict(model.named_parameters()), "
    "observe=...), and update it with {name: p.grad for name, p in model.named_parameters()}."
}
"""Argument of a learner that optimizers do not take -> what to write instead."""


@dataclass(frozen=True)
class Choice:
    """What a group of parameters asks for.

    Attributes:
        rule: the rule.
        options: values of its options.
        sources: name of a hyperparameter -> the argument that it comes from.
    """

    rule: UpdateRule
    options: dict[str, Any]
    sources: Mapping[str, Source]
    _traced: dict[Sequence[int], Rule] = field(default_factory=dict, compare=False, repr=False)

    def traced(self, shape: Sequence[int]) -> Rule:
        """Return the traced rule of a parameter."""
        if shape not in self._traced:
            self._traced[shape] = self.rule.trace(shape=tuple(shape), **self.options)
        return self._traced[shape]

    @property
    def key(self) -> tuple[Any, ...]:
        """A key that is equal for groups that one learner can update."""
        return id(self.rule), tuple(sorted((n, repr(v)) for n, v in self.options.items()))


@dataclass(frozen=True)
class Interface:
    """The arguments of an optimizer class and what they mean.

    Attributes:
        name: name of the class.
        defaults: argument -> default, in the order in which they may be given without names.
        choose: returns what a group asks for.
        states: name of a state in the rule -> its name in `optimizer.state[p]`.
        expanded: states (names in the rule) that torch keeps with an axis of length 1 more.
        fixed: arguments that a group has whatever a state dict says, as in torch.
        products: how matrices are multiplied unless asked otherwise; see `learnerdsl.Learner`.
        described: rule whose documentation the class shows.
    """

    name: str
    defaults: dict[str, Any]
    choose: Callable[[Group], Choice]
    described: UpdateRule
    states: Mapping[str, str] = field(default_factory=dict)
    expanded: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    products: str | None = None

    @property
    def is_of_torch(self) -> bool:
        """Whether torch has the class too, so that its state dicts are loaded."""
        return bool(self.states)

    @property
    def documentation(self) -> str:
        """What the class says of itself."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.defaults.items())
        about = f"Updates by `{self.described.name}`.\n\nArguments: params, {arguments}.\n\n"
        return about + (self.described.__doc__ or "")

    def of(self, group: Group) -> "Interface":
        """Return the interface of the rule that updates a group: this one."""
        del group
        return self

    def has(self, name: str) -> bool:
        """Return whether `name` is an argument, also under the rule's name."""
        return name in self.defaults or name in self.choose(self.defaults).sources

    def chosen(self, group: Group) -> Choice:
        """Return what a group asks for; raise if an argument has no meaning."""
        if group.get("differentiable"):
            msg = (
                f"{self.name} cannot be differentiated through, since its updates are not recorded "
                "by autograd; write differentiable=False."
            )
            raise HyperparameterError(msg)
        choice = self.choose(group)
        if group.get("maximize") and "maximize" not in choice.options:
            return Choice(maximizing(choice.rule), choice.options, choice.sources)
        return choice

    def arguments(self, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of all arguments; raise if one is unknown."""
        names = list(self.defaults)
        if len(positional) > len(names):
            msg = f"{self.name} takes {len(names)} arguments besides params: {', '.join(names)}."
            raise HyperparameterError(msg)
        given = {**dict(zip(names, positional, strict=False)), **named}
        folded = self.folded(given)
        for name in folded:
            if name not in self.defaults and name not in ACCEPTED:
                instead = _INSTEAD.get(name, f"its arguments are: {', '.join(names)}.")
                msg = f"{self.name} has no argument {name!r}; {instead}"
                raise UnknownNameError(msg)
        return {**self.defaults, **folded}

    def folded(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with those that have the rule's name under the name of the class.

        So `beta1` becomes the first of `betas`.
        """
        found = dict(given)
        sources = self.choose(self.defaults).sources
        for name in [n for n in found if n in sources and n not in self.defaults]:
            argument, position = sources[name]
            value = found.pop(name)
            if position is not None:
                values = list(found.get(argument, self.defaults[argument]))
                values[position] = value
                value = tuple(values)
            found[argument] = value
        return found

    def fold(self, group: dict[str, Any]) -> None:
        """Take over what was written into a group under the rule's name, such as `beta1`."""
        folded = self.folded(group)
        if folded.keys() != group.keys():
            group.clear()
            group.update(folded)


def is_schedule(value: Any) -> bool:
    """Return whether the value of an argument changes with the step: a function or expression."""
    return callable(value) or bool(getattr(value, "free_symbols", None))


def value_of(group: Group, source: Source, what: str) -> Any:
    """Return the value of a hyperparameter that a group asks for."""
    argument, position = source
    value = group[argument]
    if position is None:
        return value
    try:
        chosen = value[position]
    except (TypeError, IndexError, KeyError):
        msg = f"{argument} of {what} must be a tuple of numbers, got {value!r}."
        raise HyperparameterError(msg) from None
    return 0.0 if chosen is None else chosen


def interface_of(rule: UpdateRule, name: str) -> Interface:
    """Return the interface of any rule: its own names, but `betas` for `beta1` and `beta2`."""
    arguments = inspect.signature(rule).parameters.values()
    given = {p.name: p.default for p in arguments if p.default is not inspect.Parameter.empty}
    if "params" in given:
        msg = f"{name} has an argument named params, which is torch's word; rename it."
        raise HyperparameterError(msg)
    hypers, options = rule._hyper_names, rule._option_names
    betas = _betas(hypers)
    sources: dict[str, Source] = {
        n: ("betas", betas.index(n)) if n in betas else (n, None) for n in hypers
    }
    defaults: dict[str, Any] = {}
    for argument, default in given.items():
        if argument in betas:
            defaults.setdefault("betas", tuple(given[n] for n in betas))
        else:
            defaults[argument] = default
    accepted = {n: v for n, v in ACCEPTED.items() if n not in defaults}

    def choose(group: Group) -> Choice:
        return Choice(rule, {n: group[n] for n in options}, sources)

    return Interface(name, {**defaults, **accepted}, choose, rule)


def _betas(hypers: Sequence[str]) -> list[str]:
    """Return beta1, beta2 and so on, as many as there are; nothing if there is one or none."""
    found: list[str] = []
    while f"beta{len(found) + 1}" in hypers:
        found.append(f"beta{len(found) + 1}")
    return found if len(found) > 1 and "betas" not in hypers else []


NAMES = {
    "a2grad": "A2Grad",
    "accsgd": "AccSGD",
    "acprop": "ACProp",
    "adabelief": "AdaBelief",
    "adabound": "AdaBound",
    "adagc": "AdaGC",
    "adamc": "AdamC",
    "adamg": "AdamG",
    "adams": "AdamS",
    "adamw": "AdamW",
    "adamaxw": "AdamaxW",
    "adahessian": "AdaHessian",
    "adamod": "AdaMod",
    "adamp": "AdamP",
    "adamuon": "AdaMuon",
    "adapnm": "AdaPNM",
    "adanorm": "AdaNorm",
    "adashift": "AdaShift",
    "adasmooth": "AdaSmooth",
    "adatam": "AdaTAM",
    "ademamix": "AdEMAMix",
    "adopt": "ADOPT",
    "aggmo": "AggMo",
    "aida": "Aida",
    "alig": "AliG",
    "amsbound": "AMSBound",
    "amsgrad": "AMSGrad",
    "asgd": "ASGD",
    "asgo": "ASGO",
    "avagrad": "AvaGrad",
    "bcos": "BCOS",
    "bv": "BV",
    "came": "CAME",
    "cocob": "COCOB",
    "cosmos": "COSMOS",
    "dadapt": "DAdapt",
    "diffgrad": "DiffGrad",
    "dog": "DoG",
    "dowg": "DoWG",
    "exadam": "EXAdam",
    "fadam": "FAdam",
    "focus": "FOCUS",
    "ftrl": "FTRL",
    "galore": "GaLore",
    "gpa": "GPA",
    "kate": "KATE",
    "kl": "KL",
    "l": "L",
    "lamb": "LAMB",
    "laprop": "LaProp",
    "lars": "LARS",
    "lbfgs": "LBFGS",
    "madam": "MAdam",
    "madgrad": "MADGRAD",
    "mars": "MARS",
    "momo": "Momo",
    "msvag": "MSVAG",
    "nadam": "NAdam",
    "nadamw": "NAdamW",
    "nordion2": "NorDion2",
    "novograd": "NovoGrad",
    "padam": "PAdam",
    "pid": "PID",
    "pnm": "PNM",
    "psgd": "PSGD",
    "qhadam": "QHAdam",
    "qhm": "QHM",
    "racs": "RACS",
    "radam": "RAdam",
    "rmsprop": "RMSprop",
    "sai": "SAI",
    "sgd": "SGD",
    "sgdp": "SGDP",
    "sgdw": "SGDW",
    "sinkgd": "SinkGD",
    "sm3": "SM3",
    "soap": "SOAP",
    "spam": "SPAM",
    "splus": "SPlus",
    "srmm": "SRMM",
    "swan": "SWAN",
    "tam": "TAM",
    "v2": "V2",
    "vsgd": "VSGD",
}
"""Parts of names that are not written as Python would capitalize them."""


def class_name(name: str) -> str:
    """Return the name of the class of a rule: `stable_adamw` is `StableAdamW`.

    >>> [class_name(n) for n in ("adamw", "schedule_free_sgd", "nadamw_timm", "lion")]
    ['AdamW', 'ScheduleFreeSGD', 'NAdamWTimm', 'Lion']
    """
    return "".join(NAMES.get(part, part.capitalize()) for part in name.split("_"))
