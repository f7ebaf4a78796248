"""Parts that the schedule-free learners share: the weights of the average and its value."""

from typing import Any

from learnerdsl import assign, equal, let, maximum, state, step, where


def share_of_newest(lr: Any, r: Any, weight_lr_power: Any) -> Any:
    """Return the share of the newest z in the average x, from two scalars for each tensor."""
    lr_max, weight_sum = state("lr_max", shape="tensor"), state("weight_sum", shape="tensor")
    lr_max_new = assign(lr_max, maximum(lr_max, lr))
    weight = let("weight", step**r * lr_max_new**weight_lr_power)
    weight_sum_new = assign(weight_sum, weight_sum + weight)
    return let("share", where(equal(weight_sum_new, 0), 0, weight / weight_sum_new))


def average_of(p: Any, z: Any, beta: Any) -> Any:
    """Return the average x that the parameter contains; if it has no share, the parameter."""
    return where(equal(beta, 0), p, p + (1 - 1 / beta) * (z - p))
