"""Classes of torch whose rules see parameters in other shapes."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import learnerdsl as ld  # noqa: E402
import learnerdsl.torch as ldt  # noqa: E402
from learnerdsl.learners import muon  # noqa: E402


def as_matrix(name, shape):
    """Kernels of convolutions are matrices, and the weight of two heads is a stack of two."""
    if name == "heads":
        return (2, 3, -1)
    return (shape[0], -1) if len(shape) == 4 else None


def model():
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 6, 2, bias=False)
    return {"conv": convolution.weight, "heads": torch.nn.Parameter(torch.randn(6, 5))}


def gradient(p, seed):
    return torch.randn(p.shape, generator=torch.Generator().manual_seed(seed))


def test_kernels_and_heads_move_as_the_matrices_that_they_are_seen_as():
    params, arrays = model(), {n: p.detach().numpy().copy() for n, p in model().items()}
    optimizer = ldt.Muon(params, lr=0.1, reshape=as_matrix, products="full")
    learner = muon(arrays, lr=0.1, reshape=as_matrix)
    for seed in (1, 2, 3):
        for p in params.values():
            p.grad = gradient(p, seed)
        optimizer.step()
        learner.update({n: p.grad.numpy() for n, p in params.items()})

    for name, p in params.items():
        np.testing.assert_allclose(p.detach().numpy(), arrays[name], rtol=0, atol=1e-6)
    assert optimizer.state[params["conv"]]["momentum_buffer"].shape == (6, 12)
    assert optimizer.state[params["heads"]]["momentum_buffer"].shape == (2, 3, 5)


def test_optimizers_are_pickled_and_resume():
    params, copies = model(), model()
    one = ldt.Muon(params, lr=0.1, reshape=as_matrix)
    for p in params.values():
        p.grad = gradient(p, 1)
    one.step()
    other = ldt.Muon(copies, lr=0.1, reshape=as_matrix)
    other.load_state_dict(pickle.loads(pickle.dumps(one.state_dict())))
    for name, p in params.items():
        copies[name].data.copy_(p.data)
        p.grad, copies[name].grad = gradient(p, 2), gradient(p, 2)
    one.step()
    other.step()

    for name, p in params.items():
        assert torch.equal(p, copies[name])
    assert pickle.loads(pickle.dumps(one)).state_dict()["param_groups"]


def test_names_are_numbers_where_torch_has_none():
    seen = []

    def shapes(name, shape):
        seen.append((name, shape))

    ldt.SGD(list(model().values()), lr=0.1, reshape=shapes)
    assert set(seen) == {(0, (6, 3, 2, 2)), (1, (6, 5))}


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ld.ArrayError, match="return a shape of 72 elements"):
        ldt.SGD(model(), lr=0.1, reshape=lambda name, shape: (5, -1))


def test_kernels_that_are_not_in_row_major_order_are_refused():
    params = model()
    params["conv"].data = params["conv"].data.to(memory_format=torch.channels_last)
    with pytest.raises(ld.ArrayError, match="not in row-major order"):
        ldt.Muon(params, lr=0.1, reshape=as_matrix)
