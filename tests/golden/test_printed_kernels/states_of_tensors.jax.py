"""Update by novograd, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import cast, root, sum_all, where


def novograd_tensor(p, g, m, v, beta1, beta2, eps, lr, step, weight_decay):
    square = sum_all(jnp.square(g))
    v_old = where(step == 1, square, v)
    v_new = square * (1 - beta2) + beta2 * v_old
    scale = 1 / (eps + root(v_new))
    m_new = cast(scale, p) * g + beta1 * m + weight_decay * p
    change = -lr * m_new
    return v_new, m_new, change


def novograd_tensor_start(p):
    return 0, 0
