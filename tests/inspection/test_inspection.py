"""Everything that shows what runs: mathematics, loops, plan, cost, files, notebook views."""

import inspect
from pathlib import Path

import numba.core.config
import numpy as np
import pytest
import sympy
from support.rules import clipped_adamw_ema, largest_gradients, my_rmsprop

import learnerdsl as ld
from learnerdsl.codegen.operations import count_operations
from learnerdsl.learners import adafactor, adam, lion, prodigy, shampoo
from learnerdsl.storage import STORAGES

x, y = sympy.symbols("x y", real=True)


@ld.rule
def switched(p, g, lr=0.1, nesterov=False):
    """A rule with an option."""
    b = ld.state("b")
    b_new = ld.assign(b, 0.9 * b + g)
    return ld.assign(p, p - lr * (g + 0.9 * b_new if nesterov else b_new))


def test_latex_writes_time_as_an_index_and_greek_letters():
    assert my_rmsprop.latex() == (
        "\\begin{aligned}\n"
        "a_t &= \\rho \\, a_{t-1} + \\left(1 - \\rho\\right) \\, g_t^{2} \\\\\n"
        "p_t &= p_{t-1} - \\frac{\\eta \\, g_t}{\\sqrt{a_t}}\n"
        "\\end{aligned}"
    )


def test_latex_braces_match_for_rules_of_every_kind():
    for rule in (adam, lion, clipped_adamw_ema, largest_gradients):
        text = rule.latex()
        assert text.count("{") == text.count("}")
        assert "\\left" not in text or text.count("\\left") == text.count("\\right")


def test_notebooks_show_mathematics_plan_and_code():
    html = my_rmsprop._repr_html_()
    assert html.count("<math") == 4
    assert "20 bytes of traffic" in html
    assert "element_pass" in html
    assert my_rmsprop._repr_latex_() == f"$${my_rmsprop.latex()}$$"
    assert ld.schedules.linear(1.0, 0.0, 10)._repr_latex_().startswith("$$")


def test_pretty_is_one_equation_for_each_assignment():
    text = my_rmsprop.pretty()
    assert "a_new = " in text
    assert "p_new = " in text


def test_options_choose_what_is_shown():
    assert switched.plan().passes[0].reads == ("p", "g", "b")
    assert switched.source() != switched.source(nesterov=True)
    assert "g_i" in switched.loops(nesterov=True).split("# p <-")[1]
    assert switched.latex() != switched.latex(nesterov=True)
    assert (
        switched.cost(nesterov=True).operations_per_element["mul"]
        > (switched.cost().operations_per_element["mul"])
    )


def test_loops_are_the_functions_over_memory_and_nothing_else():
    loops = clipped_adamw_ema.loops()
    assert loops.count("@element_pass") == 2
    assert "@model_scalars" not in loops
    assert all(line in clipped_adamw_ema.source() for line in loops.splitlines())


def test_cost_counts_traffic_state_and_operations():
    cost = my_rmsprop.cost()
    assert (cost.bytes_per_element, cost.state_bytes_per_element) == (20, 4)
    assert my_rmsprop.cost("float64").bytes_per_element == 40
    assert cost.operations_per_element == {"add": 2, "div": 1, "mul": 4, "sqrt": 1}
    assert cost.scalar_operations == 1
    assert "20 bytes of traffic" in str(cost)


CODES = {"m": "int8", "v": "uint8"}


@pytest.mark.parametrize(
    ("dtype", "settings", "types", "traffic", "state"),
    [
        ("float32", {}, "float32", 28, 8),
        ("float64", {}, "float64", 56, 16),
        ("bfloat16", {}, "bfloat16, float32 m v", 22, 8),
        ("bfloat16", {"states": "bfloat16"}, "bfloat16", 14, 4),
        ("float16", {"states": {"m": "bfloat16"}}, "float16, bfloat16 m, float32 v", 18, 6),
        ("float32", {"states": CODES}, "float32, int8 m, uint8 v", 16 + 1 / 16, 2 + 1 / 32),
        ("bfloat16", {"master": "float32"}, "bfloat16, float32 m v, master float32", 28, 12),
        ("bfloat16", {"master": "split16"}, "bfloat16, float32 m v, master split16", 26, 10),
        ("bfloat16", {"master": "split8"}, "bfloat16, float32 m v, master split8", 24, 9),
        ("float16", {"master": "kahan"}, "float16, float32 m v, master kahan", 26, 10),
    ],
)
def test_plan_and_cost_count_the_bytes_of_number_types(dtype, settings, types, traffic, state):
    plan, cost = adam.plan(dtype, **settings), adam.cost(dtype, **settings)
    assert plan.dtype == types
    assert plan.bytes_per_element == cost.bytes_per_element == traffic
    assert cost.state_bytes_per_element == state
    assert f"adam ({types}): 1 pass, {traffic:.4g} bytes per element" in str(plan)
    assert f"{traffic:.4g} bytes of traffic and {state:.4g} bytes of state" in str(cost)
    assert cost.state_bytes((64, 32)) == state * 64 * 32


def test_a_plan_says_how_numbers_are_rounded():
    plan = adam.plan("bfloat16", states="bfloat16", rounding="stochastic")
    assert plan.dtype == "bfloat16, stochastic rounding"


@pytest.mark.parametrize(
    ("rule", "shape", "others", "memory"),
    [
        (shampoo, (64, 32), {"rows x rows": 4, "cols x cols": 4}, 4 * (64 * 64 + 32 * 32)),
        (adafactor, (64, 32), {"row": 4, "column": 4}, 4 * (64 + 32)),
        (prodigy, (5,), {"model": 16}, 16 * 5 + 16),
        (adam, (3, 5), {}, 8 * 15),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_cost_counts_states_of_every_shape(rule, shape, others, memory):
    cost = rule.cost(shape=shape)
    assert cost.other_state_bytes == others
    assert cost.state_bytes(shape) == memory
    assert all(f"{n} per {what}" in str(cost) for what, n in others.items())


@pytest.mark.parametrize("rule", [adam, adafactor, shampoo, prodigy, largest_gradients])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_the_memory_of_states_is_that_of_a_learner(rule, kind):
    dtype = STORAGES[kind].numpy
    settings = {"states": CODES} if rule is adam else {}
    if kind == "bfloat16":
        settings["master"] = "split16"
    learner = rule([np.ones((20, 30), dtype)], backend="numpy", **settings)
    saved = learner.state_dict()
    bytes_of = [np.asarray(array).nbytes for array in saved["state"][0].values()]
    held = sum(bytes_of) + 8 * len(saved["model_state"])
    assert rule.cost(kind, shape=(20, 30), **settings).state_bytes((20, 30)) == held


def test_memory_is_that_of_parameters_of_the_dimensions_of_the_rule():
    with pytest.raises(ld.HyperparameterError, match=r"write rule.cost\(shape=\(3,\)\)"):
        adafactor.cost(shape=(4, 5)).state_bytes((3,))
    with pytest.raises(ld.RuleError, match="A shape must be a tuple"):
        adam.cost().state_bytes(3)


SETTINGS = {"states": CODES, "master": "split16", "rounding": "stochastic"}


def test_rules_show_what_a_learner_of_the_same_number_types_runs():
    learner = adam([np.ones((3, 4), STORAGES["bfloat16"].numpy)], **SETTINGS)
    assert adam.source(dtype="bfloat16", **SETTINGS) == learner.source()
    assert adam.plan("bfloat16", **SETTINGS) == learner.plan()
    assert adam.cost("bfloat16", **SETTINGS) == learner.cost()
    assert adam.loops("cpu", "bfloat16", **SETTINGS) in learner.source()
    assert adam.loops("cuda", "bfloat16", states="bfloat16") != adam.loops("cuda", "bfloat16")
    rounded = adam.stages("bfloat16", states="float16")["verify"].rounded
    assert {str(symbol) for symbol in rounded} == {"p", "m", "v"}


@ld.rule
def compact(p, g, lr=0.1):
    """A rule that declares the number type of its state."""
    m = ld.state("m", dtype="bfloat16")
    return ld.assign(p, p - lr * ld.assign(m, 0.9 * m + g))


def test_the_number_types_that_a_rule_declares_are_shown():
    assert compact.plan().dtype == "float32, bfloat16 m"
    assert compact.cost().state_bytes_per_element == 2
    assert compact.cost(states="float32").state_bytes_per_element == 4
    assert compact.plan("float64").dtype == "float64"
    assert compact.source() == compact([np.ones(3, np.float32)]).source()
    assert ld.check(compact, dtype="float64").ok


@pytest.mark.parametrize("show", ["program", "source", "loops", "plan", "cost", "stages"])
def test_number_types_that_cannot_be_are_refused_where_they_are_shown(show):
    with pytest.raises(ld.HyperparameterError, match="A state cannot be stored as 'int4'"):
        getattr(adam, show)(states={"v": "int4"})
    with pytest.raises(ld.UnknownNameError, match="adam has no state 'n'"):
        getattr(adam, show)(states={"n": "int8"})
    with pytest.raises(ld.HyperparameterError, match="write master=None"):
        getattr(adam, show)(master="split16")


@pytest.mark.parametrize(
    ("expression", "operations"),
    [
        (x + y * 2 - 1, {"add": 2, "mul": 1}),
        (-x / y, {"div": 1}),
        (1 / (x * y), {"div": 2}),
        (x**3 / sympy.sqrt(y), {"mul": 2, "div": 1, "sqrt": 1}),
        (x ** sympy.Rational(3, 2), {"mul": 1, "sqrt": 1}),
        (x**y + sympy.exp(x), {"pow": 1, "exp": 1, "add": 1}),
        (
            ld.where((x > 0) & (y < 1), ld.maximum(x, y), 0),
            {"select": 1, "and": 1, "compare": 2, "max": 1},
        ),
    ],
)
def test_operations_are_those_of_the_text(expression, operations):
    assert count_operations(expression) == operations


def test_source_is_a_file_that_python_can_find():
    learner = my_rmsprop([np.ones(3, np.float32)])
    path = Path(learner.source_file)
    assert path.read_text(encoding="utf-8") == learner.source() == my_rmsprop.source()
    assert learner.plan() == my_rmsprop.plan()
    assert learner.cost() == my_rmsprop.cost()


def test_assignments_are_plain_sympy():
    (a, update), (p, step) = my_rmsprop.assignments
    lr, rho = my_rmsprop.trace().hyperparameters
    g = my_rmsprop.trace().gradient
    assert (str(a), str(p)) == ("a", "p")
    assert sympy.diff(update, rho) == a - g**2
    assert update.subs(rho, 0) == g**2
    assert sympy.solve(sympy.Eq(step, 0), lr)[0].free_symbols >= {p, g}
    assert "sqrt" in sympy.latex(step)


def test_rules_keep_the_name_and_the_documentation_of_their_function():
    assert (switched.__name__, switched.__doc__) == ("switched", "A rule with an option.")
    assert list(inspect.signature(switched).parameters) == ["p", "g", "lr", "nesterov"]
    assert repr(switched) == "<rule switched(lr, nesterov)>"


def test_a_plan_shows_functions_of_matrices_before_the_pass_that_reads_them():
    @ld.rule
    def rotated(p, g, lr=0.1):
        gram = ld.let("gram", ld.matmul(g, ld.transpose(g)))
        return ld.assign(p, p - lr * ld.matmul(gram, g))

    plan = rotated.plan()
    assert [one.functions for one in plan.passes] == [("gram", "product_1")]
    assert "  on whole matrices: gram, product_1\n  pass 1: reads p" in str(plan)


def test_without_compilation_there_is_no_machine_code_to_show(monkeypatch):
    learner = adam([np.ones(3)])
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    for show in (learner.asm, learner.llvm):
        with pytest.raises(ld.HyperparameterError, match="unset it to see machine code"):
            show()
