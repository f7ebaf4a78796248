"""Say for the command line what the messages of errors say for Python: what to type."""

import re
from collections.abc import Callable, Sequence


def _shape(found: re.Match[str]) -> str:
    return f"--shape {','.join(re.findall(r'[0-9]+', found[1]))}"


_TYPED: dict[str, str | Callable[[re.Match[str]], str]] = {
    r'rule\.export\("(\w+)"\)': r"learnerdsl export NAME \1",
    r'dtype="(\w+)" or "(\w+)", without other number types': r"--dtype \1 or --dtype \2",
    r"states=\{name: type\}": "--states NAME=TYPE",
    r"a dict such as \{'(\w+)': '(\w+)'\}": r"\1=\2 for one state",
    r"\bstates='([^']*)'": r"--states \1",
    r"\bwrite (master|products)=None": r"leave -o \1 out",
    r"\b(master|rounding|products)='(\w+)'": r"-o \1=\2",
    r"\bshape=\(([\d, ]+)\)": _shape,
}
"""What a message has in Python -> what one types."""


def typed(message: str, names: Sequence[str]) -> str:
    """Return the message of an error with options of the command in place of those of Python.

    Args:
        message: the message.
        names: the rules that the command line names.
    """
    for pattern, text in _TYPED.items():
        message = re.sub(pattern, text, message)
    return message.replace(" NAME ", f" {names[0]} ") if len(names) == 1 else message
