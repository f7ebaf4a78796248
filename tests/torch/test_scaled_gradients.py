"""Optimizers with fused=True divide scaled gradients themselves, as the fused ones of torch do."""

import pytest
import torch
from support.torch_models import backward, distance, network

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.transforms import clip_grad_norm

ClippedSGD = ldt.optimizer_class(ld.chain(clip_grad_norm, ld.learners.sgd, name="clipped_sgd"))


def scaled_training(optimizer_class, actions, **arguments):
    """Train with a GradScaler; `actions` says what happens in each step. Return what there is."""
    model = network()
    optimizer = optimizer_class(model.parameters(), lr=0.01, **arguments)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    norms, scales = [], []
    for k, action in enumerate(actions):
        loss = backward(model, k)
        for p in model.parameters():
            p.grad *= scaler.scale(torch.ones(()))
        if action == "inf":
            model[2].bias.grad[1] = float("inf")
        if action == "unscale":
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        norms.append(torch.stack([p.grad.norm() for p in model.parameters()]))
        scales.append(scaler.get_scale())
        assert loss.isfinite()
    return model, optimizer, norms, scales


ACTIONS = ["usual", "inf", "usual", "unscale", "inf", "usual", "usual"]


@pytest.mark.parametrize("fused", [True, None])
def test_training_is_that_of_torch(fused):
    model, optimizer, norms, scales = scaled_training(ldt.AdamW, ACTIONS, fused=fused)
    judged = scaled_training(torch.optim.AdamW, ACTIONS, fused=fused)
    assert distance(model, judged[0]) < 1e-6
    assert scales == judged[3]
    steps = [float(state["step"]) for state in optimizer.state.values()]
    assert steps == [5.0] * 4
    assert steps == [float(state["step"]) for state in judged[1].state.values()]
    for k, action in enumerate(ACTIONS):
        if action != "inf":
            torch.testing.assert_close(norms[k], judged[2][k])


def test_the_scaler_leaves_gradients_to_fused_optimizers():
    assert ldt.AdamW(network().parameters(), fused=True)._step_supports_amp_scaling
    assert not ldt.AdamW(network().parameters())._step_supports_amp_scaling
    groups = [{"params": network().parameters(), "fused": True}, {"params": network().parameters()}]
    assert not ldt.AdamW(groups)._step_supports_amp_scaling
    _, optimizer, norms, _ = scaled_training(ldt.AdamW, ["inf"], fused=True)
    assert not hasattr(optimizer, "grad_scale")
    assert norms[0][0] > 10  # still scaled, as the update was left out
    assert [float(state["step"]) for state in optimizer.state.values()] == [0.0] * 4


def test_a_norm_is_that_of_the_divided_gradients():
    model, *_ = scaled_training(ClippedSGD, ACTIONS, fused=True, max_norm=0.1)
    other = network()
    judge = torch.optim.SGD(other.parameters(), lr=0.01)
    for k, action in enumerate(ACTIONS):
        backward(other, k)
        torch.nn.utils.clip_grad_norm_(other.parameters(), 0.1)
        if action != "inf":
            judge.step()
    assert distance(model, other) < 1e-6


def test_sparse_gradients_and_missing_ones_are_divided():
    weights, other = torch.nn.Parameter(torch.ones(4, 2)), torch.nn.Parameter(torch.ones(2))
    optimizer = ldt.SGD([weights, other], lr=0.5)
    weights.grad = torch.sparse_coo_tensor([[1]], [[4.0, 8.0]], (4, 2), check_invariants=True)
    optimizer.grad_scale = torch.tensor(4.0)
    optimizer.found_inf = torch.tensor(0.0)
    optimizer.step()
    assert weights.tolist() == [[1.0, 1.0], [0.5, 0.0], [1.0, 1.0], [1.0, 1.0]]
    assert other.tolist() == [1.0, 1.0]
