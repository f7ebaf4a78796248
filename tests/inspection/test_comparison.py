"""Rules side by side."""

import difflib
import json

import pytest
from support.rules import clipped_adamw_ema, my_rmsprop

import learnerdsl as ld
from learnerdsl import inspection
from learnerdsl.cards.comparisons import comparison
from learnerdsl.inspection.comparison import _aligned
from learnerdsl.learners import adam, adamw, lion, nadam, polyak_sgd, sgd, shampoo


def test_a_comparison_marks_what_differs():
    both = ld.compare(adam, adamw)
    assert both.names == ("adam", "adamw")
    assert "states" not in both.differences
    assert not both["states"].differs
    (decay,) = [row for row in both["hyperparameters"].rows if row.differs]
    assert all("weight_decay" in text for text in decay.texts)
    text = str(both)
    assert "states: the same" in text
    assert f"| {decay.texts[0]} | {decay.texts[1]}" in " ".join(text.split())


def test_lines_with_a_name_stand_in_one_row():
    found = ld.compare(adam, nadam, shampoo)
    eps = [row.texts for row in found["hyperparameters"].rows if "eps" in "".join(row.texts)]
    assert eps == [("eps = 1e-08", "eps = 1e-08", "eps = 1e-06")]
    (traffic, *_) = found["cost"].rows
    assert all("bytes of traffic" in text for text in traffic.texts)
    (decay,) = [row for row in found["hyperparameters"].rows if "momentum_decay" in row.texts[1]]
    assert decay.texts == ("", "momentum_decay = 0.004", "")
    assert [row.texts for row in found["options"].rows] == [("", "", "every = 1")]


def test_inputs_and_sources_are_compared():
    found = ld.compare(sgd, polyak_sgd)
    assert [row.texts for row in found["inputs"].rows] == [("gradient", "gradient"), ("", "loss")]
    assert found["states"].rows == ()
    assert "states" not in str(found)
    assert "http" not in str(found)
    assert any("Polyak" in row.texts[1] for row in found["sources"].rows)


def test_a_comparison_survives_a_file():
    found = ld.compare(adam, lion, my_rmsprop)
    assert comparison(json.loads(json.dumps(found.described()))) == found


def test_a_rule_is_like_itself():
    assert ld.compare(lion, lion).differences == ()
    assert "|" not in str(ld.compare(lion, lion)).replace("\\|", "").split("loops:")[0]


@pytest.mark.parametrize(
    "rules", [(adam, lion, my_rmsprop), (my_rmsprop, clipped_adamw_ema), (shampoo, adam)]
)
def test_every_line_of_every_rule_is_there_in_order(rules):
    found = ld.compare(*rules)
    for number, rule in enumerate(rules):
        columns = {
            own.title: [row.texts[number] for row in own.rows if row.texts[number]]
            for own in found.sections
        }
        assert columns["mathematics"] == [t for t in rule.pretty().splitlines() if t]
        assert len(columns["hyperparameters"]) == len(rule.trace().hyperparameters)
        assert columns["sweeps"] == str(rule.plan()).splitlines()[1:]
        loops = [line for line in rule.loops().splitlines() if line]
        assert [t.replace(" pass_", f" {rule.name}_pass_") for t in columns["loops"]] == loops


@pytest.mark.parametrize(
    ("first", "other"),
    [("abcd", "abxd"), ("abc", ""), ("", "abc"), ("abcd", "bcdxyz"), ("ab", "xyz")],
)
def test_equal_lines_stand_in_one_row(first, other):
    rows = _aligned([list(first), list(other)])
    for number, text in enumerate((first, other)):
        assert "".join(row.texts[number] for row in rows) == text
    matcher = difflib.SequenceMatcher(None, list(first), list(other), autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    assert sum(not row.differs for row in rows) == same


def test_notebooks_show_tables_that_need_nothing_else():
    html = ld.compare(adam, adamw)._repr_html_()
    assert html.count("<table") == html.count("</table>") == 1
    assert html.count("<tr>") == html.count("</tr>")
    assert "rgba(" in html
    assert "<script" not in html
    assert "http" not in html
    assert "m &lt;-" in html or "m <-" not in html


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ld.HyperparameterError, match="needs two rules or more, got 1"):
        ld.compare(adam)
    with pytest.raises(ld.LearnerError, match="compare takes rules, got 'adam'"):
        ld.compare("adam", adam)
    assert isinstance(ld.compare(adam, lion), inspection.Comparison)
