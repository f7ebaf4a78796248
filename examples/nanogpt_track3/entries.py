"""Entries of the third track of modded-nanogpt, the fewest steps to a loss of 3.28, as rules.

An entry has a rule and arguments for each role of a parameter: hidden matrices, the embedding, the
head, and vectors (gains and biases). `number`, `steps` and hyperparameters are those of
https://github.com/KellerJordan/modded-nanogpt/tree/master/records/track_3_optimization.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psgd as of_psgd
import record
import rules
import sympy

import learnerdsl as ld
from learnerdsl.learners import adam_uncorrected, adamw, muon
from learnerdsl.schedules import Schedule, constant, join, linear, power_cool, product
from learnerdsl.transforms import hyperball

VECTOR_ROLES = ("gains", "proj_bias", "bias")


@dataclass
class Entry:
    """A way to train the model.

    Attributes:
        number: of the entry in the benchmark's table.
        reached: the steps to 3.28 in that table.
        steps: the updates that its schedules are for.
        rules: role of a parameter -> rule.
        arguments: role -> arguments of its rule.
        scales: how many times the usual standard deviation hidden matrices start with, by the end
            of their names; None for the baseline's, where matrices called "proj" start from 0.
        gain_split: how far from 1 the gains of a block start, up and down by chance.
        fc_ramp: by which share `mlp.fc.weight` of the last block starts smaller.
    """

    number: int
    reached: int
    steps: int
    rules: dict[str, Any]
    arguments: dict[str, dict[str, Any]]
    scales: dict[str, float] | None = None
    gain_split: float = 0.0
    fc_ramp: float = 0.0
    parts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Name each rule by its role, so that arguments can be given for it."""
        self.rules = {role: ld.chain(rule, name=role) for role, rule in self.rules.items()}
        self.parts = tuple(role for role in self.rules if role.startswith("hidden_"))

    def role(self, name: str, shape: tuple[int, ...]) -> str:
        """Return the role of a parameter by its name in the model and its shape."""
        if len(shape) == 2 and name.startswith("blocks."):
            part = "hidden_" + name.split(".", 2)[2].removesuffix(".weight").replace(".", "_")
            return part if part in self.parts else "hidden"
        if len(shape) == 2:
            return "embed" if "embed" in name else "head"
        if "vector" in self.rules:
            return "vector"
        kinds = dict(zip((".gains", ".attn.proj.bias"), VECTOR_ROLES, strict=False))
        return next((role for end, role in kinds.items() if name.endswith(end)), "bias")

    def learner(self, parameters: dict[str, Any], **options: Any) -> Any:
        """Return a learner of arrays by name."""
        mixed = ld.by_parameter(lambda name, shape: self.rules[self.role(name, shape)])
        roles = {self.role(name, array.shape) for name, array in parameters.items()}
        arguments = {role: given for role, given in self.arguments.items() if role in roles}
        return mixed(parameters, **arguments, **options)


def cooled(peak: float, steps: int, share: float, power: float = 1) -> Schedule:
    """Stay at the peak, and fall to 0 in the last share of the steps."""
    return power_cool(peak, steps, peak / (share * steps) ** power, power)


def with_adamw(
    number: int,
    reached: int,
    steps: int,
    hidden: Any,
    hidden_arguments: dict[str, Any],
    rates: tuple[float, float, float] = (0.3, 1 / 320, 0.01),
    decay: float = 0.0,
    schedule: Callable[[float], Any] | None = None,
    **start: Any,
) -> Entry:
    """Return an entry whose embedding, head and vectors have AdamW at the given rates."""
    schedule = schedule or (lambda peak: cooled(peak, steps, 0.4))
    common = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-10, "weight_decay": decay}
    others = dict(zip(("embed", "head", "vector"), rates, strict=True))
    return Entry(
        number,
        reached,
        steps,
        {"hidden": hidden, **dict.fromkeys(others, adamw)},
        {
            "hidden": hidden_arguments,
            **{role: {"lr": schedule(rate), **common} for role, rate in others.items()},
        },
        **start,
    )


SPREAD = {"attn.proj.weight": 1.25, "mlp.proj.weight": 3.0, "mlp.fc.weight": 1.5}
"""How many times longer hidden matrices start in the entries on the hyperball."""


def adam(steps: int = 5625) -> Entry:
    """#2, 5625 steps: Adam, lr 0.0015, betas 0.9 and 0.95, decay 0.1, a warm-up of 250 steps."""
    warm = linear(1 / 250, 1, 249)

    def rate(peak: float) -> Schedule:
        return product([warm, cooled(peak, steps, 0.7)])

    given = {"lr": rate(0.0015), "beta1": 0.9, "beta2": 0.95, "eps": 1e-10, "weight_decay": 0.1}
    return with_adamw(2, 5625, steps, adamw, given, schedule=rate)


def muon_tuned(steps: int = 3250) -> Entry:
    """#36, 3250 steps: Muon, lr 0.025, decay 0.05, tuned rates of AdamW, cooled for 70 %."""

    def rate(peak: float) -> Schedule:
        return cooled(peak, steps, 0.7)

    given = {**MUON, "lr": rate(0.025), "weight_decay": 0.05}
    rates = (0.7, 0.004, 0.015)
    return with_adamw(36, 3250, steps, muon, given, rates, decay=0.001, schedule=rate)


MUON = {"ns_steps": rules.NS_STEPS, "ns_coefficients": rules.CONVERGING}


def muon_h(steps: int = 3325) -> Entry:
    """#5, 3325 steps: Muon on the hyperball, lr 0.018, which falls from the start."""
    given = {**MUON, "lr": cooled(0.018, steps, 1), "weight_decay": 0.0}
    rule = ld.chain(muon, hyperball)
    return with_adamw(5, 3325, steps, rule, given, scales=SPREAD)


def normuon_h(steps: int = 3275) -> Entry:
    """#8, 3250 steps of 3275: NorMuon on the hyperball, lr 0.018, momentum and beta2 0.95."""
    rule = ld.chain(rules.normuon_of_short_side, hyperball)
    given = {"lr": cooled(0.018, steps, 1)}
    return with_adamw(8, 3250, steps, rule, given, scales=SPREAD)


def kl_soap_h(steps: int = 3125) -> Entry:
    """#19, 3125 steps: KL-SOAP on the hyperball, lr 0.018, betas 0.95 and 0.9, Shampoo's 0.9."""
    rule = ld.chain(rules.kl_soap, hyperball)
    given = {"lr": cooled(0.018, steps, 1)}
    return with_adamw(19, 3125, steps, rule, given, scales=SPREAD)


def soap_h(steps: int = 3125) -> Entry:
    """#27, 3125 steps: SOAP on the hyperball, lr 0.018, betas 0.95 and 0.9, a power of 1.25."""
    rule = ld.chain(rules.soap_uncorrected, hyperball)
    given = {"lr": cooled(0.018, steps * 3200 // 3125, 1, 1.25)}
    return with_adamw(27, 3125, steps, rule, given, scales=SPREAD)


def psgd(steps: int = 3400) -> Entry:
    """#33, 3375 steps of 3400: PSGD on the hyperball, lr 0.025, momentum 0.95, precond_lr 1.

    The other rates stay for half of the steps, and fall to a tenth.
    """

    def rate(peak: float) -> Schedule:
        half = steps // 2
        return join([constant(peak), linear(peak, 0.1 * peak, steps - half)], [half])

    rule, given = ld.chain(of_psgd.psgd, hyperball), {"lr": cooled(0.025, steps, 1)}
    return with_adamw(33, 3375, steps, rule, given, schedule=rate, scales=SPREAD)


def shampoo(steps: int = 4150) -> Entry:
    """#21, 4100 steps of 4150: Shampoo to the power -1/4, lr 0.0015, decay 0.2, roots each 5."""

    def rate(peak: float) -> Schedule:
        return cooled(peak, steps, 0.7)

    rule, given = rules.grafted_shampoo, {"lr": rate(0.0015)}
    return with_adamw(21, 4100, steps, rule, given, schedule=rate)


def muown(steps: int = 3165) -> Entry:
    """#23, 3075 steps of 3165: Muown, lr 0.00325, target lengths 2.496, of `mlp.proj` 8.3."""

    def rate(peak: float) -> Schedule:
        return cooled(peak, steps, 0.7, 0.9)

    done = sympy.Min(sympy.Max(ld.step - 2, 0) / max(steps - 1, 1), 1) ** sympy.Float(1.2)
    given = {"lr": rate(0.00325), "progress": Schedule(done)}
    rates = (0.6, 0.009375, 0.03)
    entry = with_adamw(23, 3075, steps, rules.muown_scheduled, given, rates, schedule=rate)
    longer = {**given, "target": 2.496 * 3.33333333333}
    return Entry(
        entry.number,
        entry.reached,
        steps,
        {**entry.rules, "hidden_mlp_proj": rules.muown_scheduled},
        {**entry.arguments, "hidden_mlp_proj": longer},
    )


def record_46(steps: int = 2900) -> Entry:
    """#46, 2690 steps of 2900: SOAP-Muon with a floor for rows, EMA-Nesterov and tail EMA.

    lr 0.0375, momentum 0.85 to 0.95 and back, beta2 0.9, cautious decay 0.025, PowerCool 1.2.
    """

    def rate(peak: float, coefficient: float) -> Schedule:
        return power_cool(peak, steps, coefficient * (2900 / steps) ** 1.2, 1.2)

    def at(share: int) -> int:
        return max(share * steps // 2900, 1)

    of_vectors = rate(0.01, 1.6589351369335795e-06)
    relative = rate(0.3, 4.976805410800738e-05).expression / 0.3
    ahead = sympy.Piecewise(
        (0.3 * relative, (ld.step >= at(300)) & (ld.step < at(1950))), (0, True)
    )
    done, faded = ld.step - 1, at(1625)
    fading = (faded - done) / sympy.Integer(max(faded - at(1375), 1))
    floor = Schedule(0.45 * sympy.Min(sympy.Max(fading, 0), 1))
    cap = Schedule(sympy.Piecewise((0.85, ld.step <= faded), (1.0, True)))
    ending = (steps - done) / sympy.Integer(max(steps - at(2700), 1))
    heat = sympy.Min(done / sympy.Integer(at(300)), 1, sympy.Max(ending, 0))
    momentum = Schedule(0.85 + 0.1 * heat)
    given = {"lr": rate(0.0375, 3.3169534699576625e-06), "momentum": momentum}
    hidden = ld.chain(record.soap_muon_pinned, record.averaged)
    old = ld.chain(adamw, record.averaged)
    new = ld.chain(adam_uncorrected, record.averaged)
    betas = {"beta1": 0.8, "beta2": 0.99, "eps": 1e-10}
    arguments: dict[str, dict[str, Any]] = {
        "hidden": given,
        "hidden_attn_proj": {**given, "gated": True, "least": floor, "most": cap},
        "embed": {"lr": rate(0.3, 4.976805410800738e-05), **betas, "weight_decay": 0, "blend": 0},
        "head": {"lr": rate(1 / 320, 5.184172302917436e-07), **betas, "weight_decay": 0},
        "gains": {**betas, "lr": of_vectors},
        "proj_bias": {**betas, "lr": of_vectors, "beta2": 0.9965},
        "bias": {**betas, "lr": of_vectors, "beta2": 0.997},
    }
    for one in arguments.values():
        one |= {"ahead": Schedule(ahead), "tail_start": at(2400)}
    chosen = {"hidden": hidden, "hidden_attn_proj": hidden, "embed": old, "head": old}
    chosen |= dict.fromkeys(VECTOR_ROLES, new)
    return Entry(46, 2690, steps, chosen, arguments, gain_split=0.125, fc_ramp=0.3)


ENTRIES: dict[str, Callable[..., Entry]] = {
    one.__name__: one
    for one in (
        adam,
        muon_tuned,
        muon_h,
        normuon_h,
        kl_soap_h,
        soap_h,
        psgd,
        shampoo,
        muown,
        record_46,
    )
}
"""Name -> function of the number of updates that the schedules are for."""
