"""The table of the builtin learners and transforms that `learnerdsl list` prints.

It is a file made from the rules by `python -m learnerdsl.command.entries`, since tracing all rules
takes seconds; a test compares it with them.
"""

import json
import pkgutil
from functools import lru_cache
from typing import Any

FILE = "catalogue.json"


@lru_cache(maxsize=1)
def catalogue() -> tuple[dict[str, Any], ...]:
    """Return the entry of every builtin, learners first; `entries.entry` says what is in it."""
    content = pkgutil.get_data(__package__ or "", FILE) or b"[]"
    return tuple(json.loads(content))


def builtin_names(kind: str | None = None) -> list[str]:
    """Return the names of the builtins: of "learner", of "transform", or of both."""
    return [entry["name"] for entry in catalogue() if kind in (None, entry["kind"])]
