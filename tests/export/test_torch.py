"""Exported optimizers of torch: against the oracle, the class of this package, and torch itself."""

import io

import numpy as np
import pytest
import torch
from support.exported import RULES, Problem, loaded, of_file
from support.tiers import few_of_shared, slow

import learnerdsl as ld
from learnerdsl.export.torch import class_name
from learnerdsl.learners import adam, adamw, prodigy, schedule_free_sgd

CLOSE = 1e-12


def exported(rule, **options):
    """The class of an exported file."""
    return getattr(loaded(rule.export("torch", **options)), class_name(rule.name))


@pytest.mark.parametrize("name", few_of_shared(sorted(RULES)))
def test_class_follows_the_oracle(name):
    problem, options = of_file(name)
    expected, _ = problem.path_of_rule()
    path, _ = problem.path_of_torch(exported(RULES[name], **options))
    assert problem.error(path, expected) <= CLOSE


@pytest.mark.parametrize("name", ["adam", "lamb", slow("adafactor"), "prodigy", slow("adai")])
def test_class_equals_ours_to_rounding_over_20_steps_in_float32(name):
    problem = Problem(RULES[name], np.float32, steps=20)
    ours, own = problem.path_of_torch(RULES[name].torch)
    path, optimizer = problem.path_of_torch(exported(RULES[name]))
    assert problem.error(path, ours) <= 1e-5
    mine, theirs = own.param_groups[0]["params"][-1], optimizer.param_groups[0]["params"][-1]
    if not own.interface.is_of_torch:
        names = {key for key in own.state[mine] if key != "step"}
        assert names <= optimizer.state[theirs].keys()


def test_adamw_equals_that_of_torch():
    problem = Problem(adamw, steps=20)
    path, _ = problem.path_of_torch(lambda params: exported(adamw)(params, lr=0.01))
    expected, _ = problem.path_of_torch(lambda params: torch.optim.AdamW(params, lr=0.01))
    assert problem.error(path, expected) <= 1e-11


def test_groups_have_their_own_hyperparameters():
    ends = []
    for make in (exported(adam), adam.torch):
        a, b = (torch.ones(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
        optimizer = make([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
        a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
        optimizer.step()
        ends.append((a.detach(), b.detach()))
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("rule", [adam, prodigy], ids=str)
def test_saved_and_resumed_run_is_the_same(rule):
    ends = []
    for is_resumed in (False, True):
        p = torch.ones(3, dtype=torch.float64, requires_grad=True)
        optimizer = exported(rule)([p])
        for step in range(4):
            if is_resumed and step == 2:
                file = io.BytesIO()
                torch.save(optimizer.state_dict(), file)
                file.seek(0)
                optimizer = exported(rule)([p])
                optimizer.load_state_dict(torch.load(file))
            p.grad = torch.full_like(p, 0.5 + step)
            optimizer.step()
        ends.append(p.detach().clone())
    assert torch.equal(*ends)


def test_closure_gives_the_loss():
    p = torch.ones(2, requires_grad=True)
    optimizer = exported(RULES["momo"])([p])

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert optimizer.step(closure) < first


def test_weights_to_evaluate_with_are_those_of_the_learner():
    problem = Problem(schedule_free_sgd)
    _, learner = problem.path_of_rule()
    _, optimizer = problem.path_of_torch(exported(schedule_free_sgd))
    expected = learner.evaluation_parameters().values()
    for average, wanted in zip(optimizer.evaluation_parameters().values(), expected, strict=True):
        np.testing.assert_allclose(average.numpy(), wanted, rtol=1e-10, atol=1e-12)


def test_random_numbers_are_bitwise_those_of_the_rule():
    @ld.rule
    def walk(p, g, lr=1.0):
        return ld.assign(p, 0 * g + lr * ld.uniform())

    problem = Problem(walk, np.float32)
    expected, _ = problem.path_of_rule()
    path, _ = problem.path_of_torch(exported(walk))
    for got, wanted in zip(path[-1], expected[-1], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_file_does_not_import_this_package():
    assert "import learnerdsl" not in adam.export("torch")
    assert exported(adam).__bases__ == (torch.optim.Optimizer,)
