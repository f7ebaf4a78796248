"""Errors of a rule point to the line of its own code."""

import importlib.util
import sys

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.learners import adam, muon

RULES = """
import math

import sympy

import learnerdsl as ld


def root(x):
    return math.sqrt(x)  # HELPER


@ld.rule
def compares(p, g, lr=0.1):
    if g > 0:  # COMPARES
        return ld.assign(p, p - lr)
    return ld.assign(p, p + lr)


@ld.rule
def calls(p, g, lr=0.1):
    return ld.assign(p, p - lr * root(g))


@ld.rule
def foreign(p, g, lr=0.1):
    m = ld.state("m")
    m_new = ld.assign(m, m + g)
    u = ld.let("u", m_new * sympy.Symbol("x"))  # FOREIGN
    return ld.assign(p, p - lr * u)


@ld.rule
def loses(p, g, lr=0.1):
    m = ld.state("m")
    ld.assign(m, m + g)  # LOSES
    return ld.assign(p, p - lr * m)


@ld.rule  # WHOLE
def whole(p, g, lr=0.1):
    return None


@ld.rule  # WIDE
def wide(p, g, lr=0.1):
    s = ld.state("s", shape="tensor")
    return ld.assign(p, p - lr * ld.assign(s, s + g))


@ld.rule
def misspelt(p, g, lr=0.1):
    return ld.assign(p, p - lr * grad)  # MISSPELT


@ld.rule
def deep(p, g, lr=0.1):
    return ld.assign(p, p - lr * ld.matmul(g, ld.transpose(g)))


@ld.rule
def refuses(p, g, lr=0.1):
    if ld.ndim(p) > 1:
        raise ld.RuleError("It is for vectors.")  # REFUSES
    return ld.assign(p, p - lr * g)


@ld.transform
def changes(p, g):
    return root(g)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules_with_mistakes.py"
    path.write_text(RULES)
    spec = importlib.util.spec_from_file_location("rules_with_mistakes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line_of(own, mark):
    numbers = [k for k, line in enumerate(RULES.splitlines(), 1) if line.endswith(f"# {mark}")]
    (number,) = numbers
    return f"{own.__file__}:{number}"


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("compares", "COMPARES"),
        ("calls", "HELPER"),
        ("foreign", "FOREIGN"),
        ("loses", "LOSES"),
        ("whole", "WHOLE"),
        ("wide", "WIDE"),
        ("refuses", "REFUSES"),
    ],
)
def test_an_error_names_the_line_that_caused_it(own, name, mark):
    place = line_of(own, mark)
    with pytest.raises(ld.RuleError) as caught:
        getattr(own, name).program()
    assert caught.value.place == place
    assert str(caught.value).endswith(f". See {place}.")
    assert str(caught.value).count("See ") == 1


def test_an_error_of_a_learner_names_parameter_and_line(own):
    params = {"vector": np.ones(3), "matrix": np.ones((2, 3))}
    with pytest.raises(ld.RuleError) as caught:
        own.refuses(params)
    text = f"Parameter 'matrix' of shape (2, 3): It is for vectors. See {line_of(own, 'REFUSES')}."
    assert str(caught.value) == text
    assert any("REFUSES" in str(entry.statement) for entry in caught.traceback)


def test_the_member_of_a_chain_is_named(own):
    with pytest.raises(ld.RuleError, match=r"See .*rules_with_mistakes\.py:\d+\.$") as caught:
        ld.chain(own.changes, adam).program()
    assert caught.value.place == line_of(own, "HELPER")


def test_errors_of_python_stay_what_they_are(own):
    with pytest.raises(NameError, match=r"^name 'grad' is not defined") as caught:
        own.misspelt({"a": np.ones(3), "b": np.ones(2)})
    assert caught.value.place == line_of(own, "MISSPELT")
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == ["It is the rule of parameter 'a' of shape (3,)."]
    (section,) = own.misspelt.card().sections
    text = f"NameError: name 'grad' is not defined. See {line_of(own, 'MISSPELT')}."
    assert [item.text for item in section.items] == [text]


def test_a_builtin_points_to_no_line_of_this_package():
    with pytest.raises(ld.RuleError, match=r"use muon_with_adamw\.$"):
        muon.program(shape=(3,))


def test_places_make_no_difference_between_rules(own):
    lines = own.refuses.trace(shape=(3,)).lines
    assert all(line.place.startswith(own.__file__) for line in lines)
    assert "rules_with_mistakes" not in repr(own.refuses.trace(shape=(3,)))
    assert "rules_with_mistakes" not in own.refuses.source(shape=(3,))


def test_a_broken_rule_has_no_mathematics_but_says_why_once(own):
    assert own.compares._repr_latex_() is None
    html = own.compares._repr_html_()
    assert html.count("write learnerdsl.where") == 1
    assert "RuleError" not in html
