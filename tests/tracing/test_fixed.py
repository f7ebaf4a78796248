"""Hyperparameters that are fixed at a number: the same values, without what has no effect."""

import pickle

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.learners import adam, lion, muon, rmsprop, sgd
from learnerdsl.transforms import clip_by_global_norm, decoupled_weight_decay, ema, trust_ratio

SHAPES = ((3, 4), (5, 2))


@ld.rule
def watched(p, g, lr=0.1, mu=0.9):
    """Keep the last gradient to be looked at, which nothing reads."""
    seen, m = ld.state("seen"), ld.state("m")
    m_new = ld.assign(m, mu * m + g)
    return ld.combine([ld.assign(seen, g), ld.assign(p, p - lr * m_new)])


@ld.rule
def remembering(p, g, lr=0.1, share=0.5):
    """Use the gradient of two updates ago."""
    past = ld.state("past", ring=2)
    moved = ld.assign(past, g)
    return ld.combine([moved, ld.assign(p, p - lr * (g + share * past[2]))])


def trained(rule, backend="cpu", dtype=np.float64, **arguments):
    """Parameters after some updates, and the learner."""
    rng = np.random.default_rng(4)
    params = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    learner = rule(params, backend=backend, **arguments)
    for _ in range(4):
        learner.update([rng.standard_normal(shape).astype(dtype) for shape in SHAPES])
    return params, learner


DROPPED = {
    "adam": ({"beta1": 0}, {"m"}),
    "nadam": ({"beta1": 0}, {"m"}),
    "adabelief": ({"beta1": 0}, {"m"}),
    "amsgrad": ({"beta1": 0}, {"m"}),
    "adan": ({"beta1": 0}, {"m"}),
    "lion": ({"beta1": 0}, {"m"}),
    "muon": ({"momentum": 0}, {"m"}),
    "adamw": ({"weight_decay": 0}, set()),
}


@pytest.mark.parametrize("name", DROPPED)
def test_values_are_those_of_the_full_rule_and_dead_states_are_gone(name):
    numbers, dropped = DROPPED[name]
    full = getattr(learners, name)
    own, fixed = trained(ld.fixed(full, **numbers), backend="numpy")
    wanted, learner = trained(full, backend="numpy", **numbers)
    for a, b in zip(own, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    for k, states in learner.state.items():
        assert set(states) - set(fixed.state[k]) == dropped


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_values_are_those_of_the_full_rule(dtype):
    own, fixed = trained(ld.fixed(adam, beta1=0), dtype=dtype)
    wanted, learner = trained(adam, dtype=dtype, beta1=0)
    for a, b in zip(own, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(fixed.state[0]["v"], learner.state[0]["v"])


def test_bytes_are_those_of_a_rule_with_one_state():
    own, other = ld.fixed(adam, beta1=0).cost(), rmsprop.cost()
    assert own.bytes_per_element == other.bytes_per_element == 20
    assert own.state_bytes_per_element == other.state_bytes_per_element == 4
    assert adam.cost().bytes_per_element == 28
    assert ld.fixed(ld.fixed(adam, beta1=0), weight_decay=0).cost().bytes_per_element == 20
    assert ld.fixed(lion, beta1=0).cost().state_bytes_per_element == 0


def test_a_factor_of_zero_leaves_no_read_of_the_parameter():
    traced = ld.fixed(adam, weight_decay=0).trace()
    assert not any(line.expression.has(traced.parameter) for line in traced.lines[:-1])


def test_numbers_other_than_zero_are_constants():
    own, _ = trained(ld.fixed(adam, beta1=0.8, eps=1e-3))
    wanted, _ = trained(adam, beta1=0.8, eps=1e-3)
    for a, b in zip(own, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_a_state_that_nothing_read_before_is_kept():
    _, learner = trained(ld.fixed(watched, mu=0), backend="numpy")
    assert list(learner.state[0]) == ["seen"]


def test_a_ring_goes_as_a_whole():
    own, learner = trained(ld.fixed(remembering, share=0), backend="numpy")
    assert list(learner.state[0]) == []
    for a, b in zip(own, trained(sgd, backend="numpy", lr=0.1)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_chains_fix_the_arguments_of_all_members():
    chain = ld.chain(clip_by_global_norm, adam, decoupled_weight_decay, ema, name="whole")
    numbers = {"beta1": 0, "decoupled_decay": 0, "max_norm": 1}
    own, learner = trained(ld.fixed(chain, **numbers), backend="numpy")
    wanted, _ = trained(chain, backend="numpy", **numbers)
    for a, b in zip(own, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    assert list(learner.state[0]) == ["v", "average"]
    inner = ld.chain(clip_by_global_norm, ld.fixed(adam, beta1=0), ld.fixed(ema, decay=0.5))
    assert "beta1" not in trained(inner, backend="numpy")[1].hyperparameters


def test_a_shared_argument_gets_the_number():
    chain = ld.chain(ld.fixed(adam, lr=0.1), trust_ratio)
    own, wanted = trained(chain, "numpy")[0], trained(ld.chain(adam, trust_ratio), "numpy", lr=0.1)
    for a, b in zip(own, wanted[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_renamed_arguments_are_fixed_by_their_new_names():
    changed = ld.fixed(ld.renamed(adam, beta1="slow"), slow=0)
    assert changed.plan().bytes_per_element == 20
    assert str(ld.renamed(ld.fixed(adam, beta1=0), lr="rate")) == (
        "<chain of adam: adam(rate, beta2, eps, weight_decay)>"
    )


def test_check_judges_a_fixed_rule_by_its_function():
    assert ld.check(ld.fixed(adam, beta1=0)).ok
    assert ld.check(ld.fixed(remembering, share=0)).ok


def test_names_stay_and_a_checkpoint_of_the_full_rule_is_refused():
    fixed = ld.fixed(adam, beta1=0)
    assert fixed.name == "adam"
    _, full = trained(adam, backend="numpy")
    _, own = trained(fixed, backend="numpy")
    with pytest.raises(ld.CheckpointError, match=r"options \{\}, this learner \{'beta1': 0"):
        own.load_state_dict(full.state_dict())
    with pytest.raises(ld.CheckpointError, match="rule that wrote it"):
        full.load_state_dict(own.state_dict())
    own.load_state_dict(trained(fixed, backend="numpy")[1].state_dict())


def test_copies_of_other_processes_are_equal():
    fixed = ld.fixed(ld.chain(adam, ema), beta1=0)
    assert pickle.loads(pickle.dumps(fixed)).trace() == fixed.trace()


def test_mistakes_are_explained():
    with pytest.raises(ld.UnknownNameError, match="adam has no hyperparameter 'beta' to fix"):
        ld.fixed(adam, beta=0)
    with pytest.raises(ld.UnknownNameError, match=r"is an option.*muon\(params, nesterov=False\)"):
        ld.fixed(muon, nesterov=False)
    for value in (None, "0", float("nan"), ld.schedules.constant(0.0), True):
        with pytest.raises(ld.HyperparameterError, match="needs a finite number"):
            ld.fixed(adam, beta1=value)
    with pytest.raises(ld.HyperparameterError, match=r"beta1 is fixed at 0 in this adam"):
        ld.fixed(adam, beta1=0)([np.ones(2)], beta1=0.9)
    with pytest.raises(ld.RuleError, match="needs rules and transforms"):
        ld.fixed(len, beta1=0)


def test_torch_and_jax_keep_no_dead_state():
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = ld.fixed(adam, beta1=0).torch([weight], lr=0.1)
    weight.grad = torch.full((3,), 2.0, dtype=torch.float64)
    optimizer.step()
    assert not any("m" in state for state in optimizer.state.values())
    assert weight.detach().numpy() == pytest.approx(0.9)
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    own = ld.fixed(adam, beta1=0).optax(lr=0.1)
    params, grads = jax.numpy.ones(3), jax.numpy.full(3, 2.0)
    state = own.init(params)
    updates, _ = own.update(grads, state, params)
    np.testing.assert_allclose(optax.apply_updates(params, updates), 0.9, rtol=1e-6)
    sizes = sum(leaf.size == 3 for leaf in jax.tree.leaves(state))
    assert sizes == sum(leaf.size == 3 for leaf in jax.tree.leaves(adam.optax().init(params))) - 1
