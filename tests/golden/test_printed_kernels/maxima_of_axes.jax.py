"""Update by sm3, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import max_over, quotient, root, where


def sm3_scalars(momentum):
    one_minus_momentum = 1 - momentum
    return (one_minus_momentum,)


def sm3_tensor(p, g, m, v0, v1, eps, lr, momentum, one_minus_momentum):
    nu = g**2 + jnp.minimum(v0, v1)
    u = where(nu > 0, quotient(g, root(eps + nu)), 0)
    m_new = one_minus_momentum * u + momentum * m
    change = -lr * m_new
    v0_new = max_over(nu, -1)
    v1_new = max_over(nu, -2)
    return m_new, change, v0_new, v1_new


def sm3_tensor_start(p):
    return 0, 0, 0
