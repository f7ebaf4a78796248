"""Show the kernel after every pass of the compiler, with the changes of each pass marked."""

import difflib

from learnerdsl.cards import Code, Fold, HasCard, ShownCard, counted
from learnerdsl.cards.content import sections
from learnerdsl.ir import Kernel


class Stages(dict[str, Kernel], HasCard):
    """The kernel after every pass: name of the pass -> kernel; a notebook shows the changes."""

    def card(self) -> ShownCard:
        """Return the stages, folded, with the lines that each pass added and removed.

        >>> from learnerdsl.learners import adam
        >>> "[hoist" in str(adam.stages().card())
        True
        """
        folds = []
        before: list[str] | None = None
        for name, kernel in self.items():
            lines = str(kernel).splitlines()
            folds.append(_fold(name, lines, before))
            before = lines
        title = next(iter(self.values())).name if self else "no rule"
        about = "The kernel after every pass of the compiler; + and - mark what the pass changed."
        return ShownCard(title, "stages", about, sections(("", folds)))


def _fold(name: str, lines: list[str], before: list[str] | None) -> Fold:
    if before is None:
        return Fold(f"{name}: {counted(len(lines), 'line')}", (Code("\n".join(lines), ""),))
    changes = [line for line in difflib.ndiff(before, lines) if not line.startswith("?")]
    new, gone = (sum(line.startswith(mark) for line in changes) for mark in "+-")
    if not new and not gone:
        return Fold(f"{name}: no change", (Code("\n".join(lines), ""),))
    title = f"{name}: {counted(new, 'line')} new, {gone} gone"
    return Fold(title, (Code("\n".join(changes), "diff"),))
