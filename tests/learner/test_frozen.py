"""Groups by patterns and functions of names, and parameters that stay as they are."""

import numpy as np
import pytest
from support.small_rules import BACKENDS, every_state

import learnerdsl as ld
from learnerdsl.learners import adam, adamw, lamb, sgd, sophia
from learnerdsl.transforms import clip_by_global_norm


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


SHAPES = {
    "embed.weight": (5, 3),
    "layers.0.weight": (3, 4),
    "layers.0.bias": (4,),
    "layers.1.weight": (4, 2),
    "layers.1.bias": (2,),
}


@ld.rule
def counting(p, g, lr=0.1):
    """A state of the model that depends on the step, which parameters cannot have of their own."""
    count = ld.assign(ld.state("count", shape="model"), 1.0 * ld.step)
    return ld.assign(p, p - lr * g / count)


def model(dtype=np.float64):
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}


def drawn(names, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    every = {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}
    return {name: every[name] for name in names}


WAYS = {
    "pattern": "*.bias",
    "patterns": ["layers.0.b*", "layers.1.bias"],
    "names": ["layers.0.bias", "layers.1.bias"],
    "function": lambda name, p: p.ndim < 2,
    "function of name": lambda name, p: name.endswith("bias"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_group_is_chosen_by_name_or_by_what_an_array_is(way):
    params = model()
    learner = sgd(params, lr=1.0, groups=[{"params": WAYS[way], "lr": 0.0}])
    before = {name: p.copy() for name, p in params.items()}
    learner.update(drawn(SHAPES, 1))
    unmoved = [name for name in params if (params[name] == before[name]).all()]
    assert unmoved == ["layers.0.bias", "layers.1.bias"]


def test_one_name_needs_no_list():
    params = model()
    learner = sgd(params, groups=[{"params": "layers.0.bias", "lr": 0.25}])
    assert learner.groups[0]["lr"] == 0.25


def test_names_with_brackets_are_names_first():
    learner = sgd(
        {"w[0]": np.ones(1), "w0": np.ones(1)}, lr=1.0, groups=[{"params": "w[0]", "lr": 0}]
    )
    learner.update({"w[0]": np.ones(1), "w0": np.ones(1)})
    assert learner.parameters["w[0]"] == 1.0
    assert learner.parameters["w0"] == 0.0


def test_a_pattern_that_matches_nothing_names_what_is_like_it():
    with pytest.raises(ld.UnknownNameError) as caught:
        sgd(model(), groups=[{"params": "*.bais", "lr": 0.0}])
    text = str(caught.value)
    assert "Group 1 has params='*.bais', which matches no parameter; there are" in text
    assert text.index("bias") < text.index("embed")


FROZEN = [{"params": "embed.*", "frozen": True}]
TRAINED = [name for name in SHAPES if not name.startswith("embed")]


@pytest.mark.parametrize("rule", [adam, lamb, ld.chain(clip_by_global_norm, adamw)])
def test_frozen_parameters_are_as_if_they_were_not_there(rule, backend):
    params, alone = model(), model()
    embed = alone.pop("embed.weight")
    learner = rule(params, groups=FROZEN, backend=backend, observe=["grad_norm"])
    other = rule(alone, backend=backend, observe=["grad_norm"])
    for seed in range(3):
        learner.update(drawn(TRAINED, seed))
        other.update(drawn(TRAINED, seed))
    assert (params["embed.weight"] == embed).all()
    assert all((params[name] == alone[name]).all() for name in TRAINED)
    assert list(learner.state) == list(learner.parameters) == TRAINED
    assert list(learner.frozen) == ["embed.weight"]
    assert learner.observed == other.observed
    assert "4 parameters" in repr(learner)


def test_gradients_of_frozen_parameters_may_be_there(backend):
    ends = []
    for names in (TRAINED, list(SHAPES)):
        params = model()
        learner = adam(params, groups=FROZEN, backend=backend)
        for seed in range(2):
            learner.update(drawn(names, seed))
        learner.update({**drawn(TRAINED, 2), **dict.fromkeys(set(names) - set(TRAINED))})
        ends.append({name: p.tobytes() for name, p in params.items()})
    assert ends[0] == ends[1]


def test_an_unknown_gradient_is_refused_beside_frozen_ones():
    learner = adam(model(), groups=FROZEN)
    with pytest.raises(ld.UnknownNameError, match=r"layers\.2"):
        learner.update({**drawn(TRAINED, 0), "layers.2": np.ones(2)})
    with pytest.raises(ld.UnknownNameError, match=r"layers.0.bias"):
        learner.update({n: g for n, g in drawn(SHAPES, 0).items() if n != "layers.0.bias"})


def test_gradients_in_a_list_keep_their_places(backend):
    params = [np.zeros(3), np.zeros(3), np.zeros(3)]
    groups = [{"params": lambda number, p: number == 1, "frozen": True}]
    learner = sgd(params, lr=1.0, groups=groups, backend=backend)
    learner.update([np.full(3, 1.0), None, np.full(3, 2.0)])
    learner.update([np.full(3, 1.0), np.full(3, 9.0), np.full(3, 2.0)])
    assert [p[0] for p in params] == [-2.0, 0.0, -4.0]
    with pytest.raises(ld.LearnerError):
        learner.update([np.full(3, 1.0), np.full(3, 2.0)])


def test_extras_of_frozen_parameters_may_be_there(backend):
    params = model()
    learner = sophia(params, groups=FROZEN, backend=backend)
    (extra,) = learner.extras
    learner.update(drawn(TRAINED, 0), **{extra: drawn(SHAPES, 1)})
    other = model()
    update = {extra: drawn(TRAINED, 1)}
    sophia(other, groups=FROZEN, backend=backend).update(drawn(TRAINED, 0), **update)
    assert all((params[name] == other[name]).all() for name in SHAPES)


def test_evaluation_has_the_frozen_parameters_too(backend):
    params = model()
    learner = adam(params, groups=FROZEN, backend=backend)
    shown = learner.evaluation_parameters()
    assert list(shown) == list(SHAPES)
    assert (shown["embed.weight"] == params["embed.weight"]).all()
    assert shown["embed.weight"] is not params["embed.weight"]


def test_frozen_parameters_of_several_rules(backend):
    rule = ld.by_parameter(lambda name, shape: lamb if len(shape) > 1 else adamw)
    params = model()
    learner = rule(params, groups=[{"params": "layers.0.*", "frozen": True}], backend=backend)
    before = {name: p.copy() for name, p in params.items()}
    learner.update(drawn([n for n in SHAPES if "layers.0" not in n], 0))
    unmoved = [name for name in params if (params[name] == before[name]).all()]
    assert unmoved == ["layers.0.weight", "layers.0.bias"]
    learner = learner.thaw("*.bias")
    learner.update(drawn([n for n in SHAPES if n != "layers.0.weight"], 1))
    assert (params["layers.0.weight"] == before["layers.0.weight"]).all()
    assert (params["layers.0.bias"] != before["layers.0.bias"]).all()


def test_checkpoints_hold_what_is_trained(tmp_path):
    params, same = model(), model()
    learner, other = (adam(p, groups=FROZEN) for p in (params, same))
    learner.update(drawn(TRAINED, 0))
    learner.save(tmp_path / "file", parameters=True)
    other.load(tmp_path / "file", parameters=True)
    for one in (learner, other):
        one.update(drawn(TRAINED, 1))
    assert all((params[name] == same[name]).all() for name in SHAPES)


def test_a_thawed_parameter_begins_when_it_is_thawed(backend):
    params = model()
    learner = adam(params, lr=0.1, groups=FROZEN, backend=backend, observe=["grad_norm"])
    for seed in (0, 1):
        learner.update(drawn(TRAINED, seed))
    learner.hyperparameters["lr"] = ld.schedules.linear(0.1, 0.0, steps=10)
    learner = learner.thaw("embed.weight")
    assert learner.step_count == 2
    assert not learner.frozen
    for seed in (2, 3):
        learner.update(drawn(SHAPES, seed))
    assert learner.history.steps.tolist() == [1, 2, 3, 4]

    whole, late = model(), model()
    other = adam({n: whole[n] for n in TRAINED}, lr=0.1, backend=backend)
    alone = adam({"embed.weight": late["embed.weight"]}, lr=0.1, backend=backend)
    for seed in (0, 1, 2, 3):
        if seed == 2:
            other.hyperparameters["lr"] = ld.schedules.linear(0.1, 0.0, steps=10)
            alone.hyperparameters["lr"] = ld.schedules.linear(0.08, 0.0, steps=8)
        other.update(drawn(TRAINED, seed))
        if seed >= 2:
            alone.update(drawn(["embed.weight"], seed))
    assert all((params[name] == whole[name]).all() for name in TRAINED)
    np.testing.assert_allclose(params["embed.weight"], late["embed.weight"], rtol=1e-12)


def test_parts_of_a_group_are_thawed():
    params = model()
    groups = [{"params": "layers.*", "frozen": True, "lr": 0.5}, {"params": "embed.*", "lr": 2.0}]
    with pytest.raises(ld.ArrayError, match="All parameters are frozen"):
        sgd(params, groups=[groups[0], {"params": "embed.*", "frozen": True}])
    learner = sgd(params, lr=1.0, groups=groups)
    learner.groups[0]["lr"] = 0.25
    learner = learner.thaw("layers.1.*")
    assert list(learner.frozen) == ["layers.0.weight", "layers.0.bias"]
    before = params["layers.1.bias"].copy()
    learner.update({n: np.ones(SHAPES[n]) for n in learner.parameters})
    np.testing.assert_allclose(before - params["layers.1.bias"], 0.25)
    assert [group["lr"] for group in learner.groups][:2] == [0.25, 2.0]
    learner = learner.thaw(lambda name, p: True)
    assert not learner.frozen
    with pytest.raises(ld.UnknownNameError, match=r"for frozen parameters, .*; there are none"):
        learner.thaw("embed.*")
    assert learner.step_count == 1


def test_thawing_what_is_not_frozen_is_refused():
    learner = sgd(model(), groups=FROZEN)
    with pytest.raises(
        ld.UnknownNameError, match=r"frozen parameters, has params='layers\.\*', which matches no"
    ):
        learner.thaw("layers.*")


def test_thawing_is_refused_where_all_parameters_share_the_step():
    learner = counting(model(), groups=FROZEN)
    learner.thaw("embed.*").update(drawn(SHAPES, 0))
    learner.update(drawn(TRAINED, 0))
    with pytest.raises(ld.LearnerError, match="no parameter can begin later than the others: its"):
        learner.thaw("embed.*")


def test_states_of_the_model_continue_after_thawing(backend):
    learner = every_state(model(), groups=FROZEN, backend=backend)
    learner.update(drawn(TRAINED, 0), minibatch_size=5)
    known, states = learner.model_state, str(learner.state["layers.0.bias"])
    learner = learner.thaw(["embed.weight"])
    assert learner.model_state == known
    assert str(learner.state["layers.0.bias"]) == states
    assert learner.samples == 5


@pytest.mark.parametrize("in_a_file", [True, False])
def test_a_checkpoint_says_what_is_frozen(tmp_path, in_a_file):
    def made(*frozen):
        params = {name: np.ones(3) for name in ("a", "b", "c")}
        groups = [{"params": list(frozen), "frozen": True}] if frozen else None
        return adam(params, lr=0.1, groups=groups)

    def load(learner, saved):
        if in_a_file:
            learner.load(tmp_path / "saved")
        else:
            learner.load_state_dict(saved)

    learner = made("b", "c")
    learner.update({"a": np.ones(3)})
    saved = learner.state_dict()
    assert saved["frozen"] == ["b", "c"]
    learner.save(tmp_path / "saved")
    again = made("b", "c")
    load(again, saved)
    assert again.step_count == 1
    np.testing.assert_array_equal(again.state["a"]["m"], learner.state["a"]["m"])
    with pytest.raises(ld.CheckpointError, match="c is frozen, but this learner") as caught:
        load(made("b"), saved)
    assert "groups=[{'params': ['c'], 'frozen': True}], load, and thaw." in str(caught.value)
    everything = made()
    assert "frozen" not in everything.state_dict()
    everything.save(tmp_path / "saved")
    with pytest.raises(ld.CheckpointError, match="has states of b, which this learner leaves"):
        load(made("b"), everything.state_dict())
    with pytest.raises(ld.CheckpointError, match="has frozen 'b'; expected a list of names"):
        made("b").load_state_dict(saved | {"frozen": "b"})
