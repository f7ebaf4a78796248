"""What keeps the house in order: sizes of files, imports, and public names that are documented."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import learnerdsl as ld
from learnerdsl import learners, transforms

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "learnerdsl").rglob("*.py"))
GENERATED = ROOT / "tests" / "golden"
OTHERS = sorted(
    path
    for folder in ("tests", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if GENERATED not in path.parents
)
DOCUMENTED = "\n".join(
    path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
)


def lines_of_code(path):
    """Number of lines, docstrings not counted."""
    text = path.read_text()
    texts = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    return len(text.splitlines()) - sum(n.end_lineno - n.lineno + 1 for n in texts)


@pytest.mark.parametrize("path", [*SOURCES, *OTHERS], ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_short_enough_to_read(path):
    is_rule = path.parent == ROOT / "learnerdsl" / "learners" and path.name != "__init__.py"
    limit = 150 if is_rule else 400
    assert lines_of_code(path) <= limit


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_says_what_it_is_and_does_not_import_the_whole_package(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    imported = [
        alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names
    ]
    assert "learnerdsl" not in imported


def test_files_are_named_after_what_they_hold():
    assert not {p.stem for p in SOURCES} & {"utils", "helpers", "misc", "common", "manager"}


BUILTINS = [p for p in SOURCES if p.parent.name in ("learners", "transforms") and p.stem[0] != "_"]


@pytest.mark.parametrize("path", BUILTINS, ids=lambda p: str(p.relative_to(ROOT)))
def test_builtin_is_found_in_the_file_of_its_name(path):
    package = {"learners": learners, "transforms": transforms}[path.parent.name]
    defined = {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}
    assert path.stem in defined & set(package.__all__)
    # The name leads to the rule or transform, not to the module.
    assert not inspect.ismodule(getattr(package, path.stem))


PUBLIC = [name for name in dir(ld) if not name.startswith("_")]
OWN = [n for n in PUBLIC if getattr(getattr(ld, n), "__module__", "").startswith("learnerdsl")]


def test_dir_shows_public_names_alone():
    assert {"Learner", "check", "rule", "sqrt"} <= set(PUBLIC)
    assert [name for name in PUBLIC if inspect.ismodule(getattr(ld, name))] == [
        "learners",
        "plot",
        "schedules",
        "transforms",
    ]
    assert dir(learners) == learners.__all__
    assert dir(transforms) == transforms.__all__


@pytest.mark.parametrize("name", OWN)
def test_public_name_has_a_docstring(name):
    thing = getattr(ld, name)
    is_documentable = inspect.isroutine(thing) or inspect.isclass(thing)
    assert not is_documentable or inspect.getdoc(thing)


@pytest.mark.parametrize("name", sorted({*OWN, *learners.__all__, *transforms.__all__}))
def test_public_name_is_in_the_documentation(name):
    assert name in DOCUMENTED


def test_public_names_for_jax_are_documented():
    pytest.importorskip("optax")
    ldj = importlib.import_module("learnerdsl.jax")
    page = (ROOT / "docs" / "jax.md").read_text()
    names = [name for name in dir(ldj) if name not in learners.__all__]
    assert {"LearnerState", "from_learner", "transformation"} <= set(names)
    assert set(dir(ldj)) == {*names, *learners.__all__}
    for name in names:
        text = inspect.getdoc(getattr(ldj, name))
        assert re.search(rf"\b{name}\b", page), name
        assert text, name
        is_function = inspect.isfunction(getattr(ldj, name))
        assert not is_function or ("Args:" in text and ">>> " in text), name


@pytest.mark.parametrize("name", learners.__all__)
def test_builtin_has_mathematics_an_example_and_a_source(name):
    text = inspect.getdoc(getattr(learners, name))
    assert "$$" in text
    assert f">>> from learnerdsl.learners import {name}" in text
    assert "http" in text


def test_builtins_are_listed_in_order():
    assert sorted(learners.__all__) == learners.__all__
    assert sorted(transforms.__all__) == transforms.__all__


PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
FOLDERS = ("learnerdsl", "tests", "docs", "benchmarks", "examples")
THERE = {f"/{path.name}" for path in ROOT.iterdir()} | {
    f"/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*")
}
FILE = re.compile(r"[\w./-]+(/|\.(py|md|toml|yaml|ipynb))")


def code_in(page):
    """What a page shows as code: spans in its text, and lines of its blocks."""
    text = page.read_text()
    blocks = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return spans, [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_name_files_that_exist(page):
    spans, _ = code_in(page)
    named = [span.rstrip("/") for span in spans if FILE.fullmatch(span)]
    missing = [n for n in named if not any(path.endswith(f"/{n}") for path in THERE)]
    links = re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text())
    missing += [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_name_targets_of_make_that_exist(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    spans, lines = code_in(page)
    named = [re.match(r"make ([\w-]+)", text) for text in (*spans, *lines)]
    assert {match[1] for match in named if match} <= targets
