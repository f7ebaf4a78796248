"""Schedules against torch.optim.lr_scheduler, which computes them from one step to the next."""

import math
import warnings

import pytest

import learnerdsl as ld
from learnerdsl.schedules import (
    chebyshev,
    constant,
    cosine,
    cosine_periodic,
    cosine_restarts,
    cyclic,
    exponential,
    held,
    join,
    linear,
    one_cycle,
    piecewise_constant,
    polynomial,
    product,
    rex,
    step_decay,
    swa_annealing,
    updates_done,
    wsd,
)

torch = pytest.importorskip("torch")
scheduler = torch.optim.lr_scheduler

BASE = 0.4
STEPS = 70


def rates(make, steps=STEPS, option="lr", **settings):
    """What torch uses in each update, of a scheduler that `make` gives to an optimizer."""
    tensor = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([tensor], **{"lr": BASE, "momentum": 0.9, **settings})
    schedule = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0][option])
        optimizer.step()
        schedule.step()
    return seen


def agrees(ours, theirs):
    # What is almost 0 has the rounding of the values before it.
    assert list(ours.values(len(theirs))) == pytest.approx(theirs, rel=1e-12, abs=1e-14)


CASES = {
    "ConstantLR": (held(BASE), lambda o: scheduler.ConstantLR(o)),
    "ConstantLR, 9 updates": (
        held(BASE, 0.25, 9),
        lambda o: scheduler.ConstantLR(o, factor=0.25, total_iters=9),
    ),
    "LambdaLR": (
        ld.Schedule(BASE * ld.cos(updates_done) / ld.step),
        lambda o: scheduler.LambdaLR(o, lambda k: math.cos(k) / (k + 1)),
    ),
    "MultiplicativeLR": (
        ld.Schedule(BASE / ld.step),
        lambda o: scheduler.MultiplicativeLR(o, lambda k: k / (k + 1)),
    ),
    "StepLR": (
        step_decay(BASE, 0.7, 9),
        lambda o: scheduler.StepLR(o, step_size=9, gamma=0.7),
    ),
    "MultiStepLR": (
        piecewise_constant([BASE, BASE * 0.3, BASE * 0.09], [7, 31]),
        lambda o: scheduler.MultiStepLR(o, milestones=[7, 31], gamma=0.3),
    ),
    "LinearLR": (linear(BASE / 3, BASE, 5), lambda o: scheduler.LinearLR(o)),
    "LinearLR downwards": (
        linear(BASE, BASE / 10, 49),
        lambda o: scheduler.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=49),
    ),
    "ExponentialLR": (
        exponential(BASE, 0.93),
        lambda o: scheduler.ExponentialLR(o, gamma=0.93),
    ),
    "PolynomialLR": (
        polynomial(BASE, 0.0, 49, 2.5),
        lambda o: scheduler.PolynomialLR(o, total_iters=49, power=2.5),
    ),
    "PolynomialLR, a root": (
        polynomial(BASE, 0.0, 49, 0.5),
        lambda o: scheduler.PolynomialLR(o, total_iters=49, power=0.5),
    ),
    "CosineAnnealingLR rises again": (
        cosine_periodic(BASE, 13, 0.01),
        lambda o: scheduler.CosineAnnealingLR(o, T_max=13, eta_min=0.01),
    ),
    "CosineAnnealingWarmRestarts": (
        cosine_restarts(BASE, 10, 0.01),
        lambda o: scheduler.CosineAnnealingWarmRestarts(o, T_0=10, eta_min=0.01),
    ),
    "CosineAnnealingWarmRestarts, twice as long": (
        cosine_restarts(BASE, 5, 0.01, period_growth=2),
        lambda o: scheduler.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=2, eta_min=0.01),
    ),
    "CosineAnnealingWarmRestarts, thrice as long": (
        cosine_restarts(BASE, 1, period_growth=3),
        lambda o: scheduler.CosineAnnealingWarmRestarts(o, T_0=1, T_mult=3),
    ),
    "CyclicLR triangular": (
        cyclic(0.1, 0.5, 7),
        lambda o: scheduler.CyclicLR(o, 0.1, 0.5, step_size_up=7),
    ),
    "CyclicLR triangular2": (
        cyclic(0.1, 0.5, 7, 4, mode="triangular2"),
        lambda o: scheduler.CyclicLR(
            o, 0.1, 0.5, step_size_up=7, step_size_down=4, mode="triangular2"
        ),
    ),
    "CyclicLR exp_range": (
        cyclic(0.1, 0.5, 3, 10, mode="exp_range", decay_rate=0.97),
        lambda o: scheduler.CyclicLR(
            o, 0.1, 0.5, step_size_up=3, step_size_down=10, mode="exp_range", gamma=0.97
        ),
    ),
    "OneCycleLR": (one_cycle(2.0, 70), lambda o: scheduler.OneCycleLR(o, 2.0, total_steps=70)),
    "OneCycleLR, linear": (
        one_cycle(2.0, 70, rise=0.4, shape="linear", initial=0.5, final=0.05),
        lambda o: scheduler.OneCycleLR(
            o,
            2.0,
            total_steps=70,
            pct_start=0.4,
            anneal_strategy="linear",
            div_factor=4,
            final_div_factor=10,
        ),
    ),
    "OneCycleLR, three phases": (
        one_cycle(2.0, 70, three_phase=True),
        lambda o: scheduler.OneCycleLR(o, 2.0, total_steps=70, three_phase=True),
    ),
    "OneCycleLR, three phases, linear": (
        one_cycle(2.0, 70, rise=0.25, shape="linear", three_phase=True),
        lambda o: scheduler.OneCycleLR(
            o, 2.0, total_steps=70, pct_start=0.25, anneal_strategy="linear", three_phase=True
        ),
    ),
    "SWALR": (
        swa_annealing(BASE, 0.05, 25),
        lambda o: torch.optim.swa_utils.SWALR(o, swa_lr=0.05, anneal_epochs=25),
    ),
    "SWALR, linear": (
        swa_annealing(BASE, 0.9, shape="linear"),
        lambda o: torch.optim.swa_utils.SWALR(o, swa_lr=0.9, anneal_strategy="linear"),
    ),
    "SequentialLR": (
        join([linear(BASE / 3, BASE, 5), exponential(BASE, 0.9), constant(BASE)], [12, 50]),
        lambda o: scheduler.SequentialLR(
            o,
            [
                scheduler.LinearLR(o),
                scheduler.ExponentialLR(o, 0.9),
                scheduler.ConstantLR(o, factor=1.0),
            ],
            milestones=[12, 50],
        ),
    ),
    "ChainedScheduler": (
        product([held(BASE, 0.1, 20), exponential(1.0, 0.9), linear(0.5, 1.0, 30)]),
        lambda o: scheduler.ChainedScheduler(
            [
                scheduler.ConstantLR(o, factor=0.1, total_iters=20),
                scheduler.ExponentialLR(o, gamma=0.9),
                scheduler.LinearLR(o, start_factor=0.5, total_iters=30),
            ]
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_has_the_values_of_torch(name):
    ours, make = CASES[name]
    with warnings.catch_warnings():
        # SequentialLR calls its parts in a way that torch itself warns of.
        warnings.simplefilter("ignore", UserWarning)
        theirs = rates(make)
    agrees(ours, theirs)


@pytest.mark.parametrize("three_phase", [False, True])
def test_a_momentum_follows_one_cycle_too(three_phase):
    ours = one_cycle(0.85, 70, initial=0.95, final=0.95, three_phase=three_phase)
    theirs = rates(
        lambda o: scheduler.OneCycleLR(o, 2.0, total_steps=70, three_phase=three_phase),
        option="momentum",
    )
    agrees(ours, theirs)


def test_a_momentum_cycles_too():
    ours = cyclic(0.9, 0.8, 7, 4, mode="triangular2")
    theirs = rates(
        lambda o: scheduler.CyclicLR(
            o, 0.1, 0.5, step_size_up=7, step_size_down=4, mode="triangular2"
        ),
        option="momentum",
    )
    agrees(ours, theirs)


def test_the_peak_of_one_cycle_is_an_update_earlier_than_that_of_optax():
    assert one_cycle(1.0, 10).values(10).argmax() == 2
    assert ld.schedules.one_cycle_optax(1.0, 10).values(10).argmax() == 3


def test_a_cosine_is_clamped_where_that_of_torch_rises_again():
    theirs = rates(lambda o: scheduler.CosineAnnealingLR(o, T_max=30))
    agrees(cosine(BASE, 30), theirs[:31])
    assert cosine(BASE, 30).values(STEPS)[30:].max() == 0
    assert theirs[60] == pytest.approx(BASE)


# Schedules of pytorch_optimizer, whose quirks are written beside each


def peer():
    return pytest.importorskip("pytorch_optimizer").lr_scheduler


@pytest.mark.parametrize("steps", [8, 64])
def test_the_fractal_order_of_chebyshev_is_that_of_pytorch_optimizer(steps):
    # It uses the first value three times and never the last two.
    theirs = rates(lambda o: peer().get_chebyshev_schedule(o, steps), steps + 2, lr=1.0)
    assert theirs[:3] == [theirs[0]] * 3
    agrees(chebyshev(0.05, 1.0, steps), theirs[2:])


@pytest.mark.parametrize("shape", ["linear", "1-sqrt", "1-square"])
def test_warm_up_stable_decay_is_that_of_pytorch_optimizer(shape):
    # Of these three shapes its decay ends at 0, whatever the final value.
    theirs = rates(
        lambda o: peer().get_wsd_schedule(o, 11, 20, 29, cooldown_type=shape),
    )
    agrees(wsd(BASE, 11, 20, 29, shape=shape), theirs)


def test_warm_up_stable_cosine_is_that_of_pytorch_optimizer():
    theirs = rates(
        lambda o: peer().get_wsd_schedule(o, 11, 20, 29, 0.1, cooldown_type="cosine"),
    )
    agrees(wsd(BASE, 11, 20, 29, final=BASE / 10, shape="cosine"), theirs)


def test_rex_is_that_of_pytorch_optimizer_after_the_first_update():
    # It uses the final value in the first update.
    theirs = rates(lambda o: peer().REXScheduler(o, 60, max_lr=BASE, min_lr=0.01))
    assert theirs[0] == 0.01
    assert list(rex(BASE, 60, final=0.01).values(STEPS)[1:]) == pytest.approx(theirs[1:], rel=1e-12)
