"""Everything that shows what runs: mathematics, loops, plan, cost, files, notebook views."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import sympy
from support.rules import clipped_adamw_ema, largest_gradients, my_rmsprop

import learnerdsl as ld
from learnerdsl import inspection
from learnerdsl.codegen.operations import count_operations
from learnerdsl.learners import adam, lion

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
        "a_t &= g_t^{2} \\left(1 - \\rho\\right) + \\rho a_{t-1} \\\\\n"
        "p_t &= p_{t-1} - \\frac{g_t \\eta}{\\sqrt{a_t}}\n"
        "\\end{aligned}"
    )


def test_latex_braces_match_for_rules_of_every_kind():
    for rule in (adam, lion, clipped_adamw_ema, largest_gradients):
        text = rule.latex()
        assert text.count("{") == text.count("}")
        assert "\\left" not in text or text.count("\\left") == text.count("\\right")


def test_notebooks_show_mathematics_plan_and_code():
    html = my_rmsprop._repr_html_()
    assert my_rmsprop.latex() in html
    assert "1 pass, 20 bytes per element" in html
    assert "for i in range(count):" in html
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
    monkeypatch.setattr(inspection._settings, "DISABLE_JIT", 1)
    for show in (learner.asm, learner.llvm):
        with pytest.raises(ld.HyperparameterError, match="unset it to see machine code"):
            show()
