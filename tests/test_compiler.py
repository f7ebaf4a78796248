"""The passes one by one: what each gives, read from the printed kernel, and exact printed text."""

import numpy as np
import pytest
import sympy
from support.rules import clipped_adamw_ema, largest_gradients

import learnerdsl as ld
from learnerdsl.codegen.printer import Printer
from learnerdsl.errors import InternalError
from learnerdsl.ir import Block, Compute, Domain, Kernel
from learnerdsl.learners import adam, lamb
from learnerdsl.passes.verify import verify
from learnerdsl.pipeline import PASSES, compile_rule, stages

x, y, c = sympy.symbols("x y c", real=True)


def printed(expression, dtype="float64"):
    return Printer({x: "x", y: "y", c: "c"}, frozenset({"c"}), dtype)(expression)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x + y * c, "x + c * y"),
        (x - c * y, "x - c * y"),
        (-x - y, "-x - y"),
        (-(x + y), "-x - y"),
        (x * y / c, "x * y / c"),
        (x / y / (1 + y), "x / y / (y + 1.0)"),
        (1 / x, "1.0 / x"),
        (-1 / x, "-1.0 / x"),
        (x**2, "x**2"),
        ((x + 1) ** 3, "(x + 1.0)**3"),
        (sympy.sqrt(x), "sqrt(x)"),
        (1 / sympy.sqrt(x + y), "1.0 / sqrt(x + y)"),
        (x ** sympy.Rational(3, 2), "x * sqrt(x)"),
        (x ** sympy.Rational(-3, 2), "1.0 / (x * sqrt(x))"),
        (x ** sympy.Rational(7, 4), "x * sqrt(x) * sqrt(sqrt(x))"),
        (x**y, "x ** y"),
        (x / 3, "x / 3.0"),
        (2 * x / 3, "2.0 * x / 3.0"),
        (sympy.Abs(x) * sympy.sign(y), "abs(x) * sign(y)"),
        (ld.maximum(x, y, 0), "maximum(maximum(x, y), 0.0)"),
        (ld.where(x > 0, x, -y), "(x if x > 0.0 else -y)"),
        (ld.where((x > 0) & (y <= c), 1, 2), "(1.0 if (y <= c) and (x > 0.0) else 2.0)"),
        (
            ld.where(ld.equal(x, 0) | ld.not_equal(y, 1), x, y),
            "(x if (x == 0.0) or (y != 1.0) else y)",
        ),
        (sympy.exp(-(x**2)), "exp(-x**2)"),
        (x + y % 2, "x + (y % 2.0)"),
        (-(y % 2) - x, "-x - (y % 2.0)"),
        (-(y % 2) - 1, "-1.0 - (y % 2.0)"),
        (c * (-x % y), "c * ((-x) % y)"),
        (x * ld.where(x > 0, 1, 0.5), "x * (1.0 if x > 0.0 else 0.5)"),
    ],
)
def test_printer_writes(expression, text):
    assert printed(expression) == text
    # What is written means what the expression means.
    names = {**{n: getattr(np, n) for n in ("sqrt", "abs", "sign", "maximum", "exp")}, "c": 0.7}
    for a, b in ((0.3, 1.7), (2.5, 0.2)):
        value = float(expression.subs({x: a, y: b, c: 0.7}))
        assert eval(text, {**names, "x": a, "y": b}) == pytest.approx(value, rel=1e-14)


def test_constants_carry_the_type_of_the_loop():
    assert printed(x / 2 + 1, "float32") == "float32(1.0) + float32(0.5) * x"


def test_stages_are_named_after_the_passes():
    assert list(adam.stages()) == ["lower", *(name for name, _ in PASSES)]


def test_lowering_gives_one_block_for_each_statement():
    blocks = lamb.stages()["lower"].blocks
    assert [len(b.computes) + len(b.reduces) for b in blocks] == [1] * len(blocks)


def test_equal_reductions_are_computed_once():
    @ld.rule
    def twice(p, g, lr=0.1):
        return ld.assign(p, p - lr * g / ld.norm(g) + ld.norm(g) * ld.mean(g**2))

    assert sum(len(b.reduces) for b in twice.stages()["verify"].blocks) == 1


def test_domains_are_the_widest_of_the_operands():
    kernel = largest_gradients.stages()["domains"]
    known = {str(symbol): domain for symbol, domain in kernel.domains.items()}
    assert known["top_new"] == Domain.MODEL
    assert known["peak_new"] == Domain.TENSOR
    assert known["p_new"] == Domain.ELEMENT


def test_a_new_value_that_a_later_pass_needs_is_read_back():
    second = lamb.stages()["verify"].passes[1]
    assert [str(load) for load in second.loads] == [
        "load p from p",
        "load m_new from m",
        "load v_new from v",
    ]


def test_a_write_waits_for_the_last_pass_that_reads_the_old_value():
    @ld.rule
    def uses_old(p, g, lr=0.1):
        m = ld.state("m")
        m_new = ld.assign(m, 0.9 * m + g)
        return ld.assign(p, p - lr * (m + m_new / ld.norm(m_new)))

    first, second = uses_old.plan().passes
    assert first.writes == ()
    assert second.writes == ("m", "p")
    assert second.reads == ("p", "g", "m")


def test_writes_move_where_they_save_traffic():
    # The average of the old weights could be written by the first pass, which would then have to
    # read p and the average as well; the second reads p anyway.
    @ld.rule
    def averaging(p, g, lr=0.1, keep=0.9):
        average = ld.state("average")
        average_new = ld.assign(average, keep * average + (1 - keep) * p)
        return ld.combine([average_new, ld.assign(p, p - lr * g / ld.norm(g))])

    first, second = averaging.plan().passes
    assert first.reads == ("g",)
    assert second.writes == ("average", "p")


def test_three_levels_of_reductions_take_three_passes():
    @ld.rule
    def nested(p, g, lr=0.1):
        centred = g - ld.mean(g)
        return ld.assign(p, p - lr * centred / ld.norm(centred))

    plan = nested.plan()
    assert len(plan.passes) == 3
    assert plan.bytes_per_element == 4 * (1 + 1 + 3)


def test_clip_adamw_and_average_take_two_passes_and_forty_bytes():
    plan = clipped_adamw_ema.plan()
    assert len(plan.passes) == 2
    assert plan.bytes_per_element == 40


def test_scalars_leave_the_loops():
    loop = adam.loops()
    assert "beta1 **" not in loop
    assert "**step" not in loop.split("for i in range")[1].replace("# ", "#").split("#")[0]
    assert "c2 = lr / (1.0 - beta1 ** step)" in adam.source()


def test_common_subexpressions_are_computed_once():
    assert adam.loops().count("weight_decay * p_i") == 1


def test_float_exponents_become_roots_and_powers():
    @ld.rule
    def floats(p, g, lr=0.1):
        return ld.assign(p, p - lr * g**2.0 * (1 + g**2) ** 0.5)

    assert "g_i**2" in floats.loops()
    assert "sqrt(" in floats.loops()
    assert "** float32" not in floats.loops()


def test_names_that_python_or_the_kernel_has_are_changed():
    @ld.rule
    def awkward(p, i, count=0.1, model=0.9):
        start = ld.state("start")
        sqrt_new = ld.assign(start, model * start + i)
        return ld.assign(p, p - count * ld.sqrt(1 + sqrt_new**2))

    weights = np.ones(3)
    expected = weights - 0.1 * np.sqrt(2)
    awkward([weights]).update([np.ones(3)])
    np.testing.assert_allclose(weights, expected)


def test_unknown_target_is_refused():
    with pytest.raises(ld.LearnerError, match="no code generator for target 'tpu'"):
        adam.source("tpu")


def test_rounded_let_is_rounded_to_the_parameters_type():
    @ld.rule
    def rounded(p, g, beta=0.9999986):
        one_minus = ld.let("one_minus", 1 - ld.let("b", beta, dtype="parameter"), dtype="parameter")
        return ld.assign(p, 0 * p + one_minus + 0 * g)

    for dtype in (np.float32, np.float64):
        weights = np.zeros(2, dtype)
        rounded([weights]).update([np.zeros(2, dtype)])
        assert weights[0] == dtype(1) - dtype(0.9999986)


def test_compilation_is_done_once_for_equal_rules():
    assert compile_rule(adam.trace()) is compile_rule(adam.trace())
    assert stages(adam.trace()) is adam.stages()


def test_verify_refuses_a_value_used_before_it_is_defined():
    p, g, other = sympy.symbols("p g other", real=True)
    block = Block(Domain.ELEMENT, computes=(Compute(other, g + sympy.Symbol("nowhere")),))
    domains = {p: Domain.ELEMENT, g: Domain.ELEMENT, other: Domain.ELEMENT}
    with pytest.raises(InternalError, match="before definition"):
        verify(Kernel("broken", p, g, (), (), (), (block,), domains))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("size", [0, 1, 4, 7, 30, 35])
@pytest.mark.parametrize("block", [1, 4])
def test_a_sum_in_blocks_rounds_as_written(block, size, backend):
    @ld.rule
    def total(p, g, lr=1.0):
        s = ld.state("s", shape="tensor")
        return ld.combine([ld.assign(s, ld.sum(1 / g, block=block)), ld.assign(p, p - lr * g)])

    gradient = np.random.default_rng(size).uniform(0.001, 1, size).astype(np.float32)
    learner = total([np.zeros(size, np.float32)], backend=backend)
    learner.update([gradient])
    values, expected = [np.float32(1) / g for g in gradient], np.float32(0)
    for start in range(0, size - size % block, block):
        part = values[start]
        for value in values[start + 1 : start + block]:
            part = part + value
        expected = expected + part
    for value in values[size - size % block :]:
        expected = expected + value
    assert learner.state[0]["s"] == expected


def test_a_block_of_no_whole_number_is_refused():
    with pytest.raises(ld.RuleError, match="blocks of a whole number"):
        ld.sum(ld.step, block=0.5)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_every_kth_step_may_do_something_else(backend):
    @ld.rule
    def every_third(p, g, lr=1.0, k=3):
        return ld.assign(p, p - lr * ld.where(ld.equal(ld.step % k, 0), 10, 1) * g)

    weights = np.zeros(2, np.float32)
    learner = every_third([weights], backend=backend)
    for _ in range(7):
        learner.update([np.ones(2, np.float32)])
    np.testing.assert_array_equal(weights, -25)


def test_changed_assignments_make_a_learner():
    traced = adam.trace()
    eps = traced.hyperparameters[3]
    changed = traced.with_assignments([(t, e.subs(eps, 0.25)) for t, e in traced.assignments])
    weights = np.ones(1)
    ld.Learner(changed, [weights], hyperparameters={"lr": 1.0}).update([np.ones(1)])
    np.testing.assert_allclose(weights, 1 - 1 / 1.25)


def test_squares_and_products_are_reduced_in_float64_also_where_they_are_shared():
    @ld.rule
    def tiny(p, g, lr=1.0):
        square = ld.let("square", g**2)
        total = ld.norm(g) + ld.norm(g, over="model") + ld.sqrt(ld.sum(2 * g * p))
        return ld.assign(p, p - lr * total * (1 + square))

    start = np.full(4, 1e-25, np.float32)
    weights = start.copy()
    tiny([weights]).update([start.copy()])
    np.testing.assert_allclose(weights, start * (1 - 4 - np.sqrt(8)), rtol=1e-6)


def test_a_rule_that_changes_nothing_needs_no_pass():
    @ld.rule
    def still(p, g, lr=0.1):
        return ld.assign(p, p)

    weights = np.arange(3.0)
    learner = still([weights])
    assert learner.update([np.ones(3)])
    assert learner.step_count == 1
    assert learner.plan().bytes_per_element == 0
    np.testing.assert_array_equal(weights, np.arange(3.0))
