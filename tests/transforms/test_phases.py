"""Chains that move the parameter to evaluate the gradient there: SAM, ASAM, and others."""

import numpy as np
import pytest
import torch
from support.tiers import slow

import learnerdsl as ld
from learnerdsl.learners import adamw, momentum_sgd, muon, schedule_free_sgd, sgd
from learnerdsl.transforms import accumulate, asam, clip_by_global_norm, ema, sam

SHAPES = {"w": (4, 3), "b": (3,)}
STEPS = 8


@pytest.fixture(params=["numpy", slow("cpu")])
def backend(request):
    return request.param


def drawn(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}


def gradient_of(params):
    """The gradient of a function that is not quadratic, so that it matters where it is taken."""
    return {name: np.sin(p) + 0.1 * p**3 for name, p in params.items()}


def copied(params):
    return {name: p.copy() for name, p in params.items()}


def assert_same(found, expected, tolerance=1e-12):
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance)


def moved_by_hand(params, rho):
    g = gradient_of(params)
    norm = np.sqrt(sum(np.sum(a * a) for a in g.values()))
    return {name: p + rho * g[name] / (norm + 1e-12) for name, p in params.items()}


RULES = {
    "adamw": (adamw, {"lr": 0.05, "weight_decay": 0.1}),
    "momentum_sgd": (momentum_sgd, {"lr": 0.05, "weight_decay": 0.1}),
    "clipped": (ld.chain(clip_by_global_norm, adamw), {"max_norm": 0.5}),
    "averaged": (ld.chain(adamw, ema), {"decay": 0.8, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_sees_the_weights_that_it_changes(name, backend):
    """With weight decay, which is that of the weights without the perturbation."""
    rule, arguments = RULES[name]
    found, expected = drawn(0), drawn(0)
    learner = ld.chain(sam, rule)(found, rho=0.3, backend=backend, **arguments)
    plain = rule(expected, backend=backend, **arguments)
    for k in range(STEPS):
        moved = moved_by_hand(expected, 0.3)
        learner.update(gradient_of(found))
        assert_same(found, moved)
        learner.update(gradient_of(found))
        plain.update(gradient_of(moved))
        assert_same(found, expected)
        assert learner.model_state["sam_updates"] == k + 1
    for name, states in plain.state.items():
        assert_same(learner.state[name], states)


@pytest.mark.parametrize("reset", [True, False])
def test_sam_follows_optax(reset, backend):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    params = drawn(0)
    learner = ld.chain(sam, adamw)(params, lr=0.05, rho=0.2, weight_decay=0.1, backend=backend)
    with jax.enable_x64(True):
        outer = optax.adamw(0.05, weight_decay=0.1)
        inner = optax.chain(optax.contrib.normalize(), optax.sgd(0.2))
        judge = optax.contrib.sam(outer, inner, sync_period=2, reset_state=reset)
        values = {name: jax.numpy.asarray(p) for name, p in params.items()}
        state = judge.init(values)
        for _ in range(2 * STEPS):
            learner.update(gradient_of(params))
            updates, state = judge.update(gradient_of(values), state, values)
            values = optax.apply_updates(values, updates)
            assert_same(params, {name: np.array(v) for name, v in values.items()}, 1e-11)


@pytest.mark.parametrize("transform", [sam, asam])
def test_jax_does_the_same(transform):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    params = drawn(0)
    chain = ld.chain(transform, adamw)
    learner = chain(params, lr=0.05)
    with jax.enable_x64(True):
        own = chain.optax(lr=0.05)
        values = {name: jax.numpy.asarray(p) for name, p in params.items()}
        state = own.init(values)
        for _ in range(6):
            learner.update(gradient_of(params))
            g = {name: jax.numpy.asarray(a) for name, a in gradient_of(values).items()}
            updates, state = jax.jit(own.update)(g, state, values)
            values = optax.apply_updates(values, updates)
            assert_same(params, {name: np.array(v) for name, v in values.items()}, 1e-11)


def asam_by_hand(params, rho, eta):
    g = gradient_of(params)
    size = {name: np.abs(p) + eta for name, p in params.items()}
    norm = np.sqrt(sum(np.sum((size[name] * a) ** 2) for name, a in g.items()))
    return {
        name: p + rho * size[name] ** 2 * g[name] / (norm + 1e-12) for name, p in params.items()
    }


def test_asam_is_that_of_the_paper(backend):
    found, expected = drawn(0), drawn(0)
    learner = ld.chain(asam, sgd)(found, lr=0.1, rho=0.7, eta=0.05, backend=backend)
    for _ in range(STEPS):
        moved = asam_by_hand(expected, 0.7, 0.05)
        learner.update(gradient_of(found))
        assert_same(found, moved)
        learner.update(gradient_of(found))
        for name, g in gradient_of(moved).items():
            expected[name] -= 0.1 * g
        assert_same(found, expected)


def test_asam_does_not_depend_on_the_scale_of_weights():
    """Of two layers, one scaled up and the other down: the loss nearby is the same."""
    ends = []
    for scale in (1.0, 8.0):
        w = [np.array([2.0 * scale]), np.array([3.0 / scale])]
        learner = ld.chain(asam, sgd)(w, rho=0.4, eta=0.0)
        learner.update([w[1].copy(), w[0].copy()])  # the loss is the product
        ends.append(w[0] * w[1])
    np.testing.assert_allclose(*ends, rtol=1e-12)


def test_parameters_to_evaluate_with_are_those_without_the_perturbation(backend):
    params = drawn(0)
    learner = ld.chain(sam, sgd)(params, lr=0.1, rho=0.5, backend=backend)
    for _ in range(3):
        before = copied(params)
        learner.update(gradient_of(params))
        assert_same(learner.evaluation_parameters(), before, 0)
        assert not np.allclose(params["w"], before["w"])
        learner.update(gradient_of(params))
        assert_same(learner.evaluation_parameters(), params, 0)


def test_averages_of_the_rule_are_evaluated_with_at_any_time(backend):
    """Schedule-free weights are a mean of a state and the parameter, without the perturbation."""
    found, expected = drawn(0), drawn(0)
    learner = ld.chain(sam, schedule_free_sgd)(found, lr=0.1, rho=0.4, backend=backend)
    plain = schedule_free_sgd(expected, lr=0.1, backend=backend)
    for _ in range(3):
        moved = moved_by_hand(expected, 0.4)
        learner.update(gradient_of(found))
        if plain.step_count:
            assert_same(learner.evaluation_parameters(), plain.evaluation_parameters())
        learner.update(gradient_of(found))
        plain.update(gradient_of(moved))
        assert_same(learner.evaluation_parameters(), plain.evaluation_parameters())


def test_a_checkpoint_in_the_middle_of_a_step_goes_on_bitwise(tmp_path, backend):
    chain = ld.chain(sam, adamw)
    ends = []
    for is_saved in (False, True):
        params = drawn(0)
        learner = chain(params, lr=0.1, backend=backend)
        for _ in range(3):
            learner.update(gradient_of(params))
        if is_saved:
            learner.save(tmp_path / f"{backend}.safetensors", parameters=True)
            params = drawn(5)
            learner = chain(params, lr=0.1, backend=backend)
            learner.load(tmp_path / f"{backend}.safetensors", parameters=True)
        for _ in range(3):
            learner.update(gradient_of(params))
        ends.append(params)
    assert_same(*ends, 0)


@pytest.mark.parametrize("bad", [0, 1])
def test_a_skipped_gradient_is_asked_for_again(bad, backend):
    found, expected = drawn(0), drawn(0)
    learner = ld.chain(sam, adamw)(found, nonfinite="skip", backend=backend)
    other = ld.chain(sam, adamw)(expected, backend=backend)
    for k in range(4):
        if k == bad:
            before = copied(found)
            assert not learner.update({**gradient_of(found), "b": np.full(3, np.nan)})
            assert_same(found, before, 0)
        learner.update(gradient_of(found))
        other.update(gradient_of(expected))
    assert_same(found, expected, 0)


def test_gradients_are_accumulated_in_each_phase(backend):
    """Four gradients to a step: two at the weights, then two at the perturbed ones."""
    found, expected = drawn(0), drawn(0)
    learner = ld.chain(accumulate, sam, adamw)(found, k=2, rho=0.3, backend=backend)
    other = ld.chain(sam, adamw)(expected, rho=0.3, backend=backend)
    for _ in range(8):
        g = gradient_of(found)
        for factor in (0.5, 1.5):
            at = copied(found)
            learner.update({name: factor * a for name, a in g.items()})
            if factor == 0.5:
                assert_same(found, at, 0)
        other.update(gradient_of(expected))
        assert_same(found, expected)


def test_gradients_at_perturbed_weights_are_accumulated(backend):
    """With the transforms the other way round the weights are put back in each pair of updates."""
    params = drawn(0)
    learner = ld.chain(sam, accumulate, sgd)(params, k=2, lr=0.1, rho=0.3, backend=backend)
    start = copied(params)
    moved = moved_by_hand(start, 0.3)
    for expected in (moved, start, moved):
        learner.update(gradient_of(params))
        assert_same(params, expected)
    learner.update(gradient_of(params))
    g = gradient_of(moved)
    assert_same(params, {name: p - 0.1 * g[name] for name, p in start.items()})


def test_rules_of_several_parameters_take_one_norm(backend):
    rules = {
        len(shape): ld.chain(sam, rule, name=f"sam_{rule.name}")
        for shape, rule in (((4, 3), muon), ((3,), adamw))
    }
    params = drawn(0)
    learner = ld.by_parameter(lambda name, shape: rules[len(shape)])(
        params, rho=0.3, backend=backend
    )
    for _ in range(3):
        before = copied(params)
        moved = moved_by_hand(before, 0.3)
        learner.update(gradient_of(params))
        assert_same(params, moved)
        assert_same(learner.evaluation_parameters(), before, 0)
        learner.update(gradient_of(params))


def test_a_gradient_of_zero_moves_nothing(backend):
    for transform in (sam, asam):
        params = drawn(0)
        learner = ld.chain(transform, sgd)(params, backend=backend)
        for _ in range(2):
            learner.update({name: np.zeros_like(p) for name, p in params.items()})
        assert_same(params, drawn(0), 0)


def test_narrow_parameters_come_back_to_their_master_weights():
    params = [torch.linspace(-1, 1, 50).bfloat16()]
    learner = ld.chain(sam, sgd)(params, lr=0.0, rho=0.1, master="split16")
    learner.update([torch.full((50,), 0.3).bfloat16()])
    learner.update([torch.full((50,), 0.3).bfloat16()])
    assert torch.equal(params[0], torch.linspace(-1, 1, 50).bfloat16())


def extragradient():
    """Korpelevich's method, as a user writes it: a step of the rule's size, then back."""

    @ld.transform(place="before")
    def extrapolate(p, g, ahead=0.1):
        kept = ld.state("kept", init=p)
        is_second = ld.equal(ld.step % 2, 0)
        ld.assign(kept, ld.where(is_second, kept, p))
        ld.only_when(is_second, origin=kept, otherwise=p - ahead * g, phases=2)
        return g

    return ld.chain(extrapolate, sgd)


def test_an_extragradient_method_is_a_few_lines(backend):
    """On a saddle, x*y, where gradient descent and ascent runs away, it comes closer."""
    w = [np.array([1.0, 1.0])]
    learner = extragradient()(w, lr=0.1, ahead=0.1, backend=backend)
    for _ in range(200):
        learner.update([np.array([w[0][1], -w[0][0]])])
    x, y = 1.0, 1.0
    for _ in range(100):
        half = x - 0.1 * y, y + 0.1 * x
        x, y = x - 0.1 * half[1], y + 0.1 * half[0]
    np.testing.assert_allclose(w[0], [x, y], rtol=1e-12)
    assert np.hypot(*w[0]) < 0.65 * np.sqrt(2)


def test_what_cannot_be_asked_for_is_refused():
    def chain(**arguments):
        @ld.transform(place="before")
        def moving(p, g):
            ld.only_when(ld.equal(ld.step % 2, 0), **arguments)
            return g

        return ld.chain(moving, sgd)

    with pytest.raises(ld.RuleError, match="phases=0; write a whole number"):
        chain(phases=0).trace()

    @ld.transform(place="before")
    def twice(p, g):
        kept = ld.state("kept", init=p)
        ld.assign(kept, kept)
        ld.only_when(ld.equal(ld.step % 2, 0), origin=kept)
        ld.only_when(ld.equal(ld.step % 4, 0), origin=kept)
        return g

    with pytest.raises(ld.RuleError, match="called twice with origin="):
        ld.chain(twice, sgd).trace()


# Optimizers of torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 3).double()
        self.inputs = torch.randn(8, 4, dtype=torch.float64)
        self.calls = 0

    def loss(self):
        self.calls += 1
        return torch.tanh(self.layer(self.inputs)).square().sum()


def closure_of(model, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = model.loss()
        loss.backward()
        return loss

    return closure


def test_a_closure_is_called_for_both_gradients():
    model, other = Model(), Model()
    optimizer = ld.chain(sam, adamw).torch(model.parameters(), lr=0.05, rho=0.1)
    plain = torch.optim.AdamW(other.parameters(), lr=0.05)
    for _ in range(5):
        loss = optimizer.step(closure_of(model, optimizer))
        closure = closure_of(other, plain)
        expected = closure()
        torch.testing.assert_close(loss, expected)
        grads = [p.grad for p in other.parameters()]
        norm = torch.stack([g.norm() for g in grads]).norm()
        old = [p.detach().clone() for p in other.parameters()]
        with torch.no_grad():
            for p, g in zip(other.parameters(), grads, strict=True):
                p.add_(0.1 * g / norm)
        closure()
        with torch.no_grad():
            for p, value in zip(other.parameters(), old, strict=True):
                p.copy_(value)
        plain.step()
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-10, atol=1e-12)
    assert model.calls == 10


def test_steps_without_a_closure_are_the_same():
    ends = []
    for has_closure in (True, False):
        model = Model()
        optimizer = ld.chain(sam, adamw).torch(model.parameters(), lr=0.05)
        closure = closure_of(model, optimizer)
        for _ in range(3):
            if has_closure:
                optimizer.step(closure)
            else:
                for _ in range(2):
                    closure()
                    optimizer.step()
        ends.append(torch.cat([p.detach().ravel() for p in model.parameters()]))
    assert torch.equal(*ends)


def test_a_closure_finishes_a_step_that_was_skipped_in_the_middle():
    model = Model()
    optimizer = ld.chain(sam, sgd).torch(model.parameters(), lr=0.05, nonfinite="skip")
    closure, calls = closure_of(model, optimizer), []

    def broken():
        loss = closure()
        calls.append(loss)
        if len(calls) == 2:
            model.layer.bias.grad.fill_(torch.nan)
        return loss

    optimizer.step(broken)
    assert (len(calls), optimizer.state_dict()["param_groups"][0]["step_count"]) == (2, 1)
    optimizer.step(broken)
    assert (len(calls), optimizer.state_dict()["param_groups"][0]["step_count"]) == (3, 2)
    optimizer.step(broken)
    assert len(calls) == 5
