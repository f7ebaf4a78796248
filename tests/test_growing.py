"""docs/growing.md lists the files to touch for each kind of growth; the code has no others."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "growing.md").read_text()
RULES = {"learners", "transforms", "cntk"}
SECTIONS = {
    "A function": r"erf",
    "A reduction": r"_?PROD|ProdOver|prod|accumulate_product",
    "A function of matrices": r"cholesky|Cholesky",
    "A number type": r"bfloat16|\w+_bfloat16",
    "A target": r"cuda|CUDA|print_cuda\w*|cuda_module|Threads",
}
"""Heading of a section -> the names by which the code knows its example."""


def names_in(path):
    """Identifiers and whole strings of a module, without docstrings and comments."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            yield str(node.value)
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and not _is_of_numpy(node):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")


def _is_of_numpy(node):
    owner = node.value
    return isinstance(owner, ast.Name) and owner.id in ("np", "math", "xp")


def files_with(names):
    """The modules of the package, but for the builtin rules, that use one of some names."""
    found = set()
    for path in sorted((ROOT / "learnerdsl").rglob("*.py")):
        parts = path.relative_to(ROOT / "learnerdsl").parts
        if parts[0] not in RULES and any(re.fullmatch(names, name) for name in names_in(path)):
            found.add(str(path.relative_to(ROOT)))
    return found


def listed(heading):
    """The modules that a section of the page lists."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\* `(learnerdsl/[\w/]+\.py)`", section, re.MULTILINE))


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_page_lists_the_files_that_know_the_example(heading):
    assert listed(heading) == files_with(SECTIONS[heading])


def test_every_path_of_the_page_exists():
    for path in re.findall(r"`((?:learnerdsl|tests|docs|benchmarks)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path
