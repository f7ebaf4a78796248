"""Every scheduler of torch sets the hyperparameters of rules as it sets those of torch."""

import pytest
import torch
from support.stacks import PAIRS
from support.torch_models import backward, distance, network, saved_and_loaded, weights
from torch.optim import lr_scheduler

SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda k: 0.9**k),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda k: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5], 0.5),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.2, total_iters=6),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 12, 2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 12),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.02, 4),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.03, total_steps=12),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.3),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.8)], [4]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.1, 4), lr_scheduler.ExponentialLR(o, 0.8)]
    ),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, 0.001, anneal_epochs=5),
}


def train_on(model, optimizer, schedule, steps):
    """Do updates; return the rate, and what the scheduler cycles, of each."""
    used = []
    for k in steps:
        group = optimizer.param_groups[0]
        used.append((float(group["lr"]), group.get("momentum"), group.get("betas")))
        loss = backward(model, k)
        optimizer.step()
        schedule.step(*([loss] if isinstance(schedule, lr_scheduler.ReduceLROnPlateau) else []))
    return used


def test_there_is_a_case_for_every_scheduler():
    classes = {n for n, v in vars(lr_scheduler).items() if isinstance(v, type) and n.endswith("LR")}
    others = {"CosineAnnealingWarmRestarts", "ReduceLROnPlateau", "ChainedScheduler", "SWALR"}
    assert classes - {"LR"} | others == set(SCHEDULERS)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("pair", PAIRS)
def test_scheduler(pair, name):
    *classes, arguments = PAIRS[pair]
    models, rates = [], []
    for made in classes:
        model = network()
        optimizer = made(model.parameters(), **arguments)
        schedule = SCHEDULERS[name](optimizer)
        rates.append(train_on(model, optimizer, schedule, range(12)))
        models.append(model)
    assert rates[0] == rates[1]
    assert len(set(rates[0])) > 1
    assert distance(*models) < 1e-6


@pytest.mark.parametrize("name", SCHEDULERS)
def test_training_resumes_bitwise_within_a_schedule(name):
    make, _, arguments = PAIRS["Lion"]

    def start():
        model = network()
        optimizer = make(model.parameters(), **arguments)
        return model, optimizer, SCHEDULERS[name](optimizer)

    whole, again = start(), start()
    train_on(*whole, range(6))
    saved = [saved_and_loaded(part.state_dict()) for part in whole]
    train_on(*whole, range(6, 12))
    for part, state in zip(again, saved, strict=True):
        part.load_state_dict(state)
    train_on(*again, range(6, 12))
    assert torch.equal(weights(again[0]), weights(whole[0]))
