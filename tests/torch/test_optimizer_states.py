"""The states of an optimizer: when they appear, where they lie, and how they are saved."""

import copy
import pickle
from collections import defaultdict

import numpy as np
import pytest
import torch
from support.torch_models import backward, distance, network, pair, saved_and_loaded, train, weights

import learnerdsl.torch as ldt
from learnerdsl import learners


def test_parameters_without_gradients_keep_their_own_step():
    models = []
    for model, optimizer in pair():
        for k in range(6):
            backward(model, k)
            if k in (0, 3):
                model[0].weight.grad = None
            optimizer.step()
        assert optimizer.state[model[0].weight]["step"] == 4
        assert optimizer.state[model[2].weight]["step"] == 6
        models.append(model)
    assert distance(*models) < 1e-6


def test_states_appear_with_the_first_gradient():
    model = network()
    optimizer = ldt.Adam(model.parameters())
    optimizer.step()
    assert len(optimizer.state) == 0
    backward(model, 0)
    model[0].bias.grad = None
    optimizer.step()
    assert model[0].bias not in optimizer.state
    assert set(optimizer.state[model[0].weight]) == {"step", "exp_avg", "exp_avg_sq"}


def test_states_are_tensors_in_the_memory_of_updates():
    models = []
    for model, optimizer in pair():
        train(model, optimizer, 3)
        state = optimizer.state[model[0].weight]
        state["exp_avg"].zero_()
        state["exp_avg_sq"] = torch.ones_like(state["exp_avg_sq"])
        state["step"].fill_(100)
        train(model, optimizer, 3, 3)
        models.append(model)
    assert distance(*models) < 1e-6
    model, optimizer = models[0], ldt.Adam(models[0].parameters())
    train(model, optimizer, 2)
    del optimizer.state[model[0].weight]
    train(model, optimizer, 1)
    assert optimizer.state[model[0].weight]["step"] == 1
    assert optimizer.state[model[0].bias]["step"] == 3


def test_states_may_be_replaced():
    models = []
    for model, optimizer in pair():
        train(model, optimizer, 3)
        p = model[0].weight
        optimizer.state[p] = {n: torch.full_like(v, 2) for n, v in optimizer.state[p].items()}
        train(model, optimizer, 3, 3)
        assert optimizer.state[p]["step"] == 5
        # A plain dict in place of all states, as torch.optim has after it was unpickled.
        optimizer.state = defaultdict(dict, {p: dict(s) for p, s in optimizer.state.items()})
        optimizer.state[model[0].bias] = {}
        train(model, optimizer, 3, 6)
        models.append(model)
    assert distance(*models) < 1e-6


@pytest.mark.parametrize("name", ["AdamW", "Prodigy", "ScheduleFreeAdamW", "AdaShift", "NAdam"])
@pytest.mark.parametrize("way", ["saved", "deepcopy", "pickle"])
def test_training_resumes_bitwise(name, way):
    model = network()
    optimizer = getattr(ldt, name)(model.named_parameters(), lr=0.01)
    train(model, optimizer, 4)
    if way == "saved":
        other = copy.deepcopy(model)
        continued = getattr(ldt, name)(other.named_parameters(), lr=0.3)
        continued.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    elif way == "deepcopy":
        other, continued = copy.deepcopy((model, optimizer))
    else:
        other, continued = pickle.loads(pickle.dumps((model, optimizer)))
    train(model, optimizer, 3, 4)
    train(other, continued, 3, 4)
    assert torch.equal(weights(model), weights(other))


def test_parameters_are_matched_by_name():
    model = network()
    optimizer = ldt.Adam(model.named_parameters())
    train(model, optimizer, 2)
    other = copy.deepcopy(model)
    turned = ldt.Adam(reversed(list(other.named_parameters())))
    turned.load_state_dict(optimizer.state_dict())
    train(model, optimizer, 2, 2)
    train(other, turned, 2, 2)
    assert torch.equal(weights(model), weights(other))


def test_weights_to_evaluate_with():
    model = network()
    optimizer = ldt.ScheduleFreeSGD(model.named_parameters(), lr=0.1)
    learner_weights = {n: p.detach().numpy().copy() for n, p in model.named_parameters()}
    learner = learners.schedule_free_sgd(learner_weights, lr=0.1)
    assert torch.equal(optimizer.evaluation_parameters()[model[0].bias], model[0].bias)
    for k in range(3):
        backward(model, k)
        learner.update({n: p.grad.numpy() for n, p in model.named_parameters()})
        optimizer.step()
    expected = learner.evaluation_parameters()
    found = optimizer.evaluation_parameters()
    for name, p in model.named_parameters():
        assert np.array_equal(found[p].numpy(), expected[name])
        assert not torch.equal(found[p], p)


def test_master_weights_begin_again_at_written_parameters():
    model = network(torch.bfloat16)
    optimizer = ldt.SGD(model.parameters(), lr=1e-4, master="float32")
    train(model, optimizer, 1)
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)
    optimizer.adopt_parameters()
    train(model, optimizer, 1)
    assert (weights(model) - 1).abs().max() < 0.1


def test_asking_for_states_makes_them_once():
    model = network()
    optimizer = ldt.Lion(model.parameters())
    assert bool(optimizer.state)
    assert len(optimizer.state) == 4
    backward(model, 0)
    model[0].bias.grad = None
    begun = ldt.Lion(model.parameters())
    begun.step()
    _, found = pickle.loads(pickle.dumps((model, begun)))
    assert bool(found.state)
    assert len(found.state) == 3
