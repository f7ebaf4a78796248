"""Make the pages of the reference: every public name, from its docstring."""

from functools import cache

import learnerdsl as ld
import learnerdsl.jax as ldj
import learnerdsl.torch as ldt
from learnerdsl import cntk, learners, schedules, transforms
from learnerdsl.elementary import FUNCTIONS

LANGUAGE = [
    "rule",
    "state",
    "assign",
    "let",
    "combine",
    "extra",
    "evaluate",
    "where",
    "clip",
    "equal",
    "not_equal",
    "maximum",
    "minimum",
    "isfinite",
    "isnan",
    "sum",
    "mean",
    "norm",
    "max",
    "min",
    "prod",
    "count",
    "any",
    "all",
    "size",
    "ndim",
    "shape",
    "normal",
    "uniform",
    "matmul",
    "transpose",
    "inverse_root",
    "eigenvectors",
    "orthonormal",
    "identity",
]
COMPOSITION = ["transform", "chain", "renamed", "shared", "only_when", "by_parameter"]
FIT = ["minimize", "minimize_method", "lr_finder", "RateSearch", "History", "compare"]
JAX = [
    "transformation",
    "Transformation",
    "factory",
    "LearnerState",
    "from_optax",
    "from_step",
    "to_optax",
    "from_learner",
    "to_learner",
    "from_torch",
    "to_torch",
    "from_optax_state",
    "to_optax_state",
]
OBJECTS = [
    "UpdateRule",
    "Learner",
    "Rule",
    "Chain",
    "Transform",
    "Schedule",
    "RowSparse",
    "Report",
    "check",
    "get_num_threads",
    "set_num_threads",
]


@cache
def pages() -> dict[str, str]:
    """Return path of a page -> its Markdown."""
    errors = [name for name in dir(ld) if name.endswith("Error")]
    tables = {
        "language": ("The language", "learnerdsl", LANGUAGE),
        "composition": ("Composition", "learnerdsl", COMPOSITION),
        "objects": ("Rules and learners", "learnerdsl", OBJECTS),
        "fit": ("Fit and observe", "learnerdsl", FIT),
        "errors": ("Errors", "learnerdsl", errors),
        "schedules": ("Schedules", "learnerdsl.schedules", list(_public(schedules))),
        "transforms": ("Transforms", "learnerdsl.transforms", transforms.__all__),
        "torch": ("PyTorch", "learnerdsl.torch", ["optimizer_class", "from_library"]),
        "jax": ("JAX", "learnerdsl.jax", JAX),
        "cntk": ("CNTK", "learnerdsl.cntk", list(_public(cntk))),
    }
    found = {
        f"api/{stem}.md": f"# {title}\n\n" + "\n\n".join(f"::: {module}.{n}" for n in names) + "\n"
        for stem, (title, module, names) in tables.items()
    }
    found["api/language.md"] += _functions()
    found["api/index.md"] = _index({stem: (row[0], row[2]) for stem, row in tables.items()})
    return found


def _public(module: object) -> list[str]:
    """Return the functions and classes that a module offers."""
    found = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    return [name for name, value in found.items() if callable(value)]


def _functions() -> str:
    """Return the table of functions of elements, which are rows of a table in the package too."""
    rows = [f"| `{f.name}({', '.join(f.arguments)})` | {f.summary} |" for f in FUNCTIONS]
    return "\n## Functions of elements\n\n| function | |\n|---|---|\n" + "\n".join(rows) + "\n"


def _index(tables: dict[str, tuple[str, list[str]]]) -> str:
    """Return the page that lists the others."""
    lines = ["# Reference", "", "Every public name, from its docstring.", ""]
    for stem, (title, names) in tables.items():
        lines.append(f"* [{title}]({stem}.md): " + ", ".join(f"`{name}`" for name in names))
    lines += [
        "",
        f"The {len(learners.__all__)} builtin learners have [pages of their own]"
        "(../learners.md). Each "
        f"has a class in `learnerdsl.torch` too, for example `{ldt.AdamW.__name__}`, and "
        f"a function in `learnerdsl.jax`, for example `{ldj.adamw.__name__}`.",
    ]
    return "\n".join(lines) + "\n"
