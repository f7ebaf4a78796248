"""Update by sgd, in functions that JAX traces."""


def sgd_tensor(p, g, lr, weight_decay):
    g_2 = g + weight_decay * p
    change = -lr * g_2
    return (change,)
