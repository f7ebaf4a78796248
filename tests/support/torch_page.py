"""Writes docs/torch-checkpoints.md: the states of each class, and whose checkpoints it loads.

`PYTHONPATH=.:tests python -m support.torch_page` writes the page; tests/torch/test_page.py fails
when it is stale.
"""

from pathlib import Path

import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.torch.foreign import FOREIGN
from learnerdsl.torch.interface import class_name
from learnerdsl.torch.known import KNOWN
from support.learners_page import state_text

PAGE = Path(__file__).parents[2] / "docs" / "torch-checkpoints.md"

HEADING = """# Checkpoints of each class

Made from the package by `PYTHONPATH=.:tests python -m support.torch_page`; changes are lost.

[PyTorch](torch.md) says how to save and load. Besides `step`, `optimizer.state[p]` has the states
below, as tensors of the parameter's shape where nothing else is said: `rows` and `cols` have one
value for each row or column of a matrix, `tensor` is one value. States of the `model` are in the
groups, as `model.<name>`. A ring of *n* is the states `<name>_1` to `<name>_n`; `kept` is a state
that keeps the value it starts with. Rules that treat vectors or tensors of more axes differently
have other states for them.

Checkpoints of `torch.optim` load with `load_state_dict`, and those of the class here load there.
Those of other libraries go through `ldt.from_library("timm.Lion", state_dict)`; tests continue the
training of each library here to 1e-9. Optimizers that are not in the table have states that are no
others' under another name: timm's and pytorch_optimizer's Muon update some parameters by AdamW,
SOAP has lists of matrices, and 8-bit optimizers have tables of codes.

| class | rule | states | checkpoints of |
|---|---|---|---|
"""


def states_of(name: str) -> str:
    """The states of the class of a builtin, with what they range over."""
    traced = getattr(learners, name).trace()
    public = getattr(ldt, class_name(name)).interface.states
    texts = [state_text(spec.symbol, traced) for spec in traced.states]
    parts = [text.partition(" ") for text in texts]
    found = [f"{public.get(own, own)} {note}".strip() for own, _, note in parts]
    known = {public.get(own, own) for own, _, _ in parts}
    # Further ones that some arguments of the class add to those of the rule.
    found += [shown for shown in public.values() if shown not in known]
    return ", ".join(dict.fromkeys(found)) or "none"


def others_of(name: str) -> str:
    """The optimizers of other libraries whose checkpoints load."""
    own = class_name(name)
    found = [f"torch.optim.{own}"] if own in KNOWN else []
    found += [other for other, foreign in FOREIGN.items() if foreign.name == own]
    return ", ".join(f"`{other}`" for other in found)


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{class_name(n)}` | `{n}` | {states_of(n)} | {others_of(n)} |" for n in learners.__all__
    ]
    return HEADING + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
