"""Chains: what they compute, in which order, under which names; fused, in groups, resumed."""

import inspect

import numpy as np
import pytest
from support.rules import clipped_adamw_ema

import learnerdsl as ld
from learnerdsl.expr import NormalDraw
from learnerdsl.learners import adam, adamw, momentum_sgd, sgd
from learnerdsl.transforms import clip_by_global_norm, ema, lookahead

SHAPES = ((), (3,), (4, 5))
clipped = ld.chain(clip_by_global_norm, adamw, ema, name="clipped")


@ld.transform
def doubled(p, g):
    return 2 * g


@ld.transform
def shifted(p, g, shift=1.0):
    return g + shift


@ld.transform
def halfway(p, new):
    return (p + new) / 2


@ld.transform
def by_gradient(p, new, g, share=0.5):
    return new - share * g


@ld.transform
def powered(p, g, exponent=1, is_signed=True):
    return ld.sign(g) * ld.abs(g) ** exponent if is_signed else g**exponent


def problem(seed=3, dtype=np.float64, steps=8):
    rng = np.random.default_rng(seed)
    params = [np.array(rng.standard_normal(s), dtype) for s in SHAPES]
    gradients = [[np.array(rng.standard_normal(s), dtype) for s in SHAPES] for _ in range(steps)]
    return params, gradients


def trained(rule, **arguments):
    """Parameters and states after some updates."""
    params, gradients = problem()
    learner = rule(params, **arguments)
    for k, one in enumerate(gradients):
        learner.update(one, 1 + k % 2)
    return [*params, *(a for states in learner.state.values() for a in states.values())]


def assert_same(got, wanted, tolerance=1e-12):
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# What a chain is


def test_a_chain_has_the_plan_of_the_rule_written_by_hand():
    assert clipped.plan().passes == clipped_adamw_ema.plan().passes
    assert len(clipped.plan().passes) == 2
    assert clipped.plan().bytes_per_element == clipped_adamw_ema.plan().bytes_per_element == 40


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_chain_is_the_rule_written_by_hand(backend):
    arguments = {"lr": 0.1, "decay": 0.9, "backend": backend}
    assert_same(trained(clipped, **arguments), trained(clipped_adamw_ema, **arguments))


def test_a_chain_shows_what_a_rule_shows():
    assert clipped.latex().count("{") == clipped.latex().count("}")
    assert "average_t" in clipped.latex().replace("\\mathrm{average}_t", "average_t")
    assert "p_new = " in clipped.pretty()
    assert clipped.loops().count("@element_pass") == 2
    assert [str(target) for target, _ in clipped.assignments][-1] == "average"
    assert "clipped" in clipped._repr_html_()
    assert clipped.cost().state_bytes_per_element == 12
    assert next(iter(clipped.stages())) == "lower"


def test_a_chain_without_transforms_is_its_rule():
    alone = ld.chain(adam)
    assert alone.assignments == adam.assignments
    assert alone.trace() == adam.trace()


def test_names_say_what_is_in_a_chain():
    chain = ld.chain(doubled, sgd, halfway)
    assert chain.name == chain.__name__ == chain.trace().name == "doubled_sgd_halfway"
    assert repr(chain) == (
        "<chain of doubled, sgd, halfway: doubled_sgd_halfway(lr, weight_decay)>"
    )
    assert chain.__doc__ == "doubled, then sgd, then halfway, as one rule."
    assert ld.chain(doubled, sgd, name="mine").source().count("def mine_pass_1") == 1
    assert list(inspect.signature(chain).parameters) == ["p", "g", "lr", "weight_decay"]


def test_a_transform_says_what_it_takes():
    assert repr(clip_by_global_norm) == "<transform clip_by_global_norm(max_norm)>"
    assert clip_by_global_norm.name == clip_by_global_norm.__name__ == "clip_by_global_norm"
    assert clip_by_global_norm.hyperparameters == {"max_norm": 1.0}
    assert powered.options == {"exponent": 1, "is_signed": True}
    assert "Limit the norm" in (clip_by_global_norm.__doc__ or "")
    assert (clip_by_global_norm.place, ema.place, doubled.place) == ("before", "after", "any")


def test_a_chain_in_a_chain_gives_its_members():
    inner = ld.chain(doubled, sgd)
    outer = ld.chain(shifted, inner, halfway)
    assert [m.name for m in outer.members] == ["shifted", "doubled", "sgd", "halfway"]
    assert outer.name == "shifted_doubled_sgd_halfway"


def test_the_version_of_a_chain_grows_with_that_of_any_member():
    def late(p, g):
        return g

    assert ld.chain(doubled, sgd).version == 1
    assert ld.chain(ld.transform(version=3)(late), sgd).version == 3
    rule = ld.rule(version=2)(plain)
    assert ld.chain(ld.transform(version=3)(late), rule).trace().version == 4


def plain(p, g, lr=0.1):
    return ld.assign(p, p - lr * g)


# What the members get


def updated(chain, p=1.0, g=2.0, **arguments):
    """One parameter after one update with lr=1."""
    ends = []
    for backend in ("cpu", "numpy"):
        array = np.array([p])
        chain([array], lr=1.0, backend=backend, **arguments).update([np.array([g])])
        ends.append(float(array[0]))
    assert ends[0] == ends[1]
    return ends[0]


def test_members_act_in_order():
    assert updated(ld.chain(doubled, shifted, sgd)) == 1 - (2 * 2 + 1)
    assert updated(ld.chain(shifted, doubled, sgd)) == 1 - 2 * (2 + 1)


def test_after_the_rule_a_transform_maps_the_new_parameter():
    assert updated(ld.chain(sgd, doubled)) == 2 * (1 - 2)
    assert updated(ld.chain(sgd, doubled, shifted)) == 2 * (1 - 2) + 1
    assert updated(ld.chain(sgd, shifted, doubled)) == 2 * (1 - 2 + 1)


def test_after_the_rule_the_parameter_is_the_old_one():
    assert updated(ld.chain(sgd, halfway)) == 1 - 2 / 2
    assert updated(ld.chain(sgd, halfway, halfway)) == 1 - 2 / 4


def test_a_third_argument_is_the_gradient_as_the_rule_got_it():
    assert updated(ld.chain(doubled, sgd, by_gradient)) == (1 - 4) - 0.5 * 4
    assert by_gradient.place == "after"


def test_what_an_update_adds_is_free_of_the_parameter():
    @ld.transform
    def tenfold(p, new):
        return p + 10 * (new - p)

    # In float32 the difference of the values would be 0.
    weights = np.array([1e8], np.float32)
    ld.chain(sgd, tenfold)([weights], lr=1.0).update([np.array([1.0], np.float32)])
    assert weights[0] == np.float32(1e8 - 10)


def test_a_rule_keeps_what_it_made_of_the_parameter_itself():
    @ld.rule
    def keeping(p, g, lr=1.0):
        last = ld.state("last")
        return ld.assign(last, ld.assign(p, p - lr * g))

    params = [np.array([1.0])]
    learner = ld.chain(keeping, shifted)(params)
    learner.update([np.array([2.0])])
    assert (params[0][0], learner.state[0]["last"][0]) == (0.0, -1.0)


def test_the_mapped_gradient_is_a_gradient():
    @ld.rule
    def first_gradient(p, g, lr=1.0):
        first = ld.state("first", init=g)
        first_new = ld.assign(first, first)
        return ld.assign(p, p - lr * (g + first_new + ld.size(g)))

    assert updated(ld.chain(doubled, first_gradient)) == 1 - (4 + 4 + 1)


def test_a_transform_may_return_what_it_got():
    @ld.transform
    def idle(p, x):
        return x

    assert ld.chain(idle, adam, idle, name="adam").trace() == adam.trace()


def test_a_transform_may_set_the_parameter_to_anything():
    @ld.transform
    def back(p, new):
        return p

    assert updated(ld.chain(momentum_sgd, back)) == 1.0


def test_values_of_one_name_in_several_members_are_kept_apart():
    def named(p, g):
        return ld.let("u", 3 * g)

    first, second = ld.transform(named), ld.transform(named)

    @ld.rule
    def rule(p, g, lr=1.0):
        return ld.assign(p, p - lr * ld.let("u", g + 1))

    chain = ld.chain(first, second, rule)
    assert updated(chain) == 1 - (9 * 2 + 1)
    assert [str(t) for t, _ in chain.assignments if "u" in str(t)] == ["u", "named_u", "rule_u"]


def test_every_draw_of_a_chain_is_another():
    @ld.transform
    def noisy(p, g):
        return g + ld.normal()

    chain = ld.chain(noisy, noisy, sgd, noisy)
    streams = [draw.stream for _, e in chain.assignments for draw in e.atoms(NormalDraw)]
    assert sorted(streams) == [1, 2, 3]


# Hyperparameters, options, groups, schedules, checkpoints


def test_options_of_members_are_options_of_the_chain():
    chain = ld.chain(powered, sgd)
    assert updated(chain, g=-3.0, exponent=2) == 1 + 9
    assert updated(chain, g=-3.0, exponent=2, is_signed=False) == 1 - 9
    assert chain.trace(exponent=2).options == (("exponent", 2), ("is_signed", True))
    with pytest.raises(ld.HyperparameterError, match="Option exponent='2' of powered_sgd must be"):
        chain.trace(exponent="2")


def test_arguments_that_no_member_has_are_refused():
    with pytest.raises(ld.UnknownNameError, match=r"shifted_sgd has no argument 'sift'.*shift, lr"):
        ld.chain(shifted, sgd)([np.ones(2)], sift=1.0)


def test_hyperparameters_of_all_members_are_set_while_training():
    params = [np.zeros(1)]
    learner = ld.chain(shifted, sgd)(params, lr=1.0)
    learner.hyperparameters["shift"] = 4.0
    learner.update([np.zeros(1)])
    assert dict(learner.hyperparameters) == {"shift": 4.0, "lr": 1.0, "weight_decay": 0.0}
    assert params[0][0] == -4


def test_schedules_and_groups_are_of_the_merged_hyperparameters():
    params = {"w": np.zeros(1), "b": np.zeros(1)}
    learner = ld.chain(shifted, sgd, by_gradient)(
        params,
        lr=ld.step * 1.0,
        groups=[{"params": ["b"], "shift": 10.0, "share": 0.0}],
    )
    for _ in range(2):
        learner.update({"w": np.zeros(1), "b": np.zeros(1)})
    assert params["w"][0] == -(1 + 2) * 1.0 - 2 * 0.5
    assert params["b"][0] == -(1 + 2) * 10.0


def test_the_default_of_a_transform_may_be_a_schedule():
    @ld.transform
    def fading(p, g, share=1 / ld.step):
        return share * g

    params = [np.zeros(1)]
    learner = ld.chain(fading, sgd)(params, lr=1.0)
    for _ in range(2):
        learner.update([np.ones(1)])
    assert params[0][0] == -1.5


def test_a_shared_argument_is_that_of_the_member_that_has_it():
    @ld.transform
    def decayed(p, new, lr=ld.shared, share=0.5):
        return new - lr * share * p

    chain = ld.chain(sgd, decayed)
    assert [str(h) for h in chain.trace().hyperparameters] == ["lr", "weight_decay", "share"]
    assert updated(chain) == 1 - 2 - 0.5
    other = ld.chain(ld.renamed(sgd, lr="eta"), ld.renamed(decayed, lr="eta"))
    weights = np.ones(1)
    other([weights], eta=2.0).update([np.ones(1)])
    assert weights[0] == 1 - 2 - 1


@pytest.mark.parametrize("chain", [clipped, ld.chain(clip_by_global_norm, momentum_sgd, lookahead)])
def test_a_resumed_chain_goes_on_bitwise(chain, tmp_path):
    params, gradients = problem()
    learner = chain(params, lr=0.1)
    for k, one in enumerate(gradients):
        if k == 4:
            learner.save(tmp_path / "state")
            parted = [p.copy() for p in params]
        learner.update(one)
    resumed = chain(parted)
    resumed.load(tmp_path / "state")
    for one in gradients[4:]:
        resumed.update(one)
    for whole, part in zip(params, parted, strict=True):
        np.testing.assert_array_equal(whole, part)


def test_a_checkpoint_of_another_chain_is_refused(tmp_path):
    ld.chain(doubled, sgd)([np.ones(2)]).save(tmp_path / "state")
    with pytest.raises(ld.CheckpointError, match="doubled_sgd"):
        ld.chain(shifted, sgd)([np.ones(2)]).load(tmp_path / "state")


# Names of their own


def test_renamed_members_can_stand_twice():
    slow = ld.renamed(ema, decay="slow_decay", average="slow_average")
    params, gradients = problem()
    learner = ld.chain(adam, ema, slow)(params, decay=0.5, slow_decay=0.9, lr=0.1)
    fast_only = ld.chain(adam, ema)([p.copy() for p in params], decay=0.5, lr=0.1)
    slow_only = ld.chain(adam, ema)([p.copy() for p in params], decay=0.9, lr=0.1)
    for one in gradients:
        learner.update(one)
        fast_only.update(one)
        slow_only.update(one)
    for k in range(len(SHAPES)):
        np.testing.assert_array_equal(learner.state[k]["average"], fast_only.state[k]["average"])
        np.testing.assert_array_equal(
            learner.state[k]["slow_average"], slow_only.state[k]["average"]
        )
        # The last member that declares evaluation parameters has the last word.
        np.testing.assert_array_equal(
            learner.evaluation_parameters()[k], slow_only.state[k]["average"]
        )


def test_a_renamed_rule_is_a_rule():
    mine = ld.renamed(adam, lr="rate", m="mean")
    learner = mine([np.ones(2)], rate=0.5)
    assert (mine.name, list(learner.state[0])) == ("adam", ["mean", "v"])
    again = ld.renamed(mine, rate="eta", weight_decay="decay")
    assert list(again([np.ones(2)]).hyperparameters) == ["eta", "beta1", "beta2", "eps", "decay"]
    assert list(again([np.ones(2)]).state[0]) == ["mean", "v"]


def test_a_renamed_transform_shows_its_new_names():
    assert repr(ld.renamed(ema, decay="beta")) == "<transform ema(beta)>"
    assert ld.renamed(ema, decay="beta").hyperparameters == {"beta": 0.999}
