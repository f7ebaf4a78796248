"""One optimizer of several rules does what one optimizer of torch for each of them does."""

import copy
import io
import pickle

import pytest
import torch
from support.torch_models import backward, distance, network, saved_and_loaded, train
from torch.distributed.checkpoint import state_dict as dcp

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.learners import adamw, lion, muon, sgd
from learnerdsl.transforms import clip_grad_norm, ema


def by_shape(name, p):
    return "matrix" if p.ndim == 2 else "other"


def one_norm(*rules):
    return [ld.chain(clip_grad_norm, rule, name=f"clipped_{rule.name}") for rule in rules]


Plain = ldt.optimizer_class({"matrix": sgd, "other": adamw}, "Plain", by_shape)
clipped_sgd, clipped_adamw = one_norm(sgd, adamw)
Clipped = ldt.optimizer_class(
    {"matrix": clipped_sgd, "other": clipped_adamw}, "Clipped", choose=by_shape
)
MuonAdamW = ldt.optimizer_class({"matrix": muon, "other": adamw}, "MuonAdamW", by_shape)


def of_torch(model, of_matrices, of_others):
    """Optimizers of torch for the matrices and for the other parameters of a model."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    return of_matrices(matrices), of_others(others)


def torch_sgd(params):
    return torch.optim.SGD(params, lr=0.1)


def torch_adamw(params):
    return torch.optim.AdamW(params, lr=3e-3, betas=(0.8, 0.95), weight_decay=0.1)


ARGUMENTS = {
    "matrix": {"lr": 0.1},
    "other": {"lr": 3e-3, "betas": (0.8, 0.95), "weight_decay": 0.1},
}


def pair(optimizer_class, **more):
    own, theirs = network(torch.float64), network(torch.float64)
    optimizer = optimizer_class(own.named_parameters(), **ARGUMENTS, **more)
    return own, optimizer, theirs, of_torch(theirs, torch_sgd, torch_adamw)


def states_of(optimizer, model):
    return [{n: v.clone() for n, v in optimizer.state[p].items()} for p in model.parameters()]


@pytest.mark.parametrize("max_norm", [None, 0.3], ids=["plain", "one norm"])
def test_rules_update_as_optimizers_of_torch_do(max_norm):
    more = {} if max_norm is None else {"max_norm": max_norm}
    own, optimizer, theirs, judges = pair(Plain if max_norm is None else Clipped, **more)
    schedules = [torch.optim.lr_scheduler.StepLR(one, 3, 0.5) for one in (optimizer, *judges)]
    norms = []
    for k in range(8):
        backward(own, k)
        optimizer.step()
        backward(theirs, k)
        if max_norm is not None:
            norms.append(torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm).item())
        for one in (*judges, *schedules):
            one.step()
    assert distance(own, theirs) < 1e-12
    assert [group["lr"] for group in optimizer.param_groups] == [
        judge.param_groups[0]["lr"] for judge in judges
    ]
    assert max_norm is None or min(norms) > max_norm


def test_muon_and_adamw_are_those_of_torch():
    """torch multiplies the matrices of Muon in bfloat16."""
    own, theirs = network(), network()
    optimizer = MuonAdamW(own.parameters(), lr=0.02, weight_decay=0.1)
    judges = of_torch(
        theirs,
        lambda params: torch.optim.Muon(params, lr=0.02),
        lambda params: torch.optim.AdamW(params, lr=0.02, weight_decay=0.1),
    )
    for k in range(4):
        train(own, optimizer, 1, k)
        for p, q in zip(own.parameters(), theirs.parameters(), strict=True):
            q.grad = p.grad.clone()
        for judge in judges:
            judge.step()
    for p, q, start in zip(
        own.parameters(), theirs.parameters(), network().parameters(), strict=True
    ):
        moved = (q - start).norm()
        assert (p - q).norm() < (0.05 if p.ndim == 2 else 1e-5) * moved
    shown = {name: tuple(optimizer.state[p]) for name, p in own.named_parameters()}
    assert shown["0.weight"] == ("step", "momentum_buffer")
    assert shown["0.bias"] == ("step", "exp_avg", "exp_avg_sq")


def test_each_parameter_is_chosen_once_with_its_name():
    asked = []

    def choose(name, p):
        asked.append((name, p))
        return by_shape(name, p)

    chosen = ldt.optimizer_class({"matrix": sgd, "other": adamw}, choose=choose)
    assert chosen.__name__ == "MatrixOther"
    model = network()
    optimizer = chosen([{"params": list(model[0].named_parameters()), "tag": 7}])
    optimizer.add_param_group({"params": list(model[2].named_parameters()), "lr": 0.5})
    train(model, optimizer, 2)
    optimizer.load_state_dict(optimizer.state_dict())
    names = [name for layer in (model[0], model[2]) for name, _ in layer.named_parameters()]
    assert [name for name, _ in asked] == names
    assert all(p is q for (_, p), q in zip(asked, model.parameters(), strict=True))
    assert [(g["rule"], g["lr"], g.get("tag")) for g in optimizer.param_groups] == [
        ("matrix", 1e-3, 7),
        ("other", 1e-3, 7),
        ("matrix", 0.5, None),
        ("other", 0.5, None),
    ]
    chosen(model.parameters())
    assert {name for name, _ in asked[4:]} == {None}


def test_groups_that_name_a_rule_are_not_divided():
    own, theirs = network(torch.float64), network(torch.float64)
    groups = [
        {"params": own[0].parameters(), "rule": "other", "lr": 0.01},
        {"params": own[2].parameters(), "lr": 0.1, "other": {"betas": (0.5, 0.6)}},
    ]
    optimizer = Plain(groups, weight_decay=0.0)
    assert [g["rule"] for g in optimizer.param_groups] == ["other", "matrix", "other"]
    judges = (
        torch.optim.AdamW(theirs[0].parameters(), lr=0.01, weight_decay=0.0),
        torch.optim.SGD([theirs[2].weight], lr=0.1),
        torch.optim.AdamW([theirs[2].bias], lr=0.1, betas=(0.5, 0.6), weight_decay=0.0),
    )
    for k in range(3):
        train(own, optimizer, 1, k)
        backward(theirs, k)
        for judge in judges:
            judge.step()
    assert distance(own, theirs) < 1e-12


def test_groups_of_one_norm_may_differ_in_options_and_begin_late():
    rule = ld.chain(clip_grad_norm, ld.learners.nesterov, name="clipped_nesterov")
    own, theirs = network(torch.float64), network(torch.float64)
    optimizer = rule.torch(
        [
            {"params": own[0].parameters(), "maximize": True},
            {"params": own[2].parameters(), "lr": 0.05},
        ],
        lr=0.1,
        momentum=0.9,
        max_norm=0.2,
    )
    nesterov = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    judge = torch.optim.SGD(
        [
            {"params": theirs[0].parameters(), "maximize": True},
            {"params": theirs[2].parameters(), "lr": 0.05},
        ],
        **nesterov,
    )
    for k in range(6):
        for model in (own, theirs):
            backward(model, k)
            if k < 2:
                model[0].weight.grad = model[0].bias.grad = None
        optimizer.step()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.2)
        judge.step()
    assert distance(own, theirs) < 1e-12


@pytest.mark.parametrize("optimizer_class", [Plain, Clipped])
def test_training_continues_bitwise(optimizer_class):
    model = network()
    optimizer = optimizer_class(model.named_parameters(), **ARGUMENTS)
    train(model, optimizer, 3)
    copies = {
        "copy": copy.deepcopy((model, optimizer)),
        "pickle": pickle.loads(pickle.dumps((model, optimizer))),
    }
    saved = saved_and_loaded(optimizer.state_dict())
    other = network()
    other.load_state_dict(model.state_dict())
    copies["state dict"] = other, optimizer_class(other.named_parameters(), lr=9.0)
    copies["state dict"][1].load_state_dict(saved)
    train(model, optimizer, 2, 3)
    for what, (own, again) in copies.items():
        train(own, again, 2, 3)
        assert distance(model, own) == 0, what
        again.add_param_group({"params": [("more", torch.nn.Parameter(torch.ones(2)))]})
        assert again.param_groups[-1]["rule"] == "other"


def test_distributed_checkpoints_hold_all_rules():
    model = network()
    optimizer = Clipped(model.named_parameters(), **ARGUMENTS)
    train(model, optimizer, 3)
    for flatten in (False, True):
        options = dcp.StateDictOptions(flatten_optimizer_state_dict=flatten)
        saved = dcp.get_optimizer_state_dict(model, optimizer, options=options)
        other = network()
        other.load_state_dict(model.state_dict())
        again = Clipped(other.named_parameters())
        dcp.set_optimizer_state_dict(other, again, saved, options=options)
        assert [g["lr"] for g in again.param_groups] == [0.1, 3e-3]
        train(other, again, 2, 3)
        judge_model, judge = copy.deepcopy((model, optimizer))
        train(judge_model, judge, 2, 3)
        assert distance(judge_model, other) == 0


def test_evaluation_parameters_are_those_of_each_rule():
    averaged = ld.chain(clip_grad_norm, adamw, ema, name="averaged_adamw")
    chosen = ldt.optimizer_class({"matrix": clipped_sgd, "other": averaged}, "Averaged", by_shape)
    model = network()
    optimizer = chosen(model.parameters(), lr=0.1)
    train(model, optimizer, 3)
    found = optimizer.evaluation_parameters()
    assert [torch.equal(found[p], p) for p in model.parameters()] == [True, False, True, False]


def test_number_types_are_given_to_the_rules_that_have_the_states():
    rules = {"matrix": sgd, "other": lion}
    chosen = ldt.optimizer_class(rules, "NarrowLion", by_shape)
    for states in ("bfloat16", {"m": "bfloat16"}):
        model = network()
        optimizer = chosen(model.parameters(), states=states)
        train(model, optimizer, 1)
        assert optimizer.state[model[0].bias]["m"].dtype == torch.bfloat16
    with pytest.raises(ld.UnknownNameError, match="has no state 'v'"):
        chosen(network().parameters(), states={"v": "bfloat16"})


def test_classes_are_pickled_by_the_names_of_their_functions():
    assert pickle.loads(pickle.dumps(Plain)) is Plain
    same = ldt.optimizer_class({"matrix": sgd, "other": adamw}, "Plain", by_shape)
    assert same is Plain
    unnamed = ldt.optimizer_class({"a": sgd}, choose=lambda name, p: "a")
    with pytest.raises(ld.PicklingError, match="Define it once, at the top level of a module"):
        pickle.dumps(unnamed)
    optimizer = unnamed(network().parameters())
    assert type(copy.deepcopy(optimizer)) is unnamed
    with pytest.raises(ld.PicklingError, match="the function <lambda>"):
        torch.save(optimizer, io.BytesIO())


def test_rules_without_the_same_sums_are_refused_at_the_first_step():
    chosen = ldt.optimizer_class({"matrix": clipped_sgd, "other": adamw}, "HalfClipped", by_shape)
    model = network()
    before = network()
    optimizer = chosen(model.parameters())
    backward(model, 0)
    with pytest.raises(ld.RuleError, match="clipped_sgd computes a sum in clip_grad_norm, adam"):
        optimizer.step()
    assert distance(model, before) == 0
    only = chosen([p for p in model.parameters() if p.ndim == 1], lr=0.1)
    only.step()
    assert distance(model, before) > 0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Plain(network().parameters(), 0.1), "takes arguments by name: matrix, other"),
        (lambda: Plain(network().parameters(), matrix=0.1), "matrix of Plain must be a dict"),
        (
            lambda: Plain(network().parameters(), rate=0.1),
            "No rule of Plain has an argument 'rate'",
        ),
        (lambda: Plain(network().parameters(), matrix={"beta1": 1}), "SGD has no argument 'beta1'"),
        (
            lambda: Plain([{"params": network().parameters(), "rule": "third"}]),
            "A group of Plain has the rule 'third'; there are 'matrix', 'other'",
        ),
        (
            lambda: ldt.optimizer_class({"a": sgd}, choose=lambda name, p: None)(
                network().named_parameters()
            ),
            r"Parameter '0.weight' of shape \(5, 6\) of A has the rule None; there are 'a'",
        ),
        (lambda: ldt.optimizer_class({"lr": sgd}, choose=by_shape), "cannot name a rule 'lr'"),
        (lambda: ldt.optimizer_class({"a": sgd}), "a function that chooses"),
        (
            lambda: ldt.optimizer_class(
                {"a": ld.chain(clip_grad_norm, sgd), "b": ld.chain(clip_grad_norm, sgd)},
                choose=by_shape,
            ),
            "AB has two rules with one name: clip_grad_norm_sgd, clip_grad_norm_sgd; give",
        ),
        (lambda: ldt.optimizer_class({}, choose=by_shape), "needs a rule or more"),
        (lambda: ldt.optimizer_class({"a": 1}, choose=by_shape), "needs a rule, got 1"),
        (lambda: ldt.optimizer_class({"a": sgd}, choose=3), "choose must be a function"),
        (lambda: ldt.optimizer_class(sgd, choose=by_shape), "choose= needs several rules"),
    ],
)
def test_mistakes_are_explained(make, text):
    with pytest.raises(ld.LearnerError, match=text):
        make()


def test_nothing_is_added_after_a_mistake():
    model = network()
    optimizer = Plain(model[0].parameters())
    with pytest.raises(ld.HyperparameterError, match="lr of Plain cannot be 'fast'"):
        optimizer.add_param_group({"params": model[2].parameters(), "other": {"lr": "fast"}})
    assert len(optimizer.param_groups) == 2
    optimizer.add_param_group({"params": model[2].parameters()})
    assert len(optimizer.param_groups) == 4


def test_a_state_dict_of_unknown_rules_changes_nothing():
    model = network()
    optimizer = Plain(model.parameters(), **ARGUMENTS)
    train(model, optimizer, 2)
    before = states_of(optimizer, model)
    saved = optimizer.state_dict()
    saved["param_groups"][0]["rule"] = "third"
    with pytest.raises(ld.LearnerError, match="has the rule 'third'; there are"):
        optimizer.load_state_dict(saved)
    after = states_of(optimizer, model)
    assert all(torch.equal(o[n], a[n]) for o, a in zip(before, after, strict=True) for n in o)


def test_groups_are_in_the_order_of_the_rules():
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3, 2))
    optimizer = MuonAdamW([("bias", first), ("weight", second)])
    assert [group["rule"] for group in optimizer.param_groups] == ["matrix", "other"]


def test_another_choice_than_the_saved_one_is_refused():
    weight = torch.nn.Parameter(torch.ones(3, 2))
    saved = MuonAdamW([("weight", weight)])
    other = MuonAdamW([{"params": [weight], "param_names": ["weight"], "rule": "other"}])
    with pytest.raises(ld.CheckpointError, match="chooses 'other'"):
        other.load_state_dict(saved.state_dict())
    assert other.param_groups[0]["rule"] == "other"
