"""Rules of every kind on a GPU, as optimizers of torch; see test_on_gpu.py."""

import copy

import pytest
import torch
from support.host_device import gpu, matrices
from support.tiers import slow
from support.torch_models import backward, distance, network, train, weights

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.transforms import clip_by_global_norm

__all__ = ["gpu", "matrices"]

ClippedAdamW = ldt.optimizer_class(
    ld.chain(clip_by_global_norm, learners.adamw, name="clipped_adamw")
)


@ld.rule
def slowing(p, g, lr=0.1):
    """Steps that get smaller by a state of the model."""
    n = ld.state("n", shape="model")
    n_new = ld.assign(n, n + ld.step)
    return ld.assign(p, p - lr * g / n_new)


RULES = {
    "clip_by_global_norm": (ClippedAdamW, {"max_norm": 0.1}),
    "lamb": (ldt.LAMB, {}),
    "adafactor": (ldt.optimizer_class(learners.adafactor), {}),
    "novograd, a number for each tensor": (ldt.NovoGrad, {}),
    "prodigy, states of the model": (ldt.Prodigy, {}),
    "averages": (ldt.ScheduleFreeAdamW, {}),
    "adashift, a ring": (ldt.AdaShift, {}),
    "8-bit states": (ldt.AdamW, {"states": {"m": "int8", "v": "uint8"}}),
}


QUICK = ("clip_by_global_norm", "adafactor", "prodigy, states of the model", "8-bit states")


@pytest.mark.parametrize("case", [n if n in QUICK else slow(n) for n in RULES])
def test_rules_of_every_kind_do_what_they_do_on_the_cpu(case, gpu):
    made, arguments = RULES[case]
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = made(model.named_parameters(), **arguments)
            train(model, optimizer, 3)
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = made(model.named_parameters(), **arguments)
            optimizer.load_state_dict(saved)
            train(model, optimizer, 2, first=3)
            averages = optimizer.evaluation_parameters()
        ends.append((model, optimizer, [averages[p] for p in model.parameters()]))
    (own, optimizer, averages), (theirs, other, expected) = ends
    start = network()
    # Sums of float32 are added in another order, and what follows depends on them.
    assert distance(own, theirs) < 1e-4 * distance(start, theirs) + 1e-7
    for state, wanted in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert {n: (v.shape, v.dtype) for n, v in state.items()} == {
            n: (v.shape, v.dtype) for n, v in wanted.items()
        }
    for average, wanted in zip(averages, expected, strict=True):
        torch.testing.assert_close(average, wanted, rtol=1e-4, atol=1e-6)


def test_a_state_with_a_number_for_each_tensor_takes_what_is_written(gpu):
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ldt.NovoGrad(model.parameters(), lr=0.1)
            train(model, optimizer, 2)
            name = next(
                n for n, v in optimizer.state[model[0].weight].items() if n != "step" and not v.ndim
            )
            optimizer.state[model[0].weight][name] = 3.0
            train(model, optimizer, 2, first=2)
        ends.append((model, float(optimizer.state[model[0].weight][name])))
    assert distance(ends[0][0], ends[1][0]) < 1e-6
    assert ends[0][1] == pytest.approx(ends[1][1], rel=1e-5)


def test_missing_gradients_leave_what_a_norm_is_of(gpu):
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ClippedAdamW(model.parameters(), max_norm=0.1)
            for k in range(3):
                backward(model, k)
                model[2].bias.grad = None
                optimizer.step()
        ends.append(model)
    assert distance(*ends) < 1e-6


def test_parameters_with_one_norm_must_have_done_the_same_steps(gpu):
    model = network()
    optimizer = ClippedAdamW(model.parameters(), max_norm=0.1)
    train(model, optimizer, 1)
    backward(model, 1)
    model[2].bias.grad = None
    optimizer.step()
    backward(model, 2)
    before = weights(model)
    message = r"ClippedAdamW .* different numbers of steps \(1 and 2\).* torch\.zeros_like\(p\)"
    with pytest.raises(ld.ArrayError, match=message):
        optimizer.step()
    assert torch.equal(weights(model), before)


def test_a_state_of_the_model_that_depends_on_the_step_needs_all_gradients(gpu):
    model = network()
    optimizer = slowing.torch(model.named_parameters())
    train(model, optimizer, 1)
    backward(model, 1)
    model[2].bias.grad = None
    with pytest.raises(ld.ArrayError, match=r"'2\.bias' is missing or None, but slowing cannot"):
        optimizer.step()


def in_two_phases(calls):
    """The weights after steps with a closure, which notes its calls."""
    model = network()
    rule = ld.chain(ld.transforms.sam, learners.sgd, name="sam_sgd")
    optimizer = rule.torch(model.parameters(), lr=0.1)

    def closure():
        calls.append(len(calls) // 2)
        return backward(model, calls[-1])

    for _ in range(2):
        optimizer.step(closure)
    return weights(model)


def test_a_rule_with_two_gradients_in_a_step_calls_the_closure_twice(gpu):
    calls = []
    found = in_two_phases(calls)
    assert calls == [0, 0, 1, 1]
    with gpu.away():
        assert (found - in_two_phases([])).abs().max() < 1e-6


@pytest.mark.usefixtures("matrices")
@pytest.mark.parametrize("products", ["bfloat16", slow("full")])
def test_functions_of_matrices_run_in_torch(products, gpu):
    ends = []
    for is_away in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Linear(6, 3, bias=False)
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = ldt.Muon(model.parameters(), lr=0.1, products=products)
            train(model, optimizer, 3)
        ends.append((model, optimizer.state[model.weight]["momentum_buffer"]))
    # bfloat16 has 8 bits. In float32, Newton-Schulz raises rounding errors by up to 485.
    tolerance = 1e-2 if products == "bfloat16" else 1e-5
    assert distance(ends[0][0], ends[1][0]) < tolerance
    torch.testing.assert_close(ends[0][1], ends[1][1], rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("matrices")
def test_several_rules_in_one_optimizer(gpu):
    rules = {"muon": learners.muon, "adamw": learners.adamw}
    made = ldt.optimizer_class(rules, choose=lambda name, p: "muon" if p.ndim == 2 else "adamw")
    ends = []
    for is_away in (False, True):
        model = network()
        with gpu.away() if is_away else torch.enable_grad():
            optimizer = made(model.named_parameters(), lr=0.01, products="full")
            train(model, optimizer, 3)
        ends.append(model)
    assert distance(*ends) < 1e-5  # Newton-Schulz raises rounding errors by up to 485


def test_rules_with_functions_of_matrices_wait_for_the_scaler(matrices, gpu):
    model = torch.nn.Linear(6, 3, bias=False)
    optimizer = ldt.Muon(model.parameters(), lr=0.1)
    train(model, optimizer, 1)
    before = weights(model)
    optimizer.found_inf = torch.tensor(1.0)
    train(model, optimizer, 1)
    assert torch.equal(weights(model), before)
    assert float(optimizer.state[model.weight]["step"]) == 1.0
