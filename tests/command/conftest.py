"""Runs the command in this process, or in one of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from learnerdsl.command.program import learnerdsl


@pytest.fixture
def run(monkeypatch):
    """Run the command in this process; gives its output, after a check of its exit code."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def runs(*arguments, code=0):
        result = CliRunner().invoke(learnerdsl, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stderr if code else result.stdout

    return runs


@pytest.fixture
def run_json(run):
    return lambda *arguments: json.loads(run(*arguments, "--json"))


@pytest.fixture
def start():
    """Run code or the command in a process of its own; gives what it prints."""

    def starts(*arguments, **environment):
        root = Path(__file__).parents[2]
        path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
        env = os.environ | {"PYTHONPATH": path} | environment
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=env)

    return starts


@pytest.fixture
def rules(tmp_path):
    """A file with two rules, and one with none of its own."""
    (tmp_path / "two.py").write_text(
        "import learnerdsl as ld\n"
        "from learnerdsl.learners import adam\n"
        "from neighbour import RATE\n\n"
        "@ld.rule\ndef slow(p, g, lr=RATE):\n    '''Goes slowly.'''\n"
        "    return ld.assign(p, p - lr * g)\n\n"
        "@ld.rule\ndef fast(p, g, lr=1.0):\n"
        "    m = ld.state('m')\n"
        "    m_new = ld.assign(m, m + g)\n    return ld.assign(p, p - lr * m_new)\n"
    )
    (tmp_path / "neighbour.py").write_text("RATE = 0.125\n")
    (tmp_path / "none.py").write_text("from learnerdsl.learners import adam\n")
    (tmp_path / "broken.py").write_text("x = 1\nraise RuntimeError('on purpose')\n")
    (tmp_path / "mistakes.py").write_text(
        "import learnerdsl as ld\n\n\n"
        "@ld.rule\ndef branches(p, g, lr=0.1):\n    if g > 0:\n        return ld.assign(p, p)\n\n\n"
        "@ld.rule\ndef misspelt(p, g, lr=0.1):\n    return ld.assign(p, p - lr * grad)\n"
    )
    yield tmp_path
    for name in ("two", "neighbour", "none", "broken", "mistakes"):
        sys.modules.pop(name, None)
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]
