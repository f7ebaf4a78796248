"""Plain gradient descent, momentum and Nesterov momentum, with the learning rate outside."""


def sgd(params, grads, state, t, *, lr, weight_decay):
    """p <- p - lr (g + wd p)."""
    for p, grad in zip(params, grads, strict=True):
        g = grad + weight_decay * p
        p[...] = p - lr * g


def momentum_sgd(params, grads, state, t, *, lr, momentum, dampening, weight_decay):
    """The first buffer is the gradient itself; dampening begins with the second."""
    if t == 1:
        state["b"] = [None] * len(params)
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        if t == 1:
            state["b"][i] = g
        else:
            state["b"][i] = momentum * state["b"][i] + (1.0 - dampening) * g
        p[...] = p - lr * state["b"][i]


def nesterov(params, grads, state, t, *, lr, momentum, weight_decay):
    """The step is taken along the gradient plus momentum times the new buffer."""
    if t == 1:
        state["b"] = [0.0 * p for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["b"][i] = momentum * state["b"][i] + g
        p[...] = p - lr * (g + momentum * state["b"][i])
