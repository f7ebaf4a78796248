"""Matrices that functions of matrices take are whole on each device."""

import re

import pytest

from learnerdsl import learners


def marked(rule):
    """The values that are made whole, with what they are made of."""
    text = getattr(learners, rule).source("jax")
    return dict(re.findall(r"^    (\w+) = whole\((.*)\)$", text, re.MULTILINE))


def test_an_iteration_begins_with_a_matrix_that_is_whole():
    found = marked("muon")
    assert found["x_0"] == "cast(inverse_divisor, p) * u"
    # Its steps are computed of whole matrices alone, and stay whole.
    assert {"x_1", "x_2", "x_3", "x_4"} <= found.keys()
    assert not found.keys() & {"u", "m_new", "x_5", "change"}


def test_what_is_computed_element_by_element_stays_split():
    found = marked("soap")
    assert found["g_whole"] == "g"
    assert found["v_now_whole"] == "v_now"
    assert found["m_now_whole"] == "m_now"
    assert not found.keys() & {"m_now", "m_new", "v_now", "v_new", "left_new", "right_new"}


def test_a_matrix_that_only_products_use_is_made_whole_where_it_is_computed():
    assert marked("shampoo") == {"decayed": "g + weight_decay * p"}


@pytest.mark.parametrize("rule", ["adam", "lamb", "adafactor"])
def test_rules_without_functions_of_matrices_need_no_whole_ones(rule):
    assert marked(rule) == {}
