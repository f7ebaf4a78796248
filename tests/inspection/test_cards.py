"""Cards: the same content in HTML and in text, for everything that a user holds."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from support.tiers import FEW

import learnerdsl as ld
from learnerdsl import learners, transforms
from learnerdsl.cards import Card, Code, Curve, Fold, Mathematics, Table, Text, pages
from learnerdsl.learners import adam, adamw, lamb, muon

clipped = ld.chain(transforms.clip_by_global_norm, adamw, transforms.ema)


def tree_of(html):
    """Parse HTML as XML, which fails unless every element is closed and every text escaped."""
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>"))


def body_of(card):
    return tree_of(pages.body(card))


def texts_of(items):
    """Yield each piece of text of a card that both renderers must show."""
    for item in items:
        if isinstance(item, Text):
            yield item.text
        elif isinstance(item, Table):
            yield from (cell for row in (item.head, *item.rows) for cell in row)
        elif isinstance(item, Code):
            yield from item.text.splitlines()
        elif isinstance(item, Fold):
            yield item.title
            yield from texts_of(item.items)
        elif isinstance(item, Mathematics):
            assert item.lines
            assert item.plain
        else:
            assert isinstance(item, Curve)


def check_card(card):
    """Raise unless both renderers show everything that the card holds, safely."""
    assert isinstance(card, Card)
    html, plain = card.html(), str(card)
    check_is_alone(html)
    tree_of(card.page())
    shown = squeezed("".join(body_of(card).itertext()))
    plain = squeezed(plain)
    assert squeezed(card.title) in shown
    for section in card.sections:
        for text in (section.title, *texts_of(section.items)):
            assert squeezed(text) in shown
            assert squeezed(text) in plain
    equations = [i for s in card.sections for i in s.items if isinstance(i, Mathematics)]
    written = re.findall("<math", html)
    assert len(written) == 2 * sum(len(item.lines) for item in equations)


def squeezed(text):
    return re.sub(r"\s", "", text)


class _Loads(HTMLParser):
    """Collects what a browser would load or run."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        if tag in ("script", "img", "iframe", "link", "object", "embed") or "src" in names:
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on")]


def check_is_alone(html):
    """Raise if a page with this HTML would load something or run a script."""
    loads = _Loads()
    loads.feed(html)
    assert loads.found == []
    assert "url(" not in html
    assert "@import" not in html


def make_learner():
    params = {"w": np.ones((4, 3), np.float32), "b": np.ones(3, np.float32)}
    groups = [{"params": ["b"], "weight_decay": 0.0}]
    return adamw(params, lr=ld.schedules.cosine(0.1, steps=100), groups=groups)


THINGS = {
    "rule": lambda: adam,
    "two passes": lambda: lamb,
    "matrices": lambda: muon,
    "chain": lambda: clipped,
    "transform before": lambda: transforms.clip_by_value,
    "transform after": lambda: transforms.ema,
    "learner": make_learner,
    "plan": muon.plan,
    "cost": lambda: learners.shampoo.cost(),
    "exchanges": lamb.collectives,
    "plan with exchanges": lambda: lamb.plan(sharded=True),
    "no exchange": adam.collectives,
    "stages": lamb.stages,
    "schedule": lambda: ld.schedules.cosine(0.1, steps=100),
}


@pytest.mark.parametrize("name", THINGS)
def test_everything_that_a_user_holds_has_a_card(name):
    thing = THINGS[name]()
    check_card(thing.card())
    assert thing._repr_html_() == thing.card().html()
    assert thing.card()._repr_html_() == thing.card().html()


def test_the_card_of_a_plan_has_what_processes_exchange():
    assert "after pass 1: join sum_1, sum_2" in lamb.plan(sharded=True).card().html()
    assert "processes exchange" not in lamb.plan().card().html()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in FEW else pytest.mark.slow) for n in learners.__all__]
)
def test_the_card_of_every_builtin(name):
    rule = getattr(learners, name)
    card = rule.card()
    check_card(card)
    titles = [section.title for section in card.sections]
    assert {"Mathematics", "Sweeps over memory", "Code", "Sources"} <= set(titles)
    for section in card.sections:
        if section.title in ("Hyperparameters", "Options"):
            (table,) = section.items
            assert all(meaning for _, _, meaning in table.rows), table.rows


@pytest.mark.parametrize("name", transforms.__all__)
def test_the_card_of_every_transform(name):
    check_card(getattr(transforms, name).card())


def section(card, title):
    return next(s.items for s in card.sections if s.title == title)


def test_the_card_of_a_rule_has_its_defaults_states_and_passes():
    card = adam.card("bfloat16", states={"m": "int8"}, master="split16")
    (hypers,) = section(card, "Hyperparameters")
    assert hypers.rows[1] == ("beta1", "0.9", "share β_1 of the mean gradient that is kept.")
    (states,) = section(card, "States")
    assert [row[:4] for row in states.rows] == [
        ("m", "element", "int8", "1"),
        ("v", "element", "float32", "4"),
    ]
    table, sentence = section(card, "Sweeps over memory")
    assert table.rows == (("1", "p, g, m, v", "m, v, p", ""),)
    assert str(adam.cost("bfloat16", states={"m": "int8"}, master="split16")) in sentence.text
    assert section(card, "Sources")[0].link == "https://arxiv.org/abs/1412.6980"


def test_the_card_of_a_chain_names_its_members():
    (table,) = section(clipped.card(), "Members")
    assert [row[1:3] for row in table.rows] == [
        ("clip_by_global_norm", "transform of the gradient"),
        ("adamw", "rule"),
        ("ema", "transform of the new value"),
    ]
    assert all(what for *_, what in table.rows)


def test_the_card_of_a_learner_shows_it_as_it_is_now():
    learner = make_learner()
    for _ in range(3):
        learner.update({n: np.ones_like(a) for n, a in learner.parameters.items()})
    card = learner.card()
    (now,) = section(card, "Now")
    assert "2 parameters, 15 elements, 120 bytes of states; 3 updates done" in now.text
    table, sentence, formula, curve = section(card, "Hyperparameters")
    rows = {row[:2]: row[2:] for row in table.rows}
    assert float(rows["0", "lr"][0]) == pytest.approx(learner.hyperparameters["lr"], rel=1e-5)
    assert rows["0", "lr"][1] == "below"
    assert rows["1", "weight_decay"] == ("0", "")
    assert sentence.text == "lr, where step 4 is next:"
    assert "Min(" not in formula.plain
    assert "min" in formula.plain
    assert curve.marked == 4
    learner.hyperparameters["lr"] = 0.5
    table, *curves = section(learner.card(), "Hyperparameters")
    assert {row[:2]: row[2:] for row in table.rows}["0", "lr"] == ("0.5", "")
    assert curves == []


def test_memory_of_a_learner_counts_states_of_the_model_once():
    learner = learners.prodigy([np.ones(5, np.float32), np.ones(7, np.float32)])
    (table,) = section(learner.card(), "Memory")
    memory = dict(table.rows)
    assert memory["d"] == "8 bytes"
    assert memory["m"] == "48 bytes"


def test_many_parameters_are_counted_and_not_all_listed():
    learner = adam([np.ones(2, np.float32) for _ in range(40)])
    table, more = section(learner.card(), "Parameters")
    assert len(table.rows) == 12
    assert more.text == "and 28 more."


def test_a_learner_says_what_is_frozen():
    params = {name: np.ones(3) for name in ("a", "b", "c")}
    groups = [{"params": ["b", "c"], "frozen": True}, {"params": "a", "lr": 0.5}]
    card = adam(params, groups=groups).card()
    check_card(card)
    _, sentence = section(card, "Parameters")
    assert sentence.text == "Frozen, without states and not counted: b, c."
    (settings,) = section(card, "Hyperparameters")
    assert {row[0] for row in settings.rows} == {"0", "2"}
    assert len(section(adam(params).card(), "Parameters")) == 1


@ld.rule
def broken(p, g, lr=0.1):
    """A rule with a mistake."""
    return ld.assign(p, p - lr * g if g > 0 else p)


def test_a_broken_rule_shows_its_error_in_its_card():
    card = broken.card()
    check_card(card)
    (error,) = section(card, "Error")
    assert error.is_error
    assert "write learnerdsl.where(condition, a, b) instead of if" in error.text
    assert "ld-error" in broken._repr_html_()


def test_an_error_of_python_in_a_rule_is_shown_too():
    @ld.rule
    def misspelt(p, g, lr=0.1):
        return ld.assign(p, p - lr * grad)  # noqa: F821

    card = misspelt.card()
    check_card(card)
    assert "name 'grad' is not defined" in section(card, "Error")[0].text


def test_arguments_that_cannot_be_are_refused():
    with pytest.raises(ld.UnknownNameError, match="no option 'nesterof'"):
        adam.card(nesterof=True)


def test_hostile_text_is_escaped():
    @ld.rule
    def hostile(p, g, lr=0.1):
        """</p><script>alert(1)</script> & <b onclick="x">.

        Args:
            p: the parameter.
            g: its gradient.
            lr: </td><img src=x onerror=alert(1)> [x](javascript:alert(1)).
        """
        return ld.assign(p, p - lr * g)

    check_card(hostile.card())
    learner = adam({'<script>"x"</script>': np.ones(2, np.float32)})
    check_card(learner.card())
    assert "<script>" in str(learner.card())


def test_names_in_other_scripts_are_shown():
    @ld.rule
    def unicode(p, g, β=0.1, größe=0.2):
        """Use letters beyond ASCII."""
        return ld.assign(p, p - β * größe * g)

    check_card(unicode.card())


def test_stages_are_a_dict_with_changes_marked():
    stages = adam.stages()
    assert isinstance(stages, dict)
    assert list(stages) == ["lower", "domains", "matrices", "fuse", "hoist", "share", "verify"]
    folds = stages.card().sections[0].items
    assert [fold.title.partition(":")[0] for fold in folds] == list(stages)
    html = stages._repr_html_()
    assert "<ins>+ " in html
    assert "<del>- " in html
    for before, fold in zip([None, *stages.values()], folds, strict=False):
        (code,) = fold.items
        if code.language == "diff":
            old = [line[2:] for line in code.text.splitlines() if line[0] in " -"]
            assert old == str(before).splitlines()


def test_a_curve_is_svg_with_all_values_in_its_frame():
    schedule = ld.schedules.cosine(0.1, steps=100)
    html = schedule._repr_html_()
    svg = next(e for e in tree_of(f"<div>{html}</div>").iter() if e.tag.endswith("svg"))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    line = next(e for e in svg if e.tag.endswith("polyline"))
    points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    (curve,) = section(schedule.card(), "Curve")
    assert list(curve.values) == [schedule(step) for step in curve.steps]
    # A fall of the value is a rise of the pixel, by the same share.
    ys, values = np.array([y for _, y in points]), np.array(curve.values)
    share = (ys - ys.min()) / (ys.max() - ys.min())
    assert share == pytest.approx((values.max() - values) / (values.max() - values.min()), abs=1e-3)


def test_a_constant_schedule_has_a_flat_curve():
    check_card(ld.schedules.constant(0.1).card())


def test_a_schedule_without_a_value_says_so():
    card = ld.schedules.Schedule(1 / (ld.step - 3)).card()
    check_card(card)
    assert "division by zero" in section(card, "Curve")[0].text


def test_code_is_plain_without_pygments(monkeypatch):
    monkeypatch.setattr(pages, "_pygments", lambda: None)
    html = adam.card().html()
    assert 'class="ld-k"' not in html
    check_card(adam.card())


def test_styles_are_for_cards_alone_and_know_both_schemes():
    rules = re.sub(r"@media[^{]*{", "", pages.STYLE)
    selectors = [own.strip("} ") for own in re.findall(r"([^{}]+){", rules)]
    assert all(".ld-card" in own for own in selectors)
    assert "prefers-color-scheme:dark" in pages.STYLE
    assert "--jp-layout-color1" in pages.STYLE
