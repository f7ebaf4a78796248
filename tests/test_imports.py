"""What is imported when: the package at once, SymPy with the first rule, Numba to run something."""

import ast
import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import learnerdsl as ld
from learnerdsl.elementary import FUNCTIONS

HEAVY = ("numba", "llvmlite", "numpy", "sympy", "scipy", "torch", "jax")


def imported_by(code):
    """Those of the heavy libraries that a process has imported after some code."""
    ending = f"\nimport json, sys\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    command = [sys.executable, "-c", code + ending]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_package_imports_nothing_heavy():
    assert imported_by("import learnerdsl as ld; ld.__version__") == []


SHOWN = """
import learnerdsl as ld
from learnerdsl import transforms
from learnerdsl.learners import adam, muon
chained = ld.chain(transforms.clip_by_global_norm, adam, transforms.ema)
for rule in (adam, muon, chained):
    rule.pretty(), rule.latex(), rule.plan(), rule.cost(), rule.stages(), rule.collectives()
    rule.loops(), rule.source("cuda", states="bfloat16"), rule._repr_html_()
ld.schedules.cosine(1e-3, steps=10).values(3)
"""


def test_what_only_shows_rules_does_not_import_numba():
    assert imported_by(SHOWN) == ["numpy", "sympy"]


def test_a_learner_imports_what_runs_it():
    run = "learner = adam([__import__('numpy').ones(3)])"
    assert "numba" in imported_by(f"from learnerdsl.learners import adam\n{run}")


def imports_for_type_checkers():
    """The imports of the package that only a type checker reads: name -> module."""
    tree = ast.parse(Path(ld.__file__).read_text())
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("learnerdsl"):
            found |= {a.asname: node.module for a in node.names if a.asname}
    return found


def test_type_checkers_see_the_names_that_are_imported():
    packages = dict.fromkeys(ld._PACKAGES, "learnerdsl")
    assert imports_for_type_checkers() == ld._MODULES | packages


def test_star_and_dir_give_all_public_names():
    namespace = {}
    exec("from learnerdsl import *", namespace)
    del namespace["__builtins__"]
    assert sorted([*namespace, "__version__"]) == dir(ld)
    assert {row.name for row in FUNCTIONS} < set(dir(ld))
    assert all(namespace[name] is getattr(ld, name) for name in namespace)


@pytest.mark.parametrize("first", ["import learnerdsl.check.judges", "import learnerdsl.check"])
def test_a_module_does_not_hide_the_function_of_its_name(first):
    code = f"{first}\nimport learnerdsl as ld\nassert ld.check.__module__.endswith('.checking')"
    assert imported_by(f"{code}\nfrom learnerdsl import check\nassert check is ld.check")


def test_functions_that_use_the_package_are_pickled_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")

    def root(x):
        return ld.sqrt(x)

    assert pickle.loads(cloudpickle.dumps(root))(4) == 2
    assert pickle.loads(pickle.dumps(ld)) is ld


def test_a_copy_of_the_package_is_the_package():
    assert copy.deepcopy(ld) is ld


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'learnerdsl' has no attribute 'adamm'"):
        _ = ld.adamm
