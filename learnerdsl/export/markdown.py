"""Export a rule as a page in Markdown."""

import inspect
import re

from learnerdsl import inspection
from learnerdsl.export.request import Request, Variant, listed, mathematics_of
from learnerdsl.expr import Sides


def markdown(request: Request) -> str:
    """Return a page with the mathematics, arguments, states, cost, loop and source of a rule."""
    sections = [
        [f"# {request.name}", "", request.title, ""],
        _mathematics(request),
        _hyperparameters(request),
        _states(request),
        _cost(request),
        ["## Source", "", *request.source] if request.source else [],
        [request.licence],
    ]
    lines = [line for own in sections if own for line in (*own, "")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _mathematics(request: Request) -> list[str]:
    lines = ["## Mathematics", ""]
    for variant, ndims in mathematics_of(request.variants, _block):
        lines += [f"For parameters of {listed(ndims)} axes:", ""] if ndims else []
        lines += ["$$", _block(variant), "$$", ""]
    return lines


def _block(variant: Variant) -> str:
    return inspection.latex(variant.rule)


def _hyperparameters(request: Request) -> list[str]:
    meanings = meanings_of(request.doc)
    rows = [
        f"| `{name}` | {default} | {meanings.get(name, '')} |"
        for name, default in request.hyperparameters
    ]
    head = ["| hyperparameter | default | meaning |", "|---|---|---|"]
    return ["## Hyperparameters", "", *head, *rows] if rows else []


def _states(request: Request) -> list[str]:
    found: dict[str, str] = {}
    for variant in request.variants:
        for spec in variant.rule.states:
            shape = spec.symbol.shape
            text = shape if isinstance(shape, str) else _axes(shape)
            found.setdefault(spec.public, f"| `{spec.public}` | {text} | `{spec.init}` |")
    head = ["| state | one value for each | starts from |", "|---|---|---|"]
    return ["## States", "", *head, *found.values()] if found else []


def _axes(shape: tuple[int | str, ...]) -> str:
    """Return in words what a state over axes, or a matrix, has values for."""
    if isinstance(shape, Sides):
        return f"entry of a matrix ({shape[0]}, {shape[1]})"
    noun = "axis" if len(shape) == 1 else "axes"
    return f"index of {noun} {', '.join(map(str, shape))}"


def _cost(request: Request) -> list[str]:
    program = request.program()
    cost = inspection.cost(program)
    lines = ["## Cost", "", "```", str(inspection.plan(program)), "```", ""]
    lines.append(
        f"States take {cost.state_bytes_per_element:g} bytes for each element, in {request.dtype}."
    )
    return [*lines, "", "## Loop", "", "```python", inspection.loops(program), "```"]


def meanings_of(doc: str) -> dict[str, str]:
    """Return name of an argument -> what the section `Args` of a docstring says of it."""
    found = re.search(r"^Args:\n(.*?)(?:\n\n|\Z)", inspect.cleandoc(doc), re.S | re.M)
    entries = re.split(r"\n(?=    \w)", found[1]) if found else []
    pairs = [" ".join(entry.split()).partition(": ") for entry in entries]
    return {name: meaning.replace("|", r"\|") for name, _, meaning in pairs}
