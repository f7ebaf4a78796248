"""Examples in docstrings are shown as code."""

import pytest

fenced = pytest.importorskip("website.doctests", exc_type=ImportError).fenced


def test_examples_in_the_text_are_fenced():
    text = "Return twice x.\n\n    >>> twice(2)\n    4\n\n    Source: a paper.\n"
    found = fenced(text)
    assert "```python\n    >>> twice(2)\n    4\n    ```" in found
    assert found.count("```") == 2
    assert found.endswith("Source: a paper.\n")


def test_text_without_examples_stays():
    assert fenced("Return x >> 3.\n") == "Return x >> 3.\n"
