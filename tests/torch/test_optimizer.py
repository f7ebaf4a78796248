"""An optimizer of any rule does what users of torch.optim expect."""

import pickle

import numpy as np
import pytest
import torch
from support.torch_models import backward, distance, network, pair, saved_and_loaded, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners


@ld.rule
def scaled_sign(p, g, lr=0.01, share=0.9):
    mean = ld.state("mean")
    mean_new = ld.assign(mean, share * mean + (1 - share) * g)
    return ld.assign(p, p - lr * ld.sign(mean_new))


ScaledSign = ldt.optimizer_class(scaled_sign)


def test_classes_are_optimizers_and_have_documentation():
    assert issubclass(ldt.Lion, torch.optim.Optimizer)
    assert len([n for n in dir(ldt) if n[0].isupper()]) == len(learners.__all__) + 1
    assert "Lion" in ldt.Lion.__doc__


def test_rule_of_ones_own_is_an_optimizer():
    first, second = network(), network()
    arrays = {n: p.detach().numpy().copy() for n, p in second.named_parameters()}
    learner = scaled_sign(arrays, lr=0.02)
    optimizer = scaled_sign.torch(first.parameters(), lr=0.02)
    assert type(optimizer) is ScaledSign
    for k in range(3):
        backward(first, k)
        learner.update({n: p.grad.numpy() for n, p in first.named_parameters()})
        optimizer.step()
    for name, p in first.named_parameters():
        assert np.array_equal(p.detach().numpy(), arrays[name])
        assert np.array_equal(optimizer.state[p]["mean"].numpy(), learner.state[name]["mean"])


def test_hyperparameters_are_read_from_the_groups_at_each_step():
    models = []
    for model, optimizer in pair():
        train(model, optimizer, 2)
        optimizer.param_groups[0]["betas"] = (0.5, 0.9)
        optimizer.param_groups[0]["amsgrad"] = False
        train(model, optimizer, 2, 2)
        optimizer.param_groups[0]["lr"] = rate = torch.tensor(0.05)
        train(model, optimizer, 2, 4)
        rate.fill_(0.001)
        train(model, optimizer, 2, 6)
        models.append(model)
    assert distance(*models) < 1e-6


def test_schedules_of_this_package_are_hyperparameters():
    first, second = network(), network()
    optimizer = ldt.AdamW(first.parameters(), lr=0.01 / ld.step)
    judge = torch.optim.AdamW(second.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(judge, lambda k: 1 / (k + 1))
    for k in range(5):
        train(first, optimizer, 1, k)
        train(second, judge, 1, k)
        schedule.step()
    assert distance(first, second) < 1e-6
    saved = saved_and_loaded(optimizer.state_dict())
    assert saved["param_groups"][0]["lr"] is None
    again = ldt.AdamW(first.parameters(), lr=0.01 / ld.step)
    again.load_state_dict(saved)
    train(first, again, 1, 5)
    train(second, judge, 1, 5)
    assert distance(first, second) < 1e-6


def test_groups_have_their_own_hyperparameters_and_options():
    models = []
    for optimizer_class in (ldt.SGD, torch.optim.SGD):
        model = network()
        groups = [
            {"params": model[0].parameters(), "lr": 0.1},
            {"params": [model[2].weight], "momentum": 0.9, "nesterov": True},
        ]
        optimizer = optimizer_class(groups, lr=0.01)
        train(model, optimizer, 3)
        optimizer.add_param_group({"params": [model[2].bias], "maximize": True})
        train(model, optimizer, 3, 3)
        optimizer.param_groups[0]["momentum"] = 0.5
        train(model, optimizer, 3, 6)
        models.append(model)
    assert distance(*models) < 1e-6


def test_classes_are_pickled_by_name():
    for optimizer_class in (ldt.AdamW, ldt.Lion, ScaledSign):
        assert pickle.loads(pickle.dumps(optimizer_class)) is optimizer_class
    assert ldt.optimizer_class(learners.lion) is ldt.Lion
    other = ldt.optimizer_class(scaled_sign, "Other")
    assert pickle.loads(pickle.dumps(other)) is other is not ScaledSign


class OwnAdam(ldt.Adam):
    """A user's class."""


def test_users_may_derive_classes():
    model = network()
    optimizer = OwnAdam(model.parameters())
    train(model, optimizer, 1)
    assert type(pickle.loads(pickle.dumps(optimizer))) is OwnAdam


def test_builtin_rule_has_the_class_of_torch_under_its_own_names_too():
    model = network()
    optimizer = learners.rprop.torch(model.parameters(), eta_minus=0.4, step_max=1.0)
    assert type(optimizer) is ldt.Rprop
    assert optimizer.param_groups[0]["etas"] == (0.4, 1.2)
    assert optimizer.param_groups[0]["step_sizes"] == (1e-6, 1.0)
    assert ldt.AdamW(model.parameters(), beta2=0.9).param_groups[0]["betas"] == (0.9, 0.9)


def test_groups_may_be_replaced():
    models = []
    for model, optimizer in pair():
        train(model, optimizer, 2)
        optimizer.param_groups[0] = {**optimizer.param_groups[0], "lr": 0.1}
        train(model, optimizer, 2, 2)
        optimizer.param_groups[0]["params"] = [model[0].weight]
        train(model, optimizer, 2, 4)
        models.append(model)
    assert distance(*models) < 1e-6


def test_closure_computes_the_loss():
    model = network()
    optimizer = ldt.AliG(model.parameters())
    assert optimizer.step(lambda: backward(model, 0)) == backward(network(), 0)
    backward(model, 1)
    optimizer.step(loss=torch.tensor(0.5))
    with pytest.raises(ld.UnknownNameError, match=r"needs loss="):
        optimizer.step()


def test_other_inputs_come_in_a_dict():
    model, other = network(), network()
    optimizer = ldt.AdaHessian(model.named_parameters())
    same = ldt.AdaHessian(other.parameters())
    backward(model, 0)
    backward(other, 0)
    (name,) = learners.adahessian.trace().extras
    squares = {n: p.grad**2 for n, p in model.named_parameters()}
    optimizer.step(**{name.name: squares})
    same.step(**{name.name: {p: p.grad**2 for p in other.parameters()}})
    assert torch.equal(weights(model), weights(other))


def test_hooks_run():
    model, seen = network(), []
    optimizer = ldt.Lion(model.parameters())
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.register_state_dict_post_hook(lambda own, found: seen.append("saved"))
    optimizer.register_load_state_dict_post_hook(lambda own: seen.append("loaded"))
    train(model, optimizer, 1)
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["before", "after", "saved", "loaded"]


def test_grad_scaler_skips_steps_with_infinities():
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = weights(model)
    for bad in (True, False):
        loss = model(torch.ones(2, 6)).sum()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        if bad:
            model[0].weight.grad[0, 0] = torch.inf
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(before, weights(model)) == bad


def test_autograd_notices_updates():
    model = network()
    optimizer = ldt.SGD(model.parameters())
    loss = model(torch.ones(2, 6)).square().sum()
    loss.backward(retain_graph=True)
    model[0].weight.grad = None
    versions = [p._version for p in model.parameters()]
    optimizer.step()
    assert [p._version - v for p, v in zip(model.parameters(), versions, strict=True)] == [
        0,
        1,
        1,
        1,
    ]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_training_step_can_be_compiled_around():
    model = network()
    optimizer = ldt.AdamW(model.parameters())
    backward(model, 0)
    before = weights(model)
    torch.compile(lambda: optimizer.step(), backend="eager")()
    assert not torch.equal(before, weights(model))


def test_parameters_may_get_other_memory_or_another_type():
    models = []
    for model, optimizer in pair():
        train(model, optimizer, 2)
        for p in model.parameters():
            p.data = p.data.clone()
        train(model, optimizer, 2, 2)
        models.append(model)
    assert distance(*models) < 1e-6
    model, optimizer = network(), ldt.Adam(network().parameters())
    optimizer = ldt.Adam(model.parameters())
    train(model, optimizer, 2)
    model.double()
    train(model, optimizer, 1, 2)
    assert optimizer.state[model[0].weight]["exp_avg"].dtype == torch.float64
    assert optimizer.state[model[0].weight]["step"] == 3


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Lion", "Prodigy"])
def test_class_of_a_builtin_equals_its_learner(name):
    rule = getattr(learners, name.lower())
    model = network()
    arrays = [p.detach().numpy().copy() for p in model.parameters()]
    learner, optimizer = rule(arrays), getattr(ldt, name)(model.parameters())
    for k in range(4):
        backward(model, k)
        learner.update([p.grad.numpy() for p in model.parameters()])
        optimizer.step()
    for p, array in zip(model.parameters(), arrays, strict=True):
        assert np.array_equal(p.detach().numpy(), array)


def test_names_of_the_rule_may_be_written_into_groups():
    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    optimizers = [ldt.Lion([w], lr=0.1) for w in weights]
    for k in range(4):
        if k == 1:
            optimizers[0].param_groups[0]["beta1"] = 0.2
            optimizers[1].param_groups[0]["betas"] = (0.2, 0.99)
        for w, optimizer in zip(weights, optimizers, strict=True):
            w.grad = torch.tensor([1.0, -2.0 * k, 0.5 - k])
            optimizer.step()
    assert torch.equal(*weights)
    assert optimizers[0].param_groups[0]["betas"] == (0.2, 0.99)
    assert "beta1" not in optimizers[0].param_groups[0]


def test_adamw_stays_decoupled_after_loading_what_adam_saved():
    starts = [torch.nn.Parameter(torch.ones(3)) for _ in range(3)]
    for w in starts:
        w.grad = torch.tensor([1.0, 2.0, 3.0])
    saved = torch.optim.Adam([starts[0]], lr=0.1, weight_decay=0.5)
    saved.step()
    for w, cls in zip(starts[1:], (ldt.AdamW, torch.optim.AdamW), strict=True):
        optimizer = cls([w])
        optimizer.load_state_dict(saved.state_dict())
        assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
        optimizer.step()
    assert torch.allclose(starts[1], starts[2], atol=1e-7)


def test_muon_multiplies_matrices_of_bfloat16_parameters():
    torch.manual_seed(1)
    start = [torch.randn(shape).bfloat16() for shape in ((6, 5), (3, 4))]
    gradients = [torch.randn_like(array) for array in start]
    found = []
    for cls in (ldt.Muon, torch.optim.Muon):
        weights = [torch.nn.Parameter(array.clone()) for array in start]
        for w, gradient in zip(weights, gradients, strict=True):
            w.grad = gradient.clone()
        cls(weights, lr=0.5).step()
        found.append(weights)
    for own, theirs, before in zip(*found, start, strict=True):
        moved = (theirs - before).abs().max()
        assert (own - theirs).abs().max() < 0.05 * moved


def test_plans_are_those_of_the_learners_of_the_last_step():
    model = network()
    optimizer = ldt.LAMB(model.parameters())
    assert optimizer.plans == ()
    train(model, optimizer, 1)
    assert [str(plan) for plan in optimizer.plans] == [str(learners.lamb.plan())]


def test_a_refresh_changes_nothing_on_the_cpu():
    model = network()
    optimizer = ldt.AdamW(model.parameters(), capturable=True)
    with pytest.raises(ld.LearnerError, match="has done no step"):
        optimizer.refresh()
    train(model, optimizer, 1)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.refresh()
    assert all(map(torch.equal, before, model.parameters()))
