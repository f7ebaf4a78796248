"""Small models that the tests of the PyTorch front end train."""

import io

import torch

import learnerdsl.torch as ldt


def network(dtype=torch.float32, seed=1):
    """Two layers, always with the same first weights."""
    torch.manual_seed(seed)
    layers = torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
    return torch.nn.Sequential(*layers).to(dtype)


def backward(model, k):
    """Compute the gradients of minibatch `k`; return the loss."""
    dtype = next(model.parameters()).dtype
    generator = torch.Generator().manual_seed(k)
    batch = torch.randn(8, 6, generator=generator).to(dtype)
    loss = (model(batch).float() - batch.float().sum(1, keepdim=True)).square().mean()
    model.zero_grad()
    loss.backward()
    return loss.detach()


def train(model, optimizer, steps=20, first=0):
    """Do some updates."""
    for k in range(first, first + steps):
        backward(model, k)
        optimizer.step()


def weights(model):
    """All parameters in one vector of float64."""
    return torch.cat([p.detach().double().flatten() for p in model.parameters()])


def distance(first, second):
    """The largest difference between the parameters of two models."""
    return (weights(first) - weights(second)).abs().max().item()


def pair(**arguments):
    """Two equal models with AdamW of this package and of torch."""
    own, theirs = network(), network()
    return (
        (own, ldt.AdamW(own.parameters(), lr=0.01, **arguments)),
        (theirs, torch.optim.AdamW(theirs.parameters(), lr=0.01, **arguments)),
    )


def saved_and_loaded(value):
    """Return what torch reads after it has written a value."""
    memory = io.BytesIO()
    torch.save(value, memory)
    memory.seek(0)
    return torch.load(memory, weights_only=True)


def extras_of(rule, gradients):
    """Return the other inputs of an update, by name or parameter as gradients are."""
    squares = {name: g * g + 0.1 for name, g in gradients.items()}
    return {
        extra.name: squares if extra.shape == "element" else 0.7 for extra in rule.trace().extras
    }
