"""Optimizers take tensors of many types and layouts, and refuse the others with a reason."""

import weakref

import numpy as np
import pytest
import torch
from support.torch_layouts import LAYOUTS
from support.torch_models import backward, distance, network, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.transforms import clip_by_global_norm


def one(tensor, gradient, optimizer_class=ldt.AdamW, steps=3, **arguments):
    """Update a tensor by the same gradient several times."""
    p = torch.nn.Parameter(tensor.clone())
    optimizer = optimizer_class([p], lr=0.1, **arguments)
    for _ in range(steps):
        p.grad = gradient.clone()
        optimizer.step()
    return p.detach(), optimizer.state[p]


@pytest.mark.parametrize(
    "tensor", [*LAYOUTS.values(), torch.tensor(1 + 2j)], ids=[*LAYOUTS, "complex 0-d"]
)
@pytest.mark.parametrize("is_contiguous", [True, False])
def test_shapes_and_layouts(tensor, is_contiguous):
    gradient = torch.randn_like(tensor)
    if is_contiguous:
        gradient = gradient.contiguous()
    own, state = one(tensor, gradient)
    theirs, expected = one(tensor, gradient, torch.optim.AdamW)
    torch.testing.assert_close(own, theirs, rtol=1e-6, atol=1e-6)
    assert own.stride() == tensor.stride()
    for name in ("exp_avg", "exp_avg_sq"):
        torch.testing.assert_close(state[name], expected[name], rtol=1e-5, atol=1e-6)


def test_expanded_gradient_is_copied():
    own, _ = one(torch.ones(3, 4), torch.ones(1, 4).expand(3, 4))
    assert torch.equal(own, one(torch.ones(3, 4), torch.ones(3, 4))[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrow_parameters_with_their_number_types(dtype):
    model = network(dtype)
    optimizer = ldt.AdamW(model.parameters(), states="bfloat16", master="float32", lr=0.01)
    judge_model = network(dtype).float()
    judge = torch.optim.AdamW(judge_model.parameters(), lr=0.01)
    train(model, optimizer, 5)
    train(judge_model, judge, 5)
    state = optimizer.state[model[0].weight]
    assert state["exp_avg"].dtype == torch.bfloat16
    assert state["parameter.rest"].dtype == torch.float32
    assert distance(model, judge_model) < 0.01
    again = ldt.AdamW(model.parameters(), states="bfloat16", master="float32")
    again.load_state_dict(optimizer.state_dict())
    for p in model.parameters():
        for name, value in optimizer.state[p].items():
            assert torch.equal(value, again.state[p][name])


def test_eight_bit_states_are_saved_as_they_are():
    model, choice = network(), {"states": {"m": "int8", "v": "uint8"}}
    optimizer = ldt.AdamW(model.parameters(), **choice)
    train(model, optimizer, 3)
    saved = optimizer.state_dict()
    assert saved["state"][0]["exp_avg"].dtype == torch.int8
    assert saved["state"][0]["exp_avg.scale"].dtype == torch.float32
    again = ldt.AdamW(model.parameters(), **choice)
    again.load_state_dict(saved)
    assert torch.equal(again.state[model[0].weight]["exp_avg"], saved["state"][0]["exp_avg"])
    with pytest.raises(ld.CheckpointError, match=r"make the optimizer with the same states="):
        ldt.AdamW(model.parameters()).load_state_dict(saved)


def test_float64_parameter_with_float32_gradients_of_another():
    rule = ld.chain(clip_by_global_norm, learners.sgd)
    parts = [torch.nn.Parameter(torch.ones(3, dtype=kind)) for kind in (
        torch.float32, torch.float64, torch.bfloat16)]  # fmt: skip
    optimizer = rule.torch(parts, lr=1.0, max_norm=1.0)
    for p in parts:
        p.grad = torch.ones_like(p)
    optimizer.step()
    for p in parts:
        torch.testing.assert_close(p.detach().double(), torch.full((3,), 2 / 3).double(),
                                   rtol=1e-2, atol=1e-7)  # fmt: skip


def test_sparse_gradients_update_their_rows():
    own, theirs = (torch.nn.Embedding(10, 3, sparse=True) for _ in range(2))
    theirs.load_state_dict(own.state_dict())
    optimizer = ldt.SparseAdam(own.parameters())
    judge = torch.optim.SparseAdam(theirs.parameters())
    for k in range(3):
        for model, update in ((own, optimizer), (theirs, judge)):
            model.zero_grad()
            model(torch.tensor([k, 1, 1])).sum().backward()
            update.step()
    assert distance(own, theirs) < 1e-6
    optimizer.load_state_dict(judge.state_dict())
    assert optimizer.state[own.weight]["step"] == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_sparse_gradients_of_other_types(dtype):
    table = torch.nn.Embedding(6, 3, sparse=True, dtype=dtype)
    before = table.weight.detach().clone()
    optimizer = ldt.Adam(table.parameters(), lr=0.5)
    table(torch.tensor([4, 2])).sum().backward()
    optimizer.step()
    moved = (table.weight - before).abs().sum(1) > 0
    assert moved.tolist() == [False, False, True, False, True, False]


def sparse_gradient(shape, axes):
    """A gradient with two elements, or two rows."""
    dense = torch.zeros(shape)
    dense[1, 2] = dense[3, 0] = 1.0
    return dense.to_sparse(axes)


def moved_rows(start, gradient):
    """The rows of a parameter that an update moves."""
    p = torch.nn.Parameter(start.clone())
    optimizer = ldt.SparseAdam([p])
    p.grad = torch.ones_like(p).to_sparse(1)
    optimizer.step()
    before = p.detach().clone()
    p.grad = gradient
    optimizer.step()
    return (p != before).flatten(1).any(1).tolist()


def test_rows_of_sparse_gradients_in_other_layouts():
    rows = [False, True, False, True]
    assert moved_rows(torch.ones(4, 3), sparse_gradient((4, 3), 1)) == rows
    assert moved_rows(torch.ones(4, 3), sparse_gradient((4, 3), 2)) == rows
    images = torch.ones(4, 3, 2, 5).to(memory_format=torch.channels_last)
    assert moved_rows(images, sparse_gradient((4, 3, 2, 5), 1)) == rows
    with pytest.raises(ld.ArrayError, match="updates rows, which do not lie together"):
        moved_rows(torch.ones(3, 4).T, sparse_gradient((4, 3), 1))


def test_parameters_without_master_weights_beside_those_with_them():
    parts = [torch.nn.Parameter(torch.ones(3, dtype=d)) for d in (torch.float32, torch.bfloat16)]
    groups = [{"params": [parts[0]]}, {"params": [parts[1]], "momentum": 0.9}]
    optimizer = ldt.SGD(groups, lr=0.1, master="split16")
    for p in parts:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert "parameter.rest" in optimizer.state[parts[1]]
    assert "parameter.rest" not in optimizer.state[parts[0]]


REFUSED = {
    "unknown argument": (
        ld.UnknownNameError,
        "AdamW has no argument 'rate'",
        lambda p: ldt.AdamW([p], rate=1),
    ),
    "observers": (
        ld.UnknownNameError,
        r"AdamW has no argument 'observe'; make a learner of the same tensors instead: rule\(",
        lambda p: ldt.AdamW([p], observe=["grad_norm"]),
    ),
    "differentiable": (
        ld.HyperparameterError,
        "cannot be differentiated through",
        lambda p: ldt.AdamW([p], differentiable=True),
    ),
    "text": (ld.HyperparameterError, "lr of Lion cannot be 'x'", lambda p: ldt.Lion([p], lr="x")),
    "one beta": (
        ld.HyperparameterError,
        "betas of AdamW must be a tuple",
        lambda p: ldt.AdamW([p], betas=0.9),
    ),
    "nesterov": (
        ld.HyperparameterError,
        "needs a momentum above 0",
        lambda p: ldt.SGD([p], nesterov=True),
    ),
    "number type": (
        ld.HyperparameterError,
        "cannot be stored as 'int3'",
        lambda p: ldt.AdamW([p], states="int3"),
    ),
    "master": (
        ld.HyperparameterError,
        "extends parameters of",
        lambda p: ldt.AdamW([p], master="kahan"),
    ),
    "nonfinite": (
        ld.HyperparameterError,
        "nonfinite='x' is not known",
        lambda p: ldt.AdamW([p], nonfinite="x"),
    ),
    "no rule": (ld.RuleError, "Optimizer has no rule", lambda p: ldt.Optimizer([p])),
    "a function": (ld.RuleError, "needs a rule", lambda p: ldt.optimizer_class(len)),
    "gaps": (
        ld.ArrayError,
        "has gaps in memory",
        lambda p: ldt.AdamW([torch.nn.Parameter(torch.ones(4, 4)[:, :2])]),
    ),
    "axes of another layout": (
        ld.ArrayError,
        "is not in row-major order, but adafactor works on axes",
        lambda p: ldt.Adafactor([torch.nn.Parameter(torch.ones(3, 4).T)]),
    ),
    "meta": (
        ld.ArrayError,
        "is on the device meta",
        lambda p: ldt.AdamW([torch.nn.Parameter(torch.ones(3, device="meta"))]),
    ),
    "integers": (
        ld.DtypeError,
        "has dtype torch.int32",
        lambda p: ldt.AdamW([torch.ones(3, dtype=torch.int32)]),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused(name):
    error, message, call = REFUSED[name]
    with pytest.raises(error, match=message):
        call(torch.nn.Parameter(torch.ones(3, 3)))


def test_refused_group_is_not_added():
    model = network()
    optimizer = ldt.Adam([model[0].weight])
    with pytest.raises(ld.HyperparameterError):
        optimizer.add_param_group({"params": [model[0].bias], "lr": "high"})
    assert len(optimizer.param_groups) == 1


def damaged(**changes):
    """Return the state dict of an Adam, its first states changed."""
    model = network()
    optimizer = ldt.Adam(model.parameters())
    train(model, optimizer, 2)
    saved = optimizer.state_dict()
    saved["state"][0] |= changes
    saved["state"][0] = {n: v for n, v in saved["state"][0].items() if v is not ...}
    return saved


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (damaged(exp_avg=...), "'exp_avg' of Parameter 0 is missing"),
        (damaged(exp_avg=torch.ones(2)), r"has shape \(2,\), but here it has \(5, 6\)"),
        (damaged(exp_avg=torch.ones(5, 6).int()), "is torch.int32"),
        (damaged(exp_avg="x"), "is no tensor but str"),
        (damaged(mean=torch.ones(5, 6)), "unknown states 'mean'"),
        (damaged(step="x"), "must be a number of updates"),
        ({"state": {}, "param_groups": []}, "has groups of no parameters, the optimizer of 4"),
        ({}, "has 'state' and 'param_groups', which this has not"),
        ({**damaged(), "state": {0: 1}}, "are no dict but int"),
    ],
    ids=range(9),
)
def test_damaged_state_dict_changes_nothing(saved, message):
    model = network()
    optimizer = ldt.Adam(model.parameters())
    train(model, optimizer, 3)
    before = {p: {n: v.clone() for n, v in own.items()} for p, own in optimizer.state.items()}
    with pytest.raises(ld.CheckpointError, match=message):
        optimizer.load_state_dict(saved)
    for p, own in before.items():
        assert all(torch.equal(v, optimizer.state[p][n]) for n, v in own.items())
    copy = network()
    copy.load_state_dict(model.state_dict())
    same = ldt.Adam(copy.parameters())
    same.load_state_dict(optimizer.state_dict())
    train(model, optimizer, 1, 3)
    train(copy, same, 1, 3)
    assert torch.equal(weights(model), weights(copy))


def test_learner_takes_tensors():
    model, arrays = network(), {n: p.detach().numpy() for n, p in network().named_parameters()}
    learner = learners.adamw(dict(model.named_parameters()), lr=0.1)
    judge = learners.adamw(arrays, lr=0.1)
    for k in range(3):
        backward(model, k)
        version = model[0].weight._version
        gradients = {n: p.grad for n, p in model.named_parameters()}
        learner.update(gradients)
        judge.update({n: g.numpy() for n, g in gradients.items()})
        assert model[0].weight._version == version + 1
    for name, p in model.named_parameters():
        assert np.array_equal(p.detach().numpy(), arrays[name])
    assert all(isinstance(p, torch.Tensor) for p in learner.evaluation_parameters().values())
    copies = {n: g.double() for n, g in gradients.items()}
    learner.update(copies)
    model.double()
    with pytest.raises(ld.ArrayError, match=r"'0.weight' was given other memory"):
        learner.update(gradients)


def test_learner_does_not_keep_gradients():
    model = network()
    learner = learners.adamw(dict(model.named_parameters()))
    backward(model, 0)
    learner.update({n: p.grad for n, p in model.named_parameters()})
    gradients = [weakref.ref(p.grad) for p in model.parameters()]
    model.zero_grad()
    assert [gradient() for gradient in gradients] == [None] * 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_learner_takes_tensors_of_other_types(dtype):
    model = network(dtype)
    before = weights(model)
    learner = learners.lion(dict(model.named_parameters()), lr=0.1, nonfinite="raise")
    backward(model, 0)
    learner.update({n: p.grad for n, p in model.named_parameters()})
    assert (weights(model) - before).abs().max() > 0.05
    model[0].weight.grad[0, 0] = torch.nan
    with pytest.raises(ld.NonFiniteError, match=r"'0.weight'"):
        learner.update({n: p.grad for n, p in model.named_parameters()})


def test_learner_refuses_tensors_without_values_on_the_host():
    sparse = torch.ones(3, 3).to_sparse()
    parameter = torch.nn.Parameter(torch.ones(3, 3))
    learner = learners.adamw([parameter])
    with pytest.raises(ld.ArrayError, match="pass RowSparse"):
        learner.update([sparse])
    with pytest.raises(ld.ArrayError, match="is on the device meta"):
        learner.update([torch.ones(3, 3, device="meta")])
    with pytest.raises(ld.DtypeError, match="has dtype int64"):
        learner.update([torch.ones(3, 3).long()])
    with pytest.raises(ld.ArrayError, match="is not contiguous"):
        learners.adamw([torch.ones(3, 4).T])
