"""Update by muon, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import axis_size, cast, matmul, root, sum_all, whole


def muon_scalars(momentum):
    one_minus_momentum = 1 - momentum
    return (one_minus_momentum,)


def muon_tensor(p, g, m, eps, lr, momentum, one_minus_momentum, weight_decay):
    part = one_minus_momentum * g
    m_new = part + momentum * m
    u = part + momentum * m_new
    length = root(sum_all(jnp.square(u)))
    divisor = jnp.maximum(length, eps)
    inverse_divisor = 1 / divisor
    x_0 = whole(cast(inverse_divisor, p) * u)
    gram_1 = matmul(x_0, x_0.mT)
    polynomial_1 = whole(2.0315 * matmul(gram_1, gram_1) - 4.775 * gram_1)
    x_1 = whole(3.4445 * x_0 + matmul(polynomial_1, x_0))
    gram_2 = matmul(x_1, x_1.mT)
    polynomial_2 = whole(2.0315 * matmul(gram_2, gram_2) - 4.775 * gram_2)
    x_2 = whole(3.4445 * x_1 + matmul(polynomial_2, x_1))
    gram_3 = matmul(x_2, x_2.mT)
    polynomial_3 = whole(2.0315 * matmul(gram_3, gram_3) - 4.775 * gram_3)
    x_3 = whole(3.4445 * x_2 + matmul(polynomial_3, x_2))
    gram_4 = matmul(x_3, x_3.mT)
    polynomial_4 = whole(2.0315 * matmul(gram_4, gram_4) - 4.775 * gram_4)
    x_4 = whole(3.4445 * x_3 + matmul(polynomial_4, x_3))
    gram_5 = matmul(x_4, x_4.mT)
    polynomial_5 = whole(2.0315 * matmul(gram_5, gram_5) - 4.775 * gram_5)
    x_5 = 3.4445 * x_4 + matmul(polynomial_5, x_4)
    factor = root(jnp.maximum(1, axis_size(p, -2) / axis_size(p, -1)))
    change = -lr * (cast(factor, p) * x_5 + weight_decay * p)
    return m_new, change


def muon_tensor_start(p):
    return (0,)
