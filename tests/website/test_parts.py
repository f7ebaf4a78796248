"""The parts that the site is built from."""

import re
from pathlib import Path

import numpy as np
import pytest
from support.problems import takes_vectors

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.gallery import PROBLEMS
from website.curves import Curve, panel
from website.gallery_page import _colour
from website.links import within_site
from website.results import ranked, results, score
from website.schedules_page import EXAMPLES, MARK, completed
from website.tables import judges

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("torch.md", "[a](../README.md#a-learner)", "[a](overview.md#a-learner)"),
        ("torch.md", "[a](../CONTRIBUTING.md)", "[a](contributing.md)"),
        ("contributing.md", "[a](docs/gpu.md)", "[a](gpu.md)"),
        ("benchmarks.md", "[a](../docs/gpu.md#x)", "[a](gpu.md#x)"),
        ("learners.md", "[`lion`](../learnerdsl/learners/l.py)", "[`lion`](learners/lion.md)"),
        ("learners/adam.md", "[a](../learners.md)", "[a](../learners.md)"),
        ("torch.md", "[the file](../examples/torch_digits.py)", "the file"),
        ("torch.md", "[a](#here) [b](https://x.org/y)", "[a](#here) [b](https://x.org/y)"),
        ("torch.md", "![a](images/a.svg)", "![a](images/a.svg)"),
        ("overview.md", "![a](docs/images/a.png)", "![a](images/a.png)"),
        ("torch.md", "```\n[a](../README.md)\n```", "```\n[a](../README.md)\n```"),
    ],
)
def test_links_lead_within_the_site(page, link, expected):
    assert within_site(link, page) == expected


def test_every_learner_has_a_judge_and_nearly_all_have_results_on_every_problem():
    # A learner may wait for the next run of benchmarks/gallery.py, and its page says so.
    assert set(judges()) == set(learners.__all__) >= set(results()["learners"])
    assert all(set(own) == set(PROBLEMS) for own in results()["learners"].values())


def test_results_are_complete_and_consistent():
    rates, seeds = results()["rates"], results()["seeds"]
    for own in results()["learners"].values():
        for found in own.values():
            if "refused" in found:
                continue
            assert len(found["scores"]) == len(seeds)
            assert len(found["medians"]) == (1 if found["rate"] is None else len(rates))
            median = round(float(np.median(found["scores"])), 2)
            assert median == min(found["medians"])


def test_learners_are_ranked_by_their_scores():
    order = ranked()
    assert sorted(order) == sorted(results()["learners"])
    of_matrices = [name for name in order if not takes_vectors(name)]
    assert order[-len(of_matrices) :] == of_matrices  # which no problem has
    first, last = (
        np.mean([s for p in PROBLEMS if (s := score(name, p)) is not None])
        for name in (order[0], order[-len(of_matrices) - 1])
    )
    assert first < last


def test_a_panel_draws_each_curve_within_its_frame():
    drawn = panel("Loss", [Curve("a", [0, -1, -20], "own"), Curve("b", [5, 0, -1], "other")], -4, 1)
    assert re.findall(r'class="(own|other)"', drawn) == ["own", "other"]
    points = re.findall(r"([\d.]+),([\d.]+)", drawn)
    assert len(points) == 6
    assert all(22 <= float(y) <= 112 for _, y in points)
    assert float(points[2][1]) == 112  # the lowest value of the axis
    assert float(points[3][1]) == 22


def test_lower_losses_are_brighter():
    def light(score):
        return sum(int(_colour(score)[k : k + 2], 16) for k in (1, 3, 5))

    lights = [light(score) for score in (1.0, 0.0, -2.5, -5.0, -7.5, -10.0)]
    assert lights == sorted(lights)
    assert len(set(lights)) == 6


def test_the_page_of_schedules_has_a_curve_for_each_formula():
    page = (ROOT / "docs" / "schedules.md").read_text()
    rows = re.findall(r"^\| `(\w+)\(", page.partition("## All of them")[2], re.MULTILINE)
    names = [text.partition("(")[0] for text in EXAMPLES]
    assert names == [name for name in rows if name != "ReduceOnPlateau"]
    made = completed(page)
    assert MARK in page
    assert made.count("<svg") == made.count("<polyline") == len(EXAMPLES)
    for text, drawn in zip(EXAMPLES, re.findall(r'points="([^"]+)"', made), strict=True):
        points = np.array([point.split(",") for point in drawn.split()], float)
        shares = (points[:, 0] - points[0, 0]) / (points[-1, 0] - points[0, 0])
        last = 64 if text.startswith("chebyshev") else 1000
        steps = np.round(1 + shares * (last - 1)).astype(int)
        values = eval(text, vars(ld.schedules)).values(last)[steps - 1]
        span = values.max() - values.min() or 1.0
        heights = (points[:, 1].max() - points[:, 1]) / 120  # of the picture
        np.testing.assert_allclose(heights, (values - values.min()) / span, atol=0.01)
