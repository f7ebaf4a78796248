"""The command in a process of its own: how it starts, what it imports, its colours."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from learnerdsl.command import catalogue, program

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
IMPORTED = """
import sys
from learnerdsl.command.program import learnerdsl
learnerdsl({arguments}, standalone_mode=False)
print([name for name in ("numpy", "sympy", "numba", "torch") if name in sys.modules])
"""


def imported_by(start, *arguments):
    done = start("-c", IMPORTED.format(arguments=list(arguments)))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_python_m_lists_the_builtins(start):
    done = start("-m", "learnerdsl", "list", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == len(catalogue.builtin_names("learner"))


def test_the_installed_script_is_the_command(start):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["learnerdsl"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    done = start("-c", f"from {module} import {function}; {function}()", "--version")
    assert done.stdout.startswith("learnerdsl, version ")


def test_list_imports_no_library_of_numbers(start):
    assert imported_by(start, "list") == "[]"
    assert imported_by(start, "cache") == "[]"


@pytest.mark.parametrize("arguments", [("show", "adam"), ("compare", "adam", "adamw")])
def test_what_is_shown_again_imports_no_library_of_numbers(start, arguments, run):
    run(*arguments)
    assert imported_by(start, *arguments) == "[]"


def test_the_first_time_imports_no_compiler(start, tmp_path):
    command = IMPORTED.format(arguments=["show", "adam"])
    done = start("-c", command, LEARNERDSL_CACHE_DIR=str(tmp_path))
    assert done.stdout.splitlines()[-1] == "['numpy', 'sympy']"


def test_without_click_the_command_says_what_to_install(start):
    code = "import sys; sys.modules['click'] = None; from learnerdsl.command import main; main()"
    done = start("-c", code)
    assert done.returncode == 1
    assert (
        done.stderr == "The command needs click; install it with pip install 'learnerdsl[cli]'.\n"
    )


def test_colours_are_for_terminals_that_want_them(start):
    plain = start("-m", "learnerdsl", "show", "adam", "--loop", FORCE_COLOR="", NO_COLOR="")
    assert "\x1b" not in plain.stdout
    forced = start(
        "-m", "learnerdsl", "show", "adam", "--loop", FORCE_COLOR="1", TERM="xterm-256color"
    )
    assert "\x1b[" in forced.stdout
    wanted = {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm-256color"}
    refused = start("-m", "learnerdsl", "show", "adam", "--loop", **wanted)
    assert "\x1b[3" not in refused.stdout


def test_help_names_every_subcommand(run):
    text = run("--help")
    for name in program.SUBCOMMANDS:
        assert f"  {name} " in text
        assert "Usage" in run(name, "--help")


def test_the_shell_completes_names_of_builtins(start):
    words = {"COMP_WORDS": "learnerdsl show adamw", "COMP_CWORD": "2"}
    code = "from learnerdsl.command import main; main()"
    done = start("-c", code, _LEARNERDSL_COMPLETE="bash_complete", **words)
    assert done.stdout.split() == ["plain,adamw"]
    words = {"COMP_WORDS": "learnerdsl show ema+adamw", "COMP_CWORD": "2"}
    done = start("-c", code, _LEARNERDSL_COMPLETE="bash_complete", **words)
    assert done.stdout.split() == ["plain,ema+adamw"]
