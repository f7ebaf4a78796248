"""What helps the tests: problems, references, rules, machines that stand for a GPU."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
