"""Gradients are read all at once, whatever they look like, and nothing stale is kept."""

import gc
import weakref
from threading import Thread

import pytest
import torch
from support.torch_models import backward, distance, network, pair, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.torch import gradients

FORMS = {
    "contiguous": lambda: torch.ones(3, 4),
    "scalar": lambda: torch.tensor(1.0),
    "empty": lambda: torch.ones(0, 3),
    "transposed": lambda: torch.ones(3, 4).t(),
    "channels last": lambda: torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "complex": lambda: torch.ones(3, dtype=torch.complex64),
    "bfloat16": lambda: torch.ones(3, dtype=torch.bfloat16),
    "float64": lambda: torch.ones(5, dtype=torch.float64),
}


def parameters():
    """A parameter of every form."""
    return [torch.nn.Parameter(make()) for make in FORMS.values()]


def give_gradients(own, k):
    """Give each parameter a new random gradient of its form."""
    generator = torch.Generator().manual_seed(k)
    for p in own:
        values = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        p.grad = torch.empty_like(p).copy_(values.to(p.dtype))


def is_read_at_once(optimizer):
    """Whether the last gradients of all learners need no check one by one."""
    found = [m.reader.read([t.grad for t in m.tensors]) for m in optimizer._members]
    return all(addresses is not None for addresses in found)


@pytest.fixture
def by_learner(monkeypatch):
    """Optimizers whose gradients are checked one by one, as with older versions of torch."""

    def forget():
        monkeypatch.setattr(gradients, "function_of", lambda kind: 0)

    return forget


def test_all_forms_are_read_at_once_with_the_results_of_the_check_one_by_one(by_learner):
    first, second = parameters(), parameters()
    optimizer = ldt.AdamW(first, lr=0.1)
    give_gradients(first, 0)
    optimizer.step()
    by_learner()
    other = ldt.AdamW(second, lr=0.1)
    give_gradients(second, 0)
    other.step()
    for k in range(1, 4):
        for own, stepped in ((first, optimizer), (second, other)):
            give_gradients(own, k)
            stepped.step()
    assert is_read_at_once(optimizer)
    assert all(m.reader is None for m in other._members)
    for p, q in zip(first, second, strict=True):
        assert torch.equal(p, q)
        for name, value in optimizer.state[p].items():
            assert torch.equal(value, other.state[q][name])


def lazily_negated():
    """A gradient of one element that is contiguous and negated lazily, as autograd makes it."""
    p = torch.nn.Parameter(torch.ones(1))
    product = torch.complex(torch.ones(1), p).conj() * torch.tensor([2j])
    product.abs().sum().backward()
    assert p.grad.is_neg()
    assert p.grad.is_contiguous()
    return p


def lazily_conjugated():
    """A complex gradient that is conjugated lazily."""
    p = torch.nn.Parameter(torch.tensor([1 + 2j, 3 - 1j]))
    p.grad = torch.tensor([1 + 1j, 2 - 5j]).conj()
    return p


@pytest.mark.parametrize("make", [lazily_negated, lazily_conjugated])
def test_lazy_gradients_have_their_values(make):
    moved = []
    for optimizer_class in (ldt.SGD, torch.optim.SGD):
        p = make()
        gradient = p.grad
        optimizer = optimizer_class([p], lr=0.5)
        p.grad = torch.ones_like(p)
        optimizer.step()
        p.grad = gradient
        optimizer.step()
        moved.append(p.detach())
    assert torch.equal(*moved)


def test_gradient_may_change_its_form_at_any_step():
    """Sparse, strided, of another type, missing and usual gradients follow each other."""
    p, q = (torch.nn.Parameter(torch.arange(12.0).reshape(4, 3)) for _ in range(2))
    others = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    ours = ldt.SGD([p, others[0]], lr=0.1)
    theirs = torch.optim.SGD([q, others[1]], lr=0.1)
    values = torch.arange(12.0).reshape(4, 3).sin()
    index = torch.tensor([[0, 2]])
    kinds = [
        lambda: values.clone(),
        lambda: torch.sparse_coo_tensor(index, values[:2], (4, 3), check_invariants=True),
        lambda: values.t().contiguous().t(),
        lambda: None,
        lambda: values[:1].expand(4, 3),
    ]
    for k in (0, 1, 0, 2, 0, 3, 0, 4, 0, 3, 1, 0):
        for own, optimizer, other in ((p, ours, others[0]), (q, theirs, others[1])):
            own.grad, other.grad = kinds[k](), torch.ones(2)
            optimizer.step()
        assert is_read_at_once(ours) == (k in (0, 3))
    assert torch.allclose(p, q, atol=1e-6)
    assert torch.equal(others[0], others[1])


def test_gradients_of_another_type_are_read_at_once_after_the_first():
    p = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    if not hasattr(p, "grad_dtype"):
        pytest.skip("this version of torch has one type for both")
    optimizer = ldt.SGD([p], lr=1.0)
    p.grad = torch.full((4,), 0.5, dtype=torch.bfloat16)
    optimizer.step()
    p.grad, p.grad_dtype = None, None
    p.grad = torch.full((4,), 0.25)
    optimizer.step()
    assert p.tolist() == [0.25] * 4
    optimizer.step()
    assert is_read_at_once(optimizer)
    assert p.tolist() == [0.0] * 4


def test_gradient_in_the_memory_of_a_parameter_is_refused():
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    train(model, optimizer, 2)
    backward(model, 2)
    before = weights(model)
    model[0].weight.grad = model[0].weight.detach()
    with pytest.raises(ld.ArrayError, match="overlaps parameter"):
        optimizer.step()
    assert torch.equal(before, weights(model))


def test_gradients_come_and_go_without_leaving_anything_behind():
    """Every set of missing gradients follows every other one."""
    models = []
    for model, optimizer in pair():
        parameters = list(model.parameters())
        train(model, optimizer, 1)
        for k, absent in enumerate([(0,), (0, 1), (), (1,), (2, 3), (0, 1, 2, 3), (0,), (3,), ()]):
            backward(model, k)
            for number in absent:
                parameters[number].grad = None
            optimizer.step()
        assert [optimizer.state[p]["step"].item() for p in parameters] == [6, 7, 8, 7]
        models.append(model)
    assert distance(*models) < 1e-6


def test_no_gradient_is_kept():
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    for k in range(3):
        backward(model, k)
        if k == 1:
            model[0].bias.grad = None
        optimizer.step()
        kept = [weakref.ref(p.grad) for p in model.parameters() if p.grad is not None]
        model.zero_grad(set_to_none=True)
        gc.collect()
        assert [reference() for reference in kept] == [None] * len(kept)


def test_parameter_may_get_memory_of_another_shape_or_layout():
    models = []
    for model, optimizer in pair():
        train(model, optimizer, 2)
        weight = model[0].weight
        weight.data = weight.data.t().contiguous().t()
        train(model, optimizer, 2, 2)
        models.append(model)
    assert distance(*models) < 1e-6
    p = torch.nn.Parameter(torch.ones(6))
    optimizer = ldt.SGD([p], lr=1.0)
    p.grad = torch.ones(6)
    optimizer.step()
    p.grad, p.data = None, p.data[:2]  # at the same address
    p.grad = torch.ones(2)
    optimizer.step()
    assert p.tolist() == [-1.0, -1.0]
    p.grad, p.data = None, p.data.view(torch.int16)[:2].view(torch.bfloat16)
    p.data.fill_(1.0)
    p.grad = torch.ones(2, dtype=torch.bfloat16)
    optimizer.step()
    assert p.tolist() == [0.0, 0.0]


def test_states_of_a_parameter_may_be_replaced():
    models = []
    for model, optimizer in pair():
        train(model, optimizer, 3)
        optimizer.state[model[0].weight] = {}
        train(model, optimizer, 2, 3)
        state = optimizer.state[model[2].bias]
        optimizer.state[model[2].bias] = {n: torch.zeros_like(v) for n, v in state.items()}
        train(model, optimizer, 2, 5)
        assert optimizer.state[model[0].weight]["step"] == 4
        assert optimizer.state[model[2].bias]["step"] == 2
        models.append(model)
    assert distance(*models) < 1e-6


@pytest.mark.parametrize("nonfinite", ["skip", "raise"])
def test_nonfinite_gradients_change_nothing(nonfinite):
    model = network()
    optimizer = ldt.AdamW(model.named_parameters(), nonfinite=nonfinite)
    train(model, optimizer, 2)
    backward(model, 2)
    model[2].bias.grad[1] = torch.nan
    before = weights(model)
    if nonfinite == "skip":
        optimizer.step()
    else:
        with pytest.raises(ld.NonFiniteError, match=r"'2\.bias'"):
            optimizer.step()
    assert torch.equal(before, weights(model))
    assert optimizer.state[model[2].bias]["step"] == 2


def test_lazily_conjugated_parameter_is_refused():
    p = torch.nn.Parameter(torch.tensor([1 + 2j]).conj())
    with pytest.raises(ld.ArrayError, match="lazy conjugate"):
        ldt.SGD([p])


def test_schedulers_may_set_many_groups():
    moved = []
    for optimizer_class in (ldt.AdamW, torch.optim.AdamW):
        parameters = [torch.nn.Parameter(torch.full((2,), float(k))) for k in range(9)]
        groups = [{"params": [p], "lr": 0.01 * k} for k, p in enumerate(parameters, 1)]
        optimizer = optimizer_class(groups)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4)
        for k in range(6):
            give_gradients(parameters, k)
            optimizer.step()
            scheduler.step()
            optimizer.param_groups[k]["betas"] = (0.5, 0.99)
        moved.append(torch.stack([p.detach() for p in parameters]))
    assert torch.allclose(*moved, rtol=1e-6, atol=1e-6)


def test_threads_may_step_one_optimizer():
    """Each update is whole, and reads gradients that exist."""
    p = torch.nn.Parameter(torch.zeros(1000))
    optimizer = ldt.SGD([p], lr=1.0)

    def work():
        for _ in range(50):
            p.grad = torch.ones(1000)
            optimizer.step()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(p, torch.full_like(p, -200.0))
    assert p._version == 200
