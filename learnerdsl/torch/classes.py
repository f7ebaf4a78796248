"""Make classes of optimizers: of a rule, of a builtin with torch's arguments, of several rules."""

import copyreg
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

from learnerdsl.define import UpdateRule
from learnerdsl.errors import RuleError
from learnerdsl.numbers import quoted
from learnerdsl.torch.choosing import ChoosingOptimizer, choosing
from learnerdsl.torch.interface import Interface, class_name, interface_of
from learnerdsl.torch.optimizer import ByRule, Optimizer
from learnerdsl.tracing import check_function, reference

Choose = Callable[[str | None, torch.Tensor], str]
"""Function of the name of a parameter, None if it is not known, and of the parameter."""


def _reduced(cls: Any) -> Any:
    """Return how to pickle an optimizer class."""
    is_found = getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls
    if is_found or "interface" not in vars(cls):  # a user's subclass has a name of its own
        return cls.__qualname__
    if issubclass(cls, ChoosingOptimizer):
        choose = reference(cls.choose, "function")
        return optimizer_class, (cls.interface.updates, cls.__name__, choose)
    return optimizer_class, (cls.interface.described, cls.__name__)


copyreg.pickle(ByRule, _reduced)

_classes: dict[tuple[Any, ...], tuple[Any, type[Optimizer]]] = {}


def optimizer_class(
    rule: UpdateRule | Mapping[str, UpdateRule],
    name: str | None = None,
    choose: Choose | None = None,
) -> type[Optimizer]:
    """Return the class of optimizers that update by a rule, or by several rules.

    Its arguments are the hyperparameters and options of the rule; `beta1` and `beta2` are
    `betas=(beta1, beta2)`, as in torch. It also accepts the arguments of every optimizer of torch:
    `maximize`, `foreach` and `fused`, which change nothing, and `capturable`, by which a GPU counts
    steps. For a builtin learner it is the class of this package.

    A class of several rules takes dicts of arguments, `muon={"lr": 0.02}`, and arguments for every
    rule that has them. It divides each group into one for each rule, which the group names by
    `"rule"`; a group that names one already stays as it is. What transforms such as
    `clip_by_global_norm` compute over the model is over all parameters, if every rule has the same
    transforms that do so. Otherwise the first update is refused.

    Args:
        rule: a rule or a chain; or a dict, name -> rule.
        name: name of the class; None for that of the rule, or of the names in the dict, with
            capitals.
        choose: called with name and tensor of each parameter that is added; returns the name of its
            rule in the dict. The name of the parameter is None if the optimizer was given none.

    Raises:
        LearnerError: `rule` is not a rule, or has an argument that torch uses otherwise.

    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adamw, lion, muon
    >>> from learnerdsl.transforms import clip_by_global_norm
    >>> optimizer_class(ld.chain(clip_by_global_norm, lion))
    <class 'learnerdsl.torch.ClipByGlobalNormLion'>
    >>> of_matrices = lambda name, p: "muon" if p.ndim == 2 else "adamw"
    >>> optimizer_class({"muon": muon, "adamw": adamw}, choose=of_matrices)
    <class 'learnerdsl.torch.MuonAdamW'>
    """
    if isinstance(rule, Mapping):
        return _class_of_several(dict(rule), name, choose)
    if not isinstance(rule, UpdateRule):
        msg = f"optimizer_class needs a rule, got {quoted(rule)}; decorate a function with @rule."
        raise RuleError(msg)
    if choose is not None:
        msg = 'choose= needs several rules; write optimizer_class({"muon": muon, ...}, choose=...).'
        raise RuleError(msg)
    own = class_name(rule.name) if name is None else name
    if (id(rule), own) not in _classes:
        _classes[id(rule), own] = rule, make_class(interface_of(rule, own))
    return _classes[id(rule), own][1]


def _class_of_several(
    rules: dict[str, UpdateRule], name: str | None, choose: Choose | None
) -> type[Optimizer]:
    """Return the class of optimizers with several rules."""
    if not rules or choose is None:
        msg = (
            "A class of several rules needs a rule or more, and a function that chooses: "
            'optimizer_class({"muon": muon, "adamw": adamw}, choose=lambda name, p: ...).'
        )
        raise RuleError(msg)
    check_function(choose, "choose", 'lambda name, p: "muon"')
    own = name if name is not None else "".join(class_name(str(key)) for key in rules)
    key = (*((name, id(rule)) for name, rule in rules.items()), id(choose), own)
    if key not in _classes:
        found = {name: optimizer_class(rule).interface for name, rule in rules.items()}
        interface = choosing(own, found, rules)
        made = make_class(interface, ChoosingOptimizer, choose=staticmethod(choose))
        _classes[key] = (rules, choose), made
    return _classes[key][1]


def known_class(interface: Interface) -> type[Optimizer]:
    """Return a new class for a rule whose arguments are those of torch."""
    made = make_class(interface)
    _classes[id(interface.described), interface.name] = interface.described, made
    return made


def make_class(
    interface: Interface, base: type[Optimizer] = Optimizer, **more: Any
) -> type[Optimizer]:
    """Return a new class of optimizers with an interface.

    Args:
        interface: the interface.
        base: the class that it inherits from.
        more: further attributes.
    """
    attributes = {
        "__module__": "learnerdsl.torch",
        "__qualname__": interface.name,
        "__doc__": interface.documentation,
        "interface": interface,
        **more,
    }
    return ByRule(interface.name, (base,), attributes)  # pyright: ignore[reportReturnType]
