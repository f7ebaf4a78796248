"""Optimizers of other libraries whose checkpoints continue here, and what their parts are here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from learnerdsl.errors import CheckpointError, UnknownNameError
from learnerdsl.torch.interface import ACCEPTED
from learnerdsl.torch.loading import saved_groups
from learnerdsl.torch.members import MODEL

DECAY = ("weight_decouple", "fixed_decay", "decoupled_decay", "corrected_weight_decay")
"""Arguments that matter only where there is weight decay."""
WITHOUT_EFFECT = {"params", "param_names", "initial_lr", "lr_scale", "max_lr_snapshot", *ACCEPTED}
"""Keys of groups that say nothing about the rule, or the same as here."""
COUNTS = ("step", "k")
"""Keys of groups that count the updates, where states do not."""

_ADAM_HYPERS = ("lr", "betas", "eps", "weight_decay")


@dataclass(frozen=True)
class Foreign:
    """What an optimizer of another library is here.

    Attributes:
        name: the class here.
        states: their state -> ours.
        same: their arguments that have the same name and meaning here.
        arguments: their other arguments -> ours.
        fixed: their arguments -> the value with which it is the same rule.
        shared: keys of their groups -> our state, which each tensor has.
        model: keys of their groups -> our state of the whole model.
        flat: their states that are flattened to vectors.
        negated: their states that have the other sign.
        dropped: their states and arguments that say nothing.
    """

    name: str
    states: Mapping[str, str]
    same: tuple[str, ...] = _ADAM_HYPERS
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)
    flat: tuple[str, ...] = ()
    negated: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


_ADAM = {"exp_avg": "m", "exp_avg_sq": "v"}
_LION = {"exp_avg": "m"}
_MADGRAD = {"grad_sum_sq": "q", "s": "s", "x0": "start"}
_ADAN = {"exp_avg": "m", "exp_avg_diff": "v", "exp_avg_sq": "n"}
_MEANS = {"lr_max": "lr_max", "weight_sum": "weight_sum"}
_FREE = ("lr", "r", "warmup_steps", "weight_lr_power", "weight_decay")
_ADAM_FREE = (*_FREE, "betas", "eps")
_TIMM = {"caution": False, "corrected_weight_decay": False}
_PO = {"weight_decouple": True, "fixed_decay": False}
_COUPLED = {"weight_decouple": False, "fixed_decay": False}
_NO_DECAY = {"weight_decay": 0}
_TRAINING = {"train_mode": True}
_ADAMP = (*_ADAM_HYPERS, "delta", "wd_ratio", "nesterov")
_SGD = ("lr", "momentum", "dampening", "weight_decay")

FOREIGN = {
    "timm.AdamP": Foreign("AdamP", _ADAM, _ADAMP, fixed=_TIMM),
    "timm.Adan": Foreign(
        "Adan",
        {**_ADAN, "neg_pre_grad": "g_last"},
        fixed={**_TIMM, "no_prox": False},
        negated=("neg_pre_grad",),
    ),
    "timm.Lamb": Foreign(
        "LAMBTimm",
        _ADAM,
        (*_ADAM_HYPERS, "trust_clip", "always_adapt"),
        {"max_grad_norm": ("max_norm",)},
        {**_TIMM, "bias_correction": True, "grad_averaging": True, "decoupled_decay": False},
    ),
    "timm.LaProp": Foreign(
        "LaProp",
        {**_ADAM, "exp_avg_lr_1": "lr_mean", "exp_avg_lr_2": "weight"},
        fixed=_TIMM,
    ),
    "timm.Lion": Foreign("Lion", _LION, ("lr", "betas", "weight_decay"), fixed=_TIMM),
    "timm.MADGRAD": Foreign(
        "MADGRAD",
        _MADGRAD,
        ("lr", "momentum", "eps"),
        fixed={**_NO_DECAY, "decoupled_decay": False},
    ),
    "timm.NAdamW": Foreign("NAdamWTimm", _ADAM, fixed={**_TIMM, "clipping_threshold": None}),
    "timm.NvNovoGrad": Foreign(
        "NovoGradTimm",
        _ADAM,
        fixed={**_TIMM, "grad_averaging": False, "amsgrad": False, "decoupled_decay": False},
    ),
    "timm.SGDP": Foreign(
        "SGDP",
        {"momentum": "b"},
        (*_SGD, "eps", "delta", "wd_ratio", "nesterov"),
        fixed=_TIMM,
    ),
    "timm.SGDW": Foreign(
        "SGDW", {"momentum_buffer": "b"}, _SGD, fixed={**_TIMM, "nesterov": False}
    ),
    "pytorch_optimizer.AdaBelief": Foreign(
        "AdaBelief",
        {"exp_avg": "m", "exp_avg_var": "s"},
        ("lr", "betas"),
        {"eps": ("eps", "eps_root")},
        {**_NO_DECAY, **_PO, "rectify": False, "ams_bound": False},
    ),
    "pytorch_optimizer.AdaMod": Foreign("AdaMod", {**_ADAM, "exp_avg_lr": "s"}, fixed=_PO),
    "pytorch_optimizer.Adan": Foreign(
        "Adan",
        {**_ADAN, "previous_grad": "g_last"},
        fixed={"weight_decouple": False, "max_grad_norm": 0.0},
        negated=("previous_grad",),
    ),
    "pytorch_optimizer.AdEMAMix": Foreign(
        "AdEMAMix",
        {"exp_avg": "m1", "exp_avg_slow": "m2", "exp_avg_sq": "v"},
        (*_ADAM_HYPERS, "alpha"),
        fixed={**_PO, "t_alpha_beta3": None},
    ),
    "pytorch_optimizer.CAME": Foreign(
        "CAME",
        {
            **_ADAM,
            "exp_avg_sq_row": "row",
            "exp_avg_sq_col": "col",
            "exp_avg_res_row": "deviation_row",
            "exp_avg_res_col": "deviation_col",
        },
        ("lr", "betas", "weight_decay", "eps1", "eps2"),
        fixed={**_PO, "ams_bound": False},
        dropped=("RMS",),
    ),
    "pytorch_optimizer.DiffGrad": Foreign(
        "DiffGrad",
        {**_ADAM, "previous_grad": "previous"},
        fixed={**_COUPLED, "rectify": False, "ams_bound": False},
    ),
    "pytorch_optimizer.Lion": Foreign("Lion", _LION, ("lr", "betas", "weight_decay"), fixed=_PO),
    "pytorch_optimizer.NovoGrad": Foreign(
        "NovoGrad",
        {"moments": "m", "grads_ema": "v"},
        fixed={**_COUPLED, "grad_averaging": False},
    ),
    "pytorch_optimizer.ScheduleFreeAdamW": Foreign(
        "ScheduleFreeAdamW",
        {"z": "z", "exp_avg_sq": "v"},
        _ADAM_FREE,
        fixed={**_TRAINING, "decoupling_c": 0, "ams_bound": False, "use_palm": False},
        shared=_MEANS,
    ),
    "pytorch_optimizer.StableAdamW": Foreign(
        "StableAdamW", _ADAM, fixed={"weight_decouple": True}, dropped=("kahan_comp", "kahan_sum")
    ),
    "pytorch_optimizer.Tiger": Foreign("Tiger", _LION, ("lr", "beta", "weight_decay"), fixed=_PO),
    "pytorch_optimizer.Yogi": Foreign(
        "Yogi",
        _ADAM,
        ("lr", "betas", "eps", "initial_accumulator"),
        fixed={**_NO_DECAY, **_PO},
    ),
    "prodigyopt.Prodigy": Foreign(
        "ProdigyOfficial",
        {**_ADAM, "s": "s", "p0": "p0"},
        (*_ADAM_HYPERS, "d0", "d_coef", "growth_rate", "safeguard_warmup"),
        {"use_bias_correction": ("bias_correction",)},
        {"beta3": None, "decouple": True, "fsdp_in_use": False, "slice_p": 1},
        model={"d": "d", "d_max": "d_max", "d_numerator": "r"},
        flat=("s", "p0"),
        dropped=("d_denom", "d_hat"),
    ),
    "schedulefree.AdamWScheduleFree": Foreign(
        "ScheduleFreeAdamW",
        {"z": "z", "exp_avg_sq": "v"},
        _ADAM_FREE,
        fixed=_TRAINING,
        shared=_MEANS,
        dropped=("scheduled_lr",),
    ),
    "schedulefree.RAdamScheduleFree": Foreign(
        "ScheduleFreeRAdam",
        {"z": "z", "exp_avg_sq": "v"},
        (*_ADAM_HYPERS, "r", "weight_lr_power", "silent_sgd_phase"),
        fixed=_TRAINING,
        shared=_MEANS,
        dropped=("scheduled_lr",),
    ),
    "schedulefree.SGDScheduleFree": Foreign(
        "ScheduleFreeSGD",
        {"z": "z"},
        _FREE,
        {"momentum": ("beta",)},
        _TRAINING,
        _MEANS,
        dropped=("scheduled_lr",),
    ),
}
"""Library and class -> what it is here."""


def from_library(name: str, state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state dict for a class of this package from one of another library's optimizer.

    Their arguments come along; give arguments that their groups do not have, if they were not the
    defaults, to the optimizer that loads the result.

    Args:
        name: library and class, such as "timm.Lion".
        state_dict: what the `state_dict()` of that optimizer returned.

    Returns:
        A state dict; tensors are those that were given.

    Raises:
        UnknownNameError: no class here corresponds to that one.
        CheckpointError: the optimizer used an argument with which it is another rule, or has states
            that are not known.

    >>> import torch
    >>> import learnerdsl.torch as ldt
    >>> group = {"lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1, "params": [0]}
    >>> saved = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [group]}
    >>> optimizer = ldt.Lion([torch.nn.Parameter(torch.ones(3))])
    >>> optimizer.load_state_dict(from_library("timm.Lion", saved))
    <Everything was matched>
    >>> optimizer.param_groups[0]["weight_decay"]
    0.1
    """
    if name not in FOREIGN:
        msg = f"No class corresponds to {name!r}; there are: {', '.join(FOREIGN)}."
        raise UnknownNameError(msg)
    foreign = FOREIGN[name]
    groups = saved_groups(state_dict)
    states: dict[Any, dict[str, Any]] = {}
    for group in groups:
        for number in group["params"]:
            given = state_dict["state"].get(number)
            if given:
                states[number] = dict(_states(foreign, name, given, group))
    return {
        "state": states,
        "param_groups": [dict(_arguments(foreign, name, group)) for group in groups],
    }


def _states(
    foreign: Foreign, name: str, given: Mapping[str, Any], group: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield our states of a parameter."""
    counts = [own[key] for own in (given, group) for key in COUNTS if key in own]
    if counts:
        yield "step", counts[0]
    for key, value in given.items():
        if key in foreign.states:
            yield foreign.states[key], _value(foreign, key, value, given)
        elif key not in (*COUNTS, *foreign.dropped):
            there = ", ".join(foreign.states)
            msg = f"The checkpoint of {name} has the unknown state {key!r}; known are: {there}."
            raise CheckpointError(msg)
    for key, own in foreign.shared.items():
        yield own, group[key]


def _value(foreign: Foreign, key: str, value: Any, given: Mapping[str, Any]) -> Any:
    """Return what our state has where theirs has `value`."""
    if key in foreign.negated:
        return -value
    return value.view_as(given["exp_avg"]) if key in foreign.flat else value


def _arguments(foreign: Foreign, name: str, group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield our arguments of a group; raise if one of theirs makes another rule."""
    for key, value in group.items():
        if key in foreign.fixed:
            is_moot = key in DECAY and not group.get("weight_decay")
            if value != foreign.fixed[key] and not is_moot:
                msg = (
                    f"{name} with {key}={value!r} has no class here, only with "
                    f"{key}={foreign.fixed[key]!r}."
                )
                raise CheckpointError(msg)
        elif key in foreign.same or key in WITHOUT_EFFECT:
            yield key, value
        elif key in foreign.model:
            yield MODEL + foreign.model[key], value
        elif key not in (*foreign.arguments, *foreign.shared, *COUNTS, *foreign.dropped):
            msg = f"The checkpoint of {name} has the unknown argument {key!r}, which may matter."
            raise CheckpointError(msg)
        for own in foreign.arguments.get(key, ()):
            yield own, value
