"""Make the page of the gallery: a map of all learners and problems, and curves."""

from learnerdsl.gallery import PROBLEMS
from website.curves import Curve, panel
from website.results import ranked, results, score

KNOWN = ("sgd", "momentum_sgd", "rmsprop", "adagrad", "adam", "lion", "adabelief", "rprop")
"""Learners whose curves are drawn for each problem."""

PALETTE = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")
"""Viridis, from a score of 0 (nothing was learned) to -10."""


MARK = "<!-- The site has the map and the curves here. -->"
"""The place in docs/gallery/index.md where the map goes."""


def completed(markdown: str) -> str:
    """Return the page with the map of all scores, and a section for each problem."""
    sections = "\n\n".join(_section(name) for name in PROBLEMS)
    return markdown.replace(MARK, f"{_map()}\n\n## The problems\n\n{sections}")


def _map() -> str:
    """Return the table of all scores."""
    head = "".join(f'<th><a href="#{p.name}">{p.title}</a></th>' for p in PROBLEMS.values())
    rows = [f"<tr><th>learner</th>{head}</tr>"]
    for name in ranked():
        cells = "".join(_cell(name, problem) for problem in PROBLEMS)
        rows.append(f'<tr><th><a href="../learners/{name}.html">{name}</a></th>{cells}</tr>')
    note = "Learners are in the order of their mean rank over the problems."
    body = f"<thead>{rows[0]}</thead><tbody>{''.join(rows[1:])}</tbody>"
    return f'## All of them\n\n{note}\n\n<div class="heat"><table class="map">{body}</table></div>'


def _cell(name: str, problem: str) -> str:
    """Return the cell of a learner and a problem."""
    own = results()["learners"][name][problem]
    value = score(name, problem)
    if value is None:
        return f'<td class="none" title="{own["refused"]}"></td>'
    rate = "no rate" if own["rate"] is None else f"rate {own['rate']:g}"
    spread = ", ".join(f"{one:g}" for one in sorted(own["scores"]))
    ink = "#000" if value < -5 else "#fff"
    title = f"{name}, {rate}; seeds: {spread}"
    return f'<td style="background:{_colour(value)};color:{ink}" title="{title}">{value:.1f}</td>'


def _colour(value: float) -> str:
    """Return the colour of a score: between those of the palette, in steps of a hundredth."""
    if value > 0:
        return "#2b0a33"
    place = min(-value / 10, 1.0) * (len(PALETTE) - 1)
    k = min(int(place), len(PALETTE) - 2)
    share = place - k
    ends = PALETTE[k], PALETTE[k + 1]
    pairs = [[int(end[j : j + 2], 16) for end in ends] for j in (1, 3, 5)]
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def _section(name: str) -> str:
    """Return what a problem is, the best learners, and the curves of well-known ones."""
    problem = PROBLEMS[name]
    own = results()["learners"]
    scored = {n: s for n in own if (s := score(n, name)) is not None}
    best = sorted(scored, key=lambda n: (scored[n], n))[:8]
    worst = sorted(scored, key=lambda n: (-scored[n], n))[:5]
    curves = [Curve(n, own[n][name]["curve"], f"k{k}") for k, n in enumerate(KNOWN)]
    values = [value for curve in curves for value in curve.values]
    low = max(-10.0, min(-2.0, *values))
    key = " ".join(f'<span class="k{k}">{n}</span>' for k, n in enumerate(KNOWN))
    return "\n\n".join(
        [
            f"### {problem.title} {{#{name}}}",
            f"{problem.sentence} {problem.steps} updates.",
            f'<div class="wide">{panel(problem.title, curves, low, 1.0)}</div>\n'
            f'<p class="key">{key}</p>',
            f"Best: {_named(best, scored)}. Worst: {_named(worst, scored)}.",
        ]
    )


def _named(names: list[str], scores: dict[str, float]) -> str:
    """Return learners with links and scores."""
    return ", ".join(f"[`{n}`](../learners/{n}.md) ({scores[n]:.1f})" for n in names)
