"""Optimizers in pairs, and minibatches, for the tests of what people train with."""

import torch

import learnerdsl as ld
import learnerdsl.torch as ldt


class LionByHand(torch.optim.Optimizer):
    """Lion in the operations of torch, from the algorithm of the paper."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            lr, (beta1, beta2) = group["lr"], group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                direction = (beta1 * m + (1 - beta1) * p.grad).sign()
                p.sub_(lr * (direction + group["weight_decay"] * p))
                m.mul_(beta2).add_((1 - beta2) * p.grad)
        return loss


@ld.rule
def heavy_ball(p, g, lr=0.01, momentum=0.9):
    """Momentum as a user would write it."""
    b = ld.state("b")
    b_new = ld.assign(b, momentum * b + g)
    return ld.assign(p, p - lr * b_new)


HeavyBall = ldt.optimizer_class(heavy_ball)

PAIRS = {
    "AdamW": (ldt.AdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    "Lion": (ldt.Lion, LionByHand, {"lr": 0.003, "weight_decay": 0.1}),
    "own rule": (HeavyBall, torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}),
}
"""Name -> a class of this package, one in the operations of torch that does the same, arguments."""


def samples(count=96):
    """Return inputs and targets, always the same."""
    numbers = torch.Generator().manual_seed(2)
    inputs = torch.randn(count, 6, generator=numbers)
    return list(zip(inputs, inputs[:, :3].sin(), strict=True))


def loader(size=8):
    """Return minibatches of the samples in their order."""
    return torch.utils.data.DataLoader(samples(), size)
