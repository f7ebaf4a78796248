"""Number types in memory: how fast an update is in each, and how well small models learn.

`python -m benchmarks.precision speed` measures AdamW on one tensor in all precisions, beside each
other and beside torch's fused AdamW. `python -m benchmarks.precision learning` trains small models,
prints a table of their losses and writes the pictures of `docs/precision.md`.
"""

import argparse
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import cases, learning, report
from benchmarks.__main__ import print_machine
from benchmarks.learning import number_type
from benchmarks.peers import BETA1, BETA2, EPS, LR, Arrays, Peer, PeerKind
from benchmarks.timing import Effort, Timings
from learnerdsl import learners

WEIGHT_DECAY = 1e-2
OURS, FUSED, FUSED_BF16 = "float32", "torch fused, float32", "torch fused, bf16"
EIGHT = {"m": "int8", "v": "uint8"}
STOCHASTIC = {"rounding": "stochastic"}


@dataclass(frozen=True)
class Choice:
    """Number types of an update.

    Attributes:
        name: what the table calls it.
        parameter: number type of the parameters.
        gradient: number type of the gradients.
        choices: arguments of the learner.
        most: the largest time that is expected, as a part of that of float32; None for no
            expectation.
    """

    name: str
    parameter: str
    gradient: str
    choices: Mapping[str, Any]
    most: float | None = None


CHOICES = (
    Choice(OURS, "float32", "float32", {}),
    Choice("bf16", "bfloat16", "bfloat16", {}, 0.85),
    Choice("bf16 stochastic", "bfloat16", "bfloat16", STOCHASTIC, 0.85),
    Choice("bf16, bf16 states", "bfloat16", "bfloat16", {"states": "bfloat16"}, 0.65),
    Choice(
        "bf16, bf16 states, stochastic",
        "bfloat16",
        "bfloat16",
        {"states": "bfloat16", **STOCHASTIC},
        0.7,
    ),
    Choice("split16", "bfloat16", "bfloat16", {"master": "split16"}, 0.9),
    Choice("split8", "bfloat16", "bfloat16", {"master": "split8"}),
    Choice("kahan", "bfloat16", "bfloat16", {"master": "kahan"}),
    Choice("float32 master", "bfloat16", "bfloat16", {"master": "float32"}),
    Choice("float32, 8-bit states", "float32", "float32", {"states": EIGHT}, 0.8),
    Choice("bf16, 8-bit states", "bfloat16", "bfloat16", {"states": EIGHT}, 0.8),
    Choice(
        "bf16, 8-bit states, stochastic",
        "bfloat16",
        "bfloat16",
        {"states": EIGHT, **STOCHASTIC},
        0.8,
    ),
    Choice("split16, 8-bit states", "bfloat16", "bfloat16", {"master": "split16", "states": EIGHT}),
    Choice("float16", "float16", "float16", {}),
    Choice("float32, bf16 gradients", "float32", "bfloat16", {}),
)
LEAST_OF_TORCH = 2.0
"""How many times longer torch's fused update of bfloat16 tensors is expected to take."""


def learner_of(choice: Choice, rule: str, params: Arrays, grads: Arrays) -> Any:
    """(learner, gradients) in the number types of a choice; float32 arrays are shared."""
    own = [p.astype(number_type(choice.parameter), copy=False) for p in params]
    gradients = [g.astype(number_type(choice.gradient), copy=False) for g in grads]
    decay = {"weight_decay": WEIGHT_DECAY} if rule == "adamw" else {}
    make = getattr(learners, rule)
    learner = make(own, lr=LR, beta1=BETA1, beta2=BETA2, eps=EPS, **decay, **choice.choices)
    learner.update(gradients)  # chooses the program for this type of gradients
    return learner, gradients


def ours(choice: Choice, rule: str, params: Arrays, grads: Arrays) -> Peer:
    """The builtin rule, through the call that a user writes."""
    learner, gradients = learner_of(choice, rule, params, grads)
    return Peer(functools.partial(learner.update, gradients), lambda: params)


def torch_fused(dtype: str, rule: str, params: Arrays, grads: Arrays) -> Peer:
    """Torch's fused AdamW or Adam, with states of the parameters' type as torch has them."""
    import torch

    decay = {"weight_decay": WEIGHT_DECAY} if rule == "adamw" else {}
    tensors = [torch.nn.Parameter(torch.from_numpy(p).to(getattr(torch, dtype))) for p in params]
    for tensor, gradient in zip(tensors, grads, strict=True):
        tensor.grad = torch.from_numpy(gradient).to(getattr(torch, dtype))
    make = torch.optim.AdamW if rule == "adamw" else torch.optim.Adam
    optimizer = make(tensors, lr=LR, betas=(BETA1, BETA2), eps=EPS, fused=True, **decay)
    return Peer(optimizer.step, lambda: params)


def kinds_for(rule: str) -> tuple[PeerKind, ...]:
    """All peers; they round differently, so their results are not compared here."""
    own = [
        PeerKind(choice.name, functools.partial(ours, choice, rule), (), False)
        for choice in CHOICES
    ]
    others = [
        PeerKind(name, functools.partial(torch_fused, dtype, rule), ("torch",), False)
        for name, dtype in ((FUSED, "float32"), (FUSED_BF16, "bfloat16"))
    ]
    return (*own, *others)


def bytes_of(choice: Choice, rule: str) -> int:
    """Bytes per element that an update moves."""
    params, grads = cases.make_data([(8,)])
    learner, _ = learner_of(choice, rule, params, grads)
    return learner.plan().bytes_per_element


def print_speed(timings: Timings, rule: str, size: int) -> None:
    """Print times, traffic and ratios as Markdown."""
    print(f"\n{rule}, one tensor of {size:,} elements; ratios are medians of those in one round\n")
    print("| number types | bytes | an update | / float32 | expected | torch fused bf16 / it |")
    print("|---|---|---|---|---|---|")
    moved = {choice.name: bytes_of(choice, rule) for choice in CHOICES}
    expected = {choice.name: choice.most for choice in CHOICES}
    for name in timings.seconds:
        ratio = timings.ratio(name, OURS)
        most = expected.get(name)
        word = "" if most is None else f"{'met' if ratio <= most else 'NOT met'}: at most {most}"
        peer = f"{timings.ratio(FUSED_BF16, name):.2f}" if FUSED_BF16 in timings.seconds else "-"
        time = report.duration(timings.typical(name))
        print(f"| {name} | {moved.get(name, '-')} | {time} | {ratio:.2f} | {word} | {peer} |")
    disturbed = {name: n for name, n in timings.disturbed.items() if n}
    print(f"\nRounds in which the threads of a peer waited for a core: {disturbed or 'none'}")
    print(
        f"Beside torch's fused update of bfloat16 tensors at least {LEAST_OF_TORCH:g} is expected."
    )


def measure_speed(options: argparse.Namespace) -> None:
    """Measure all number types in one run."""
    print_machine()
    for rule in options.rule or ["adamw"]:
        case = cases.Case(
            f"{rule}-precision",
            cases.flat(round(options.size)),
            kinds_for(rule),
            placements=cases.FLAT_PLACEMENTS,
        )
        effort = replace(Effort(), rounds=options.rounds)
        print_speed(cases.run_case(case, effort), rule, round(options.size))


def measure_learning(options: argparse.Namespace) -> None:
    """Train the small models, print the table and write the pictures."""
    from benchmarks import pictures  # needs matplotlib

    pictures.draw_rounding(options.out / "precision-rounding.svg")
    pictures.draw_errors(options.out / "precision-errors.svg")
    runs = learning.train_all(options.seeds, options.share)
    learning.print_runs(runs)
    pictures.draw_learning(runs, options.out / "precision-learning.svg")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parts = parser.add_subparsers(required=True)
    speed = parts.add_parser("speed", help="time of an update in each precision")
    speed.add_argument("--size", type=float, default=1e7, help="elements; default: 1e7")
    speed.add_argument("--rounds", type=int, default=12, help="visits to each peer; default: 12")
    speed.add_argument("--rule", action="append", choices=("adamw", "adam"), help="default: adamw")
    speed.set_defaults(do=measure_speed)
    learn = parts.add_parser("learning", help="losses of small models, and the pictures")
    learn.add_argument("--seeds", type=int, default=5, help="trainings of each; default: 5")
    learn.add_argument("--share", type=float, default=1.0, help="part of the updates to do")
    learn.add_argument("--out", type=Path, default=Path("docs"), help="folder of the pictures")
    learn.set_defaults(do=measure_learning)
    return parser.parse_args(arguments)


def main() -> None:
    """Run what the command line asks for."""
    options = parse()
    options.do(options)


if __name__ == "__main__":
    main()
