"""Rules as a user writes them, and the same mathematics in torch and optax."""

import functools
from typing import Any

import learnerdsl as ld
from benchmarks.peers import (
    BETA1,
    BETA2,
    EPS,
    LR,
    OURS,
    Arrays,
    JittedLoop,
    Peer,
    PeerKind,
    torch_parameters,
)

MAX_NORM, WEIGHT_DECAY, DECAY = 1.0, 1e-2, 0.999
RMS_LR, RHO, WARM = 1e-2, 0.999, 1e-6


@ld.rule
def full_step(
    p,
    g,
    lr=LR,
    beta1=BETA1,
    beta2=BETA2,
    eps=EPS,
    weight_decay=WEIGHT_DECAY,
    max_norm=MAX_NORM,
    decay=DECAY,
):
    """Clip by the norm of all gradients, AdamW, and a running average of the weights."""
    m, v, average = ld.state("m"), ld.state("v"), ld.state("average", init=p)
    g = g * ld.minimum(1, max_norm / (ld.norm(g, over="model") + 1e-6))
    m_new = ld.assign(m, beta1 * m + (1 - beta1) * g)
    v_new = ld.assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**ld.step)
    v_hat = v_new / (1 - beta2**ld.step)
    p_new = ld.assign(p, p - lr * (m_hat / (ld.sqrt(v_hat) + eps) + weight_decay * p))
    average_new = ld.assign(average, decay * average + (1 - decay) * p_new)
    return ld.combine([p_new, average_new])


@ld.rule
def my_rmsprop(p, g, lr=RMS_LR, rho=RHO):
    """RMSProp with a warm accumulator."""
    a = ld.state("a", init=WARM)
    a_new = ld.assign(a, rho * a + (1 - rho) * g**2)
    return ld.assign(p, p - lr * g / ld.sqrt(a_new))


def by_rule(rule: ld.UpdateRule, params: Arrays, grads: Arrays) -> Peer:
    """A rule with its default hyperparameters."""
    return Peer(functools.partial(rule(params).update, grads), lambda: params)


def torch_full_step(params: Arrays, grads: Arrays) -> Peer:
    """Three calls: clip_grad_norm_, AdamW with fused=True, and _foreach_lerp_ of the average.

    Clipping writes to the gradients, so they are copies.
    """
    import torch

    parameters = torch_parameters(params, [gradient.copy() for gradient in grads])
    averages = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(
        parameters, lr=LR, betas=(BETA1, BETA2), eps=EPS, weight_decay=WEIGHT_DECAY, fused=True
    )

    def step() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - DECAY)

    return Peer(step, lambda: params)


def optax_full_step(params: Arrays, grads: Arrays) -> Peer:
    """A chain of clip_by_global_norm and adamw, then incremental_update, in one jitted function."""
    import jax
    import optax

    transform = optax.chain(
        optax.clip_by_global_norm(MAX_NORM),
        optax.adamw(LR, b1=BETA1, b2=BETA2, eps=EPS, weight_decay=WEIGHT_DECAY),
    )

    def update(carry: Any, gradients: Any) -> Any:
        parameters, state, averages = carry
        updates, state = transform.update(gradients, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        return parameters, state, optax.incremental_update(parameters, averages, 1 - DECAY)

    own = [jax.numpy.array(p) for p in params]
    averages = [jax.numpy.array(p) for p in params]
    return JittedLoop(update, (own, transform.init(own), averages), grads).peer()


def torch_rmsprop_as_written(params: Arrays, grads: Arrays) -> Peer:
    """The two lines of the rule as tensor expressions; every operation allocates its result."""
    import torch

    tensors = [
        (torch.from_numpy(p), torch.from_numpy(g)) for p, g in zip(params, grads, strict=True)
    ]
    accumulators = [torch.full_like(p, WARM) for p, _ in tensors]

    def step() -> None:
        for k, (p, g) in enumerate(tensors):
            accumulators[k] = RHO * accumulators[k] + (1 - RHO) * g**2
            p -= RMS_LR * g / torch.sqrt(accumulators[k])

    return Peer(step, lambda: params)


def torch_rmsprop_in_place(params: Arrays, grads: Arrays) -> Peer:
    """The same with torch's in-place and combined operations: four passes, one temporary."""
    import torch

    tensors = [
        (torch.from_numpy(p), torch.from_numpy(g)) for p, g in zip(params, grads, strict=True)
    ]
    accumulators = [torch.full_like(p, WARM) for p, _ in tensors]

    def step() -> None:
        for (p, g), a in zip(tensors, accumulators, strict=True):
            a.mul_(RHO).addcmul_(g, g, value=1 - RHO)
            p.addcdiv_(g, a.sqrt(), value=-RMS_LR)

    return Peer(step, lambda: params)


FULL_STEP = (
    PeerKind(OURS, functools.partial(by_rule, full_step)),
    PeerKind("torch, three calls", torch_full_step, ("torch",)),
    PeerKind("optax jit", optax_full_step, ("jax", "optax")),
)
"""Peers of the full-step case; ours is the first."""

MY_RMSPROP = (
    PeerKind(OURS, functools.partial(by_rule, my_rmsprop)),
    PeerKind("torch by hand", torch_rmsprop_as_written, ("torch",)),
    PeerKind("torch by hand, in place", torch_rmsprop_in_place, ("torch",)),
)
"""Peers of the custom-rule cases; ours is the first."""
