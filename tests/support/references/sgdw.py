"""Momentum with decoupled decay: learning rate outside the buffer (timm) and inside it (Keras)."""


def sgdw(params, grads, state, t, *, lr, momentum, dampening, weight_decay):
    """Algorithm 1 of Loshchilov and Hutter (2019), the decay multiplied by the learning rate."""
    if t == 1:
        state["b"] = [None] * len(params)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if t == 1:
            state["b"][i] = g.copy()
        else:
            state["b"][i] = momentum * state["b"][i] + (1.0 - dampening) * g
        p[...] = p * (1.0 - lr * weight_decay)
        p[...] = p - lr * state["b"][i]


def sgd_keras(params, grads, state, t, *, lr, momentum, weight_decay):
    """The buffer is the velocity: it holds steps, not gradients."""
    if t == 1:
        state["velocity"] = [0.0 * p for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        p[...] = p - p * weight_decay * lr
        state["velocity"][i] = state["velocity"][i] * momentum - g * lr
        p[...] = p + state["velocity"][i]
