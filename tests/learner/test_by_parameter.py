"""One learner of several rules: what it computes, its hyperparameters, files and mistakes."""

import numpy as np
import pytest
from support.small_rules import BACKENDS

import learnerdsl as ld
from learnerdsl.learners import adamw, lion, muon, prodigy, sgd
from learnerdsl.transforms import accumulate, centralize, clip_by_global_norm, ema

clipped_muon = ld.chain(clip_by_global_norm, muon, name="clipped_muon")
clipped_adamw = ld.chain(clip_by_global_norm, adamw, name="clipped_adamw")
SHAPES = {"first": (6, 5), "bias": (5,), "second": (3, 6), "scale": (1,)}


@ld.rule
def own_norm(p, g, lr=0.1):
    return ld.assign(p, p - lr * g / ld.norm(g, over="model"))


@ld.rule
def mean_of_weights(w, grad, lr=0.1):
    return ld.assign(w, w - lr * grad * ld.mean(ld.abs(w), over="model"))


@ld.transform
def by_energy(p, g, keep=0.5):
    energy = ld.state("energy", init=1.0, shape="model")
    return g / ld.assign(energy, keep * energy + ld.sum(g**2, over="model"))


def own_clip():
    """Another transform with the name of a builtin one."""

    @ld.transform(place="before")
    def clip_by_global_norm(p, g, largest=1.0):
        return g * ld.minimum(1, largest / ld.norm(g, over="model"))

    return clip_by_global_norm


def matrices_by(of_matrices, of_others):
    return ld.by_parameter(lambda name, shape: of_matrices if len(shape) == 2 else of_others)


def arrays(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return {name: scale * rng.normal(size=shape) for name, shape in SHAPES.items()}


def largest(first, second):
    return max(np.abs(first[name] - second[name]).max() for name in SHAPES)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.mark.parametrize("first", [clipped_muon, ld.chain(centralize, clipped_muon, name="other")])
def test_rules_with_the_same_transform_have_one_norm(first, backend):
    own, theirs = arrays(0), arrays(0)
    learner = matrices_by(first, clipped_adamw)(own, lr=0.01, max_norm=0.7, backend=backend)
    matrices = [n for n, shape in SHAPES.items() if len(shape) == 2]
    others = [n for n in SHAPES if n not in matrices]
    judges = [
        (rule({n: theirs[n] for n in names}, lr=0.01), names)
        for rule, names in ((muon, matrices), (adamw, others))
    ]
    for k in range(4):
        gradients = arrays(1 + k, 0.05 + 0.3 * k)
        learner.update(gradients)
        mapped = dict(gradients)
        if first is not clipped_muon:
            mapped |= {n: g - g.mean(1, keepdims=True) for n, g in gradients.items() if g.ndim == 2}
        norm = np.sqrt(sum((g**2).sum() for g in mapped.values()))
        share = min(1.0, 0.7 / norm)
        for judge, names in judges:
            judge.update({n: share * mapped[n] for n in names})
    assert largest(own, theirs) < 1e-12
    assert largest(own, arrays(0)) > 0.01


@ld.transform(place="after")
def short_step(p, new, length=0.3):
    return p + (new - p) * (length / ld.norm(new - p, over="model"))


def test_transforms_after_the_rule_have_one_norm(backend):
    rules = [ld.chain(rule, short_step, ema, name=f"short_{rule.name}") for rule in (sgd, adamw)]
    own = arrays(0)
    learner = matrices_by(*rules)(own, lr=0.1, length=0.3, backend=backend)
    for k in range(3):
        before = {name: array.copy() for name, array in own.items()}
        learner.update(arrays(k))
        moved = sum(((own[name] - before[name]) ** 2).sum() for name in SHAPES)
        assert moved == pytest.approx(0.3**2, rel=1e-12)


def test_means_over_the_model_count_the_elements_of_all_rules(backend):
    """The rules have different names for their parameters, too."""
    other = ld.chain(mean_of_weights, ld.transforms.decoupled_weight_decay, name="other")
    own, expected = arrays(0), arrays(0)
    learner = matrices_by(mean_of_weights, other)(own, decoupled_decay=0.0, backend=backend)
    gradients = arrays(1)
    learner.update(gradients)
    mean = np.mean(np.concatenate([np.abs(p).ravel() for p in expected.values()]))
    expected = {n: p - 0.1 * gradients[n] * mean for n, p in expected.items()}
    assert largest(own, expected) < 1e-13


def test_hyperparameters_belong_to_rules_and_groups():
    mixed = matrices_by(clipped_muon, clipped_adamw)
    groups = [{"params": ["second", "scale"], "lr": 0.5, "nesterov": False}]
    learner = mixed(arrays(0), groups=groups, clipped_muon={"lr": 0.02}, lr=0.1, weight_decay=0.0)
    assert learner.hyperparameters["lr"] == 0.1
    assert [own["lr"] for own in learner.groups] == [0.02, 0.5, 0.5]
    views = (learner.hyperparameters, *learner.groups)
    assert ["momentum" in own for own in views] == [False, True, False, True]
    assert set(learner.state["second"]) == {"m"}
    assert set(learner.state["scale"]) == {"m", "v"}
    with pytest.raises(ld.UnknownNameError, match="belongs to the rule of other parameters"):
        learner.hyperparameters["momentum"] = 0.5
    learner.hyperparameters["lr"] = 0.0
    own = learner.parameters
    bias, scale = own["bias"].copy(), own["scale"].copy()
    learner.update(arrays(1))
    assert np.array_equal(own["bias"], bias)
    assert not np.array_equal(own["scale"], scale)


def test_options_may_differ_between_groups():
    own, theirs = arrays(0), arrays(0)
    mixed = matrices_by(muon, sgd)
    learner = mixed(own, groups=[{"params": ["second"], "nesterov": False}], lr=0.01)
    judges = [
        (muon({"first": theirs["first"]}, lr=0.01), ["first"]),
        (muon({"second": theirs["second"]}, lr=0.01, nesterov=False), ["second"]),
        (sgd({n: theirs[n] for n in ("bias", "scale")}, lr=0.01), ["bias", "scale"]),
    ]
    for k in range(3):
        gradients = arrays(k)
        learner.update(gradients)
        for judge, names in judges:
            judge.update({n: gradients[n] for n in names})
    assert largest(own, theirs) == 0


def test_a_transform_that_waits_holds_all_rules_back(backend):
    waiting = [ld.chain(accumulate, rule, name=f"{rule.name}_of_2") for rule in (muon, adamw)]
    own, theirs = arrays(0), arrays(0)
    learner = matrices_by(*waiting)(own, lr=0.01, k=2, backend=backend)
    judge = matrices_by(muon, adamw)(theirs, lr=0.01)
    learner.update(arrays(1))
    assert largest(own, theirs) == 0
    learner.update(arrays(2))
    one, two = arrays(1), arrays(2)
    judge.update({n: (one[n] + two[n]) / 2 for n in SHAPES})
    assert largest(own, theirs) < 1e-12


def test_training_continues_from_a_file(tmp_path, backend):
    mixed = matrices_by(clipped_muon, clipped_adamw)
    learner = mixed(arrays(0), lr=0.01, backend=backend)
    learner.update(arrays(1))
    learner.save(tmp_path / "file", parameters=True)
    other = mixed(arrays(9), lr=0.5, backend=backend)
    other.load(tmp_path / "file", parameters=True)
    for one in (learner, other):
        one.update(arrays(2))
    assert largest(learner.parameters, other.parameters) == 0
    assert other.groups[0]["lr"] == 0.01
    again = mixed(dict(reversed(arrays(9).items())), backend=backend)
    again.load(tmp_path / "file", parameters=True)
    assert again.hyperparameters["lr"] == 0.01
    again.update(arrays(2))
    assert largest(learner.parameters, again.parameters) < 1e-15
    with pytest.raises(ld.CheckpointError, match="this learner 'lion_or_muon'"):
        matrices_by(muon, lion)(arrays(0)).load(tmp_path / "file")


def test_missing_gradients_are_left_out_of_the_norm(backend):
    own = arrays(0)
    learner = matrices_by(clipped_muon, clipped_adamw)(own, backend=backend)
    theirs = arrays(0)
    judge = matrices_by(clipped_muon, clipped_adamw)(theirs, backend=backend)
    gradients = arrays(1)
    learner.update({**gradients, "first": None})
    judge.update({**gradients, "first": np.zeros((6, 5))})
    del own["first"], theirs["first"]
    assert all(np.array_equal(own[n], theirs[n]) for n in own)


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (
            (clipped_muon, adamw),
            "clipped_muon computes a sum in clip_by_global_norm, adamw nothing",
        ),
        ((own_norm, clipped_adamw), "own_norm computes a sum in own_norm, clipped_adamw a sum in"),
        ((adamw, prodigy), "adamw computes nothing, prodigy a sum in prodigy and"),
        ((ld.chain(accumulate, muon), adamw), "have states of the model that differ; let each"),
        ((muon, ld.learners.sophia), "are none and hessian_diag; let each rule"),
        ((muon, ld.chain(clip_by_global_norm, adamw, name="muon")), "has the name 'muon', as"),
        ((ld.chain(own_clip(), muon, name="a"), clipped_adamw), "a sum in clip_by_global_norm, cl"),
        ((muon, None), "needs a rule for 'bias' of shape .5,., got None; return what"),
    ],
)
def test_rules_that_cannot_be_joined_are_refused(rules, text):
    with pytest.raises(ld.RuleError, match=text):
        matrices_by(*rules)(arrays(0))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"momentun": 0.9}, "No rule has an argument 'momentun'.*muon has lr, momentum"),
        ({"adam": {"lr": 0.1}}, "No rule has an argument 'adam'"),
        ({"muon": {"beta1": 0.1}}, "muon has no argument 'beta1'"),
        ({"groups": [{"params": ["first"], "beta3": 0.1}]}, "No rule has an argument 'beta3'"),
    ],
)
def test_arguments_that_no_rule_has_are_refused(arguments, text):
    with pytest.raises(ld.UnknownNameError, match=text):
        matrices_by(muon, adamw)(arrays(0), **arguments)


def test_a_state_of_the_model_is_one_for_all_rules(backend):
    of_energy = [ld.chain(by_energy, rule, name=f"{rule.name}_by_energy") for rule in (sgd, adamw)]
    own, theirs = arrays(0), arrays(0)
    learner = matrices_by(*of_energy)(own, lr=0.1, backend=backend)
    matrices = [n for n, shape in SHAPES.items() if len(shape) == 2]
    judges = [
        (rule({n: theirs[n] for n in names}, lr=0.1), names)
        for rule, names in ((sgd, matrices), (adamw, [n for n in SHAPES if n not in matrices]))
    ]
    energy = 1.0
    for k in range(3):
        gradients = arrays(k)
        learner.update(gradients)
        energy = 0.5 * energy + sum((g**2).sum() for g in gradients.values())
        for judge, names in judges:
            judge.update({n: gradients[n] / energy for n in names})
    assert largest(own, theirs) < 1e-13
    assert learner.model_state["energy"] == pytest.approx(energy, rel=1e-13)
    learner.model_state["energy"] = 3.0
    assert learner.state_dict()["model_state"] == {"energy": 3.0}
    with pytest.raises(ld.HyperparameterError, match="'keep' cannot differ between the rules"):
        matrices_by(*of_energy)(arrays(0), sgd_by_energy={"keep": 0.1})


def test_products_are_those_of_the_rules_that_multiply():
    pytest.importorskip("torch")
    start = arrays(1)
    both = {name: array.astype(np.float32) for name, array in start.items()}
    alone = {name: array.copy() for name, array in both.items()}
    matrices = {name: alone[name] for name in ("first", "second")}
    others = {name: alone[name] for name in ("bias", "scale")}
    learner = matrices_by(muon, adamw)(both, products="bfloat16")
    separate = muon(matrices, products="bfloat16"), adamw(others)
    for k in range(3):
        gradients = {name: g.astype(np.float32) for name, g in arrays(k + 2).items()}
        learner.update(gradients)
        for own, names in zip(separate, (matrices, others), strict=True):
            own.update({name: gradients[name] for name in names})
    assert all(np.array_equal(both[name], alone[name]) for name in SHAPES)
