"""The classes that torch.optim has too: its arguments, its defaults, its names of states."""

from collections.abc import Mapping
from typing import Any

from learnerdsl import learners
from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError
from learnerdsl.torch import rules
from learnerdsl.torch.interface import ACCEPTED, Choice, Group, Interface, Source, is_schedule


def _accepted(*names: str) -> dict[str, Any]:
    """Return the defaults of arguments that every class accepts; groups have those of torch only.

    Otherwise flat state dicts of torch lack what `torch.distributed.checkpoint` looks for.
    """
    return {name: ACCEPTED[name] for name in names}


_PLAIN = _accepted("maximize", "foreach", "capturable", "differentiable")
_FUSED = _accepted("maximize", "foreach", "differentiable", "fused")
_BETAS: dict[str, Source] = {"beta1": ("betas", 0), "beta2": ("betas", 1)}
_MOMENTS = {"m": "exp_avg", "v": "exp_avg_sq"}
_THREE_MOMENTS = {**_MOMENTS, "v_max": "max_exp_avg_sq"}


def _sources(rule: UpdateRule, **other: Source) -> Mapping[str, Source]:
    """Return where the hyperparameters of a rule come from: `other`, else arguments of the name."""
    found = {**_BETAS, **other}
    return {name: found.get(name, (name, None)) for name in rule._hyper_names}


def _is_zero(value: Any) -> bool:
    """Return whether a momentum is the number 0; a schedule is not."""
    return not is_schedule(value) and float(value) == 0


_SGD = _sources(learners.sgd)
_SGD_MOMENTUM = _sources(rules.sgd)
_ADAM = _sources(rules.adam)
_RMSPROP = _sources(rules.rmsprop)


def _choose_sgd(group: Group) -> Choice:
    if _is_zero(group["momentum"]):
        if group["nesterov"]:
            msg = "SGD with nesterov=True needs a momentum above 0."
            raise HyperparameterError(msg)
        return Choice(learners.sgd, {}, _SGD)
    if group["nesterov"] and not _is_zero(group["dampening"]):
        msg = "SGD with nesterov=True needs dampening=0."
        raise HyperparameterError(msg)
    return Choice(rules.sgd, {"nesterov": bool(group["nesterov"])}, _SGD_MOMENTUM)


def _choose_adam(group: Group) -> Choice:
    options = {
        "amsgrad": bool(group["amsgrad"]),
        "decoupled": bool(group["decoupled_weight_decay"]),
    }
    return Choice(rules.adam, options, _ADAM)


def _choose_rmsprop(group: Group) -> Choice:
    options = {
        "centered": bool(group["centered"]),
        "has_momentum": not _is_zero(group["momentum"]),
    }
    return Choice(rules.rmsprop, options, _RMSPROP)


def _with_decay(plain: UpdateRule, decoupled: UpdateRule) -> Any:
    """Return a function that chooses between coupled and decoupled weight decay."""
    coupled_sources = _sources(plain)
    sources = dict(_sources(decoupled, decoupled_decay=("weight_decay", None)))
    del sources["weight_decay"]  # 0, the default of the rule

    def choose(group: Group) -> Choice:
        if group["decoupled_weight_decay"]:
            return Choice(decoupled, {}, sources)
        return Choice(plain, {}, coupled_sources)

    return choose


def _only(rule: UpdateRule, **other: Source) -> Any:
    """Return a function that always chooses one rule without options."""
    choice = Choice(rule, {}, _sources(rule, **other))
    return lambda group: choice


_MUON = _sources(learners.muon)
_NS_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def _choose_muon(group: Group) -> Choice:
    options = {
        "nesterov": bool(group["nesterov"]),
        "ns_steps": group["ns_steps"],
        "ns_coefficients": group["ns_coefficients"],
        "ns_gram": bool(group["ns_gram"]),
        "adjust_lr_fn": group["adjust_lr_fn"] or "original",
    }
    return Choice(learners.muon, options, _MUON)


def _adam_defaults(weight_decay: float, decoupled: bool) -> dict[str, Any]:
    own = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": weight_decay}
    return {**own, "amsgrad": False, **ACCEPTED, "decoupled_weight_decay": decoupled}


_DECAYING = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}

KNOWN: dict[str, Interface] = {
    own.name: own
    for own in (
        Interface(
            "SGD",
            {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False}
            | _FUSED,
            _choose_sgd,
            learners.sgd,
            {"b": "momentum_buffer"},
        ),
        Interface("Adam", _adam_defaults(0, False), _choose_adam, learners.adam, _THREE_MOMENTS),
        Interface(
            "AdamW",
            _adam_defaults(1e-2, True),
            _choose_adam,
            learners.adamw,
            _THREE_MOMENTS,
            fixed={"decoupled_weight_decay": True},
        ),
        Interface(
            "NAdam",
            {"lr": 2e-3, **_DECAYING, "momentum_decay": 4e-3, "decoupled_weight_decay": False}
            | _PLAIN,
            _with_decay(learners.nadam, rules.nadam_decoupled),
            learners.nadam,
            _MOMENTS,
        ),
        Interface(
            "RAdam",
            {"lr": 1e-3, **_DECAYING, "decoupled_weight_decay": False} | _PLAIN,
            _with_decay(learners.radam, rules.radam_decoupled),
            learners.radam,
            _MOMENTS,
        ),
        Interface(
            "Adagrad",
            {
                "lr": 1e-2,
                "lr_decay": 0,
                "weight_decay": 0,
                "initial_accumulator_value": 0,
                "eps": 1e-10,
            }
            | _FUSED,
            _only(learners.adagrad, initial_accumulator=("initial_accumulator_value", None)),
            learners.adagrad,
            {"s": "sum"},
        ),
        Interface(
            "Adadelta",
            {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0} | _PLAIN,
            _only(learners.adadelta),
            learners.adadelta,
            {"v": "square_avg", "u": "acc_delta"},
        ),
        Interface(
            "Adamax",
            {"lr": 2e-3, **_DECAYING} | _PLAIN,
            _only(learners.adamax),
            learners.adamax,
            {"m": "exp_avg", "u": "exp_inf"},
        ),
        Interface(
            "RMSprop",
            {
                "lr": 1e-2,
                "alpha": 0.99,
                "eps": 1e-8,
                "weight_decay": 0,
                "momentum": 0,
                "centered": False,
            }
            | _PLAIN,
            _choose_rmsprop,
            learners.rmsprop,
            {"v": "square_avg", "b": "momentum_buffer", "a": "grad_avg"},
        ),
        Interface(
            "Rprop",
            {"lr": 1e-2, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50)} | _PLAIN,
            _only(
                learners.rprop,
                eta_minus=("etas", 0),
                eta_plus=("etas", 1),
                step_min=("step_sizes", 0),
                step_max=("step_sizes", 1),
            ),
            learners.rprop,
            {"d": "step_size", "last": "prev"},
        ),
        Interface(
            "ASGD",
            {"lr": 1e-2, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0} | _PLAIN,
            _only(rules.asgd_with_decay, coupled_decay=("weight_decay", None)),
            learners.asgd,
            {"average": "ax"},
        ),
        Interface(
            "Adafactor",
            {
                "lr": 1e-2,
                "beta2_decay": -0.8,
                "eps": (None, 1e-3),
                "d": 1.0,
                "weight_decay": 0.0,
            }
            | _accepted("maximize", "foreach"),
            _only(learners.adafactor, eps1=("eps", 0), eps2=("eps", 1)),
            learners.adafactor,
            {"row": "row_var", "col": "col_var", "v": "variance"},
            {"row": -1, "col": -2},
        ),
        Interface(
            "Muon",
            {
                "lr": 1e-3,
                "weight_decay": 0.1,
                "momentum": 0.95,
                "nesterov": True,
                "ns_coefficients": _NS_COEFFICIENTS,
                "eps": 1e-7,
                "ns_steps": 5,
                "adjust_lr_fn": None,
                "ns_gram": False,
            }
            | _accepted("maximize"),
            _choose_muon,
            learners.muon,
            {"m": "momentum_buffer"},
            products="bfloat16",
        ),
        Interface(
            "SparseAdam",
            {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8} | _accepted("maximize"),
            _only(learners.sparse_adam),
            learners.sparse_adam,
            _MOMENTS,
        ),
    )
}
"""Name of a class -> its interface."""
