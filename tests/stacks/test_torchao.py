"""The optimizer of torchao that keeps states in the memory of the host trains with rules.

It insists on a GPU; here the GPU is the host itself.
"""

import contextlib
import copy

import pytest
import torch
from support.stacks import PAIRS
from support.torch_models import distance, network, train, weights

offload = pytest.importorskip("torchao.optim.cpu_offload", reason="torchao is not installed")


class Stream:
    """Work of a device that has none: all is done at once."""

    def synchronize(self):
        pass

    def wait_stream(self, other):
        pass

    def record_event(self):
        return self


class Device:
    """What torchao uses of `torch.cuda`."""

    Stream = current_stream = Stream

    @staticmethod
    def stream(stream):
        return contextlib.nullcontext(stream)


class TorchWithDevice:
    """The package torch with this device, and without memory that only a GPU needs."""

    cuda = Device

    def __getattr__(self, name):
        return getattr(torch, name)

    def empty_like(self, tensor, device=None, pin_memory=False):
        return torch.empty_like(tensor, device=device)


@pytest.fixture(autouse=True)
def _device(monkeypatch):
    monkeypatch.setattr(offload, "torch", TorchWithDevice())
    monkeypatch.setattr(offload, "get_available_devices", lambda: ["cpu", "cuda"])


def started(make, arguments, model=None):
    """Return a model, and its optimizer: tensors of less than 10 elements are not offloaded."""
    model = model or network()
    optimizer = offload.CPUOffloadOptimizer(
        list(model.parameters()), make, minimal_size=10, **arguments
    )
    assert len(optimizer.optim_dict) == 2
    return model, optimizer


@pytest.mark.parametrize("pair", PAIRS)
def test_training_is_that_of_torch(pair):
    *classes, arguments = PAIRS[pair]
    models = []
    for made in classes:
        model, optimizer = started(made, arguments)
        train(model, optimizer, 6)
        models.append(model)
    assert distance(*models) < 1e-6
    assert distance(models[0], network()) > 1e-3


@pytest.mark.parametrize("pair", PAIRS)
def test_training_resumes_bitwise(pair):
    make, _, arguments = PAIRS[pair]
    model, optimizer = started(make, arguments)
    train(model, optimizer, 3)
    again, continued = started(make, arguments, copy.deepcopy(model))
    continued.load_state_dict(optimizer.state_dict())
    train(model, optimizer, 3, 3)
    train(again, continued, 3, 3)
    assert torch.equal(weights(model), weights(again))
