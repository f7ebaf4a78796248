"""Sums that count tensors, or what a condition chooses: every target, against NumPy by hand."""

import jax
import numpy as np
import pytest
from support.exported import Problem, loaded
from support.exported_loops import InC, InNumba, Inputs
from support.ptx_device import device
from support.rules_of_counts import CASES, by_turns, counted, path_by_hand, states_by_hand
from support.small_rules import BACKENDS
from support.teams import Parts
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import jax as ldj
from learnerdsl.learners import sgd

pytest.importorskip("torch")

__all__ = ["device"]

ALLOWED = {"float32": 1e-5, "float64": 1e-12}
"""Largest error, in units of the movement: the rounding of some hundred additions."""
of_every_rule = pytest.mark.parametrize(
    ("rule", "by_hand", "shapes"),
    [CASES[0], slow(*CASES[1])],
    ids=[rule.name for rule, *_ in CASES],
)
model_of = {"over": "model", "of": "tensors"}
ZEROS = np.zeros(3, np.float32)


@of_every_rule
@pytest.mark.parametrize("dtype", ["float32", slow("float64")])
def test_every_target_counts_tensors_once(rule, by_hand, shapes, dtype):
    own, allowed = Problem(rule, dtype, shapes=shapes, steps=3), ALLOWED[dtype]
    expected = by_hand(own.start, own.gradients)
    for backend in BACKENDS:
        path, learner = own.path_of_rule(backend)
        assert own.error(path, expected) <= allowed
        for name, value in learner.model_state.items():
            wanted = states_by_hand(own.gradients[-1])[name]
            assert value == pytest.approx(wanted, rel=20 * allowed)
    with jax.enable_x64(dtype == "float64"):
        path, _ = own.path_of_jax(ldj.transformation(rule))
    assert own.error(path, expected) <= allowed
    path, _ = own.path_of_numpy(loaded(rule.export("numpy")))
    assert own.error(path, expected) <= allowed
    made = vars(loaded(rule.export("torch")))["".join(rule.name.title().split("_"))]
    for make in (made, rule.torch):
        path, _ = own.path_of_torch(make)
        assert own.error(path, expected) <= allowed


@pytest.mark.parametrize("language", ["c", slow("numba")])
def test_exported_loops_count_tensors_once(language, tmp_path):
    text = counted.export(language, "float64")
    exported = InC(text, tmp_path) if language == "c" else InNumba(text, is_parallel=False)
    own = Problem(counted, np.float64, shapes=CASES[0][-1], steps=3)
    mine, path = [np.array(p) for p in own.start], []
    inputs = Inputs(counted, mine, "float64", lr=0.1)
    for step, gradients in enumerate(own.gradients, 1):
        inputs.take(step, gradients, {})
        exported.call("counted_update", inputs)
        path.append([p.copy() for p in mine])
    assert own.error(path, path_by_hand(own.start, own.gradients)) <= 1e-12


@of_every_rule
def test_ptx_counts_tensors_once(rule, by_hand, shapes, device):
    own = Problem(rule, np.float32, shapes=shapes, steps=2)
    params = {n: device.array(p) for n, p in own.named(own.start).items()}
    learner, path = rule(params), []
    for gradients in own.gradients:
        learner.update({n: device.array(g) for n, g in own.named(gradients).items()})
        path.append([p.copy_to_host() for p in params.values()])
    assert "backend cuda" in repr(learner)
    assert own.error(path, by_hand(own.start, own.gradients)) <= ALLOWED["float32"]


@of_every_rule
@pytest.mark.parametrize("axis", [0, -1])
def test_processes_that_hold_parts_count_a_tensor_once(rule, by_hand, shapes, axis):
    shapes = shapes[1:]  # the first tensor of `counted` cannot be divided
    own = Problem(rule, np.float64, shapes=shapes, steps=2)
    updates = [(own.named(g), {}) for g in own.gradients]
    axes = {name: axis % len(shape) for name, shape in zip(own.names, shapes, strict=True)}
    own.path_of_rule("cpu")  # compiled before several threads would do so at once
    found, _ = Parts(rule, own.named(own.start), axes, 4).train(updates)
    expected = by_hand(own.start, own.gradients)[-1:]
    assert own.error([[found[name] for name in own.names]], expected) <= 1e-12


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_tensors_and_those_that_are_left_out_do_not_count(backend):
    gradients = {"a": np.full(4, 2.0), "none": np.zeros((0, 3)), "b": np.full(9, -1.5)}
    params = {name: np.zeros_like(g) for name, g in gradients.items()} | {"c": np.zeros(2)}
    learner = counted(params, backend=backend, missing="skip")
    learner.update(gradients)
    wanted = states_by_hand(list(gradients.values()))
    assert learner.model_state == pytest.approx(wanted, rel=1e-12)
    assert wanted["s_mean"] == 4.25
    assert wanted["s_count"] == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tensor_with_some_rows_counts_once(backend):
    params = {"rows": np.zeros((900, 20)), "all": np.zeros(3)}
    learner = counted(params, backend=backend)
    values = np.linspace(-1, 1, 40).reshape(2, 20)
    dense = np.full(3, 4.0)
    for rows in ([5, 700], [0, 1]):
        learner.update({"rows": ld.RowSparse(np.array(rows), values, (900, 20)), "all": dense})
        wanted = states_by_hand([values, dense])
        assert learner.model_state == pytest.approx(wanted, rel=1e-12)


def test_ptx_counts_a_tensor_with_some_rows_once(device):
    params = {"rows": device.array(np.zeros((90, 20), np.float32)), "all": device.array(ZEROS)}
    learner = counted(params)
    values, dense = np.linspace(-1, 1, 40, dtype=np.float32).reshape(2, 20), ZEROS + 4
    rows = ld.RowSparse(np.array([5, 70]), device.array(values), (90, 20))
    learner.update({"rows": rows, "all": device.array(dense)})
    assert learner.model_state == pytest.approx(states_by_hand([values, dense]), rel=1e-6)


@ld.transform
def by_mean(p, g):
    """Divide by the mean norm of all tensors."""
    return g / ld.mean(ld.norm(g), **model_of)


@ld.transform
def by_sum(p, g):
    """Divide by a sum over all elements."""
    return g / ld.sum(ld.abs(g), over="model")


@pytest.mark.parametrize("backend", BACKENDS)
def test_rules_of_one_learner_count_their_tensors_together(backend):
    first = ld.chain(by_mean, sgd, name="first")
    second = ld.chain(by_mean, ld.renamed(sgd, lr="other"), name="second")
    mixed = ld.by_parameter(lambda name, shape: first if len(shape) == 2 else second)
    params = {"w": np.zeros((2, 2)), "b": np.zeros(3)}
    learner = mixed(params, first={"lr": 1.0}, second={"other": 1.0}, backend=backend)
    learner.update({"w": np.ones((2, 2)), "b": np.array([6.0, 0, 0])})
    np.testing.assert_allclose(params["w"], -np.ones((2, 2)) / 4, rtol=1e-15)
    np.testing.assert_allclose(params["b"], [-1.5, 0, 0], rtol=1e-15)
    third = ld.chain(by_sum, sgd, name="third")
    mixed = ld.by_parameter(lambda name, shape: first if len(shape) == 2 else third)
    with pytest.raises(ld.RuleError, match=r"computes a sum of tensors in by_mean .* third a sum"):
        mixed(params)


@pytest.mark.parametrize("backend", BACKENDS)
def test_8_bit_states_do_not_change_what_is_counted(backend):
    @ld.rule
    def rule(p, g, lr=0.1):
        m = ld.state("m")
        kept = ld.assign(ld.state("kept", shape="model"), ld.sum(lr + 1, **model_of))
        m_new = ld.assign(m, m / 2 + g * kept)
        return ld.combine([kept, ld.assign(p, p - lr * m_new)])

    shapes = (9_000, 3)
    learner = rule([np.zeros(n, np.float32) for n in shapes], backend=backend)
    coded = rule([np.zeros(n, np.float32) for n in shapes], states={"m": "int8"})
    for one in (learner, coded):
        one.update([np.ones(n, np.float32) for n in shapes])
        assert one.model_state["kept"] == pytest.approx(2.2, rel=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_group_has_its_own_hyperparameters_in_a_sum_of_the_model(backend):
    @ld.rule
    def rule(p, g, head=0.0):
        own = {
            "elements": ld.sum(head, over="model"),
            "tensors": ld.sum(head, **model_of),
            "most": ld.max(head, over="model"),
            "chosen": ld.count(g > 0, over="model", where=head > 1),
        }
        assigns = [ld.assign(ld.state(f"s_{k}", shape="model"), v) for k, v in own.items()]
        return ld.combine([*assigns, ld.assign(p, p + g)])

    groups = [{"params": ["a"], "head": 3.0}, {"params": ["b"], "head": 5.0}]
    learner = rule({n: np.zeros(k) for k, n in enumerate("abc", 2)}, groups=groups, backend=backend)
    learner.update({n: np.ones(k) for k, n in enumerate("abc", 2)})
    wanted = {"s_elements": 21.0, "s_tensors": 8.0, "s_most": 5.0, "s_chosen": 5.0}
    assert learner.model_state == wanted


def test_what_is_not_chosen_may_be_nan_and_squares_do_not_overflow():
    @ld.rule
    def rule(p, g):
        own = {
            "norm": ld.norm(g, over="model", where=ld.abs(g) > 1),
            "none": ld.mean(g, over="model", where=g > 1e30),
            "most": ld.max(g, over="model", where=g > 1e30),
        }
        assigns = [ld.assign(ld.state(f"s_{k}", shape="model"), v) for k, v in own.items()]
        return ld.combine([*assigns, ld.assign(p, p + g)])

    for backend in BACKENDS:
        learner = rule([np.zeros(4, np.float32)], backend=backend)
        learner.update([np.array([3e25, np.nan, 4e25, 1.0], np.float32)])
        found = learner.model_state
        assert found["s_norm"] == pytest.approx(5e25, rel=1e-6)
        assert np.isnan(found["s_none"])
        assert found["s_most"] == -np.inf


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ld.sum(g, **model_of)",
            "counts g once for each tensor, .* each element; reduce it first",
        ),
        ("ld.max(ld.mean(g, axis=0), **model_of)", r"for each index of axes \(1,\); reduce it"),
        (
            "ld.sum(ld.norm(g), of='tensors')",
            "over='tensor' cannot be of='tensors'; write",
        ),
        (
            "ld.sum(g, over='model', of='rows')",
            "over='model' cannot be of='rows'; write",
        ),
        ("ld.sum(g, over='model', block=8, of='tensors')", "in blocks of 8 cannot be of='tensors'"),
        ("ld.norm(g, over='model', where=lr)", "lr .* is not a condition"),
        ("ld.sum(ld.matmul(g, ld.transpose(g)), where=g > 0)", "leave out what else is written"),
    ],
)
def test_what_cannot_be_counted_is_an_error(text, message):
    @ld.rule
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * eval(text, {"ld": ld, "g": g, "lr": lr, "model_of": model_of}))

    with pytest.raises(ld.RuleError, match=message):
        rule([np.zeros((4, 3))])
    with pytest.raises(ld.RuleError, match=message):
        rule.optax().init(jax.numpy.zeros((4, 3)))


@pytest.mark.parametrize("rule", [counted, slow(by_turns)], ids=["counted", "by_turns"])
def test_ld_check_judges_what_is_counted(rule):
    ld.check(rule).raise_if_wrong()


def test_mathematics_and_plan_name_the_tensors():
    assert r"\prod_{\mathrm{tensors}}" in counted.latex()
    assert r"& \text{if } \left\lVert g_t \right\rVert > 3 \\ -\infty &" in counted.latex()
    assert "sum over tensors of 1" in str(counted.plan())
