"""Update by noisy_sgd, in functions that JAX traces."""

from learnerdsl.jax.operations import normal, power, root


def noisy_sgd_scalars(eta, gamma, step):
    factor = power(step, (-0.5) * gamma) * root(eta)
    return (factor,)


def noisy_sgd_tensor(p, g, factor, lr, seed, step, number):
    change = -lr * (g + factor * normal(p, 1, seed, step, number))
    return (change,)
