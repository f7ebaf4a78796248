"""Who runs the loops of a function: one CPU thread, or CUDA threads that share them."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from learnerdsl.codegen.naming import EXACT_SUMS
from learnerdsl.codegen.text import indented
from learnerdsl.monoids import Monoid


class Workers(Protocol):
    """A printer of how the threads that run a function divide its work.

    Attributes:
        scratch: text of the further argument of functions whose threads exchange values.
    """

    scratch: ClassVar[str]

    def loop(self, variable: str, count: str) -> str:
        """Return the head of a loop whose `count` indices the threads divide among them."""
        ...

    def loop_in_order(self, variable: str, count: str) -> str:
        """Return the head of a loop that one thread runs, from the first index to the last."""
        ...

    def by_one(self, lines: list[str]) -> list[str]:
        """Return the statements, run by one thread."""
        ...

    def wait(self) -> list[str]:
        """Return the statement at which every thread waits for the others."""
        ...

    def joined(self, monoid: Monoid, total: str, value: str) -> str:
        """Return the text that joins a value to the total of a thread in a loop over elements."""
        ...

    def added(self, total: str, factors: list[str]) -> str:
        """Return the text that adds an exact square or product, or "" if `joined` does as well."""
        ...

    def loses_nan(self, monoid: Monoid) -> bool:
        """Return whether `joined` drops NaN, so that the loop has to record it."""
        ...

    def reduced(self, monoid: Monoid, name: str, value: str) -> list[str]:
        """Return the statement that joins the values of all threads into the variable `name`."""
        ...


class OneThread:
    """A thread that runs a function by itself, as every thread of a CPU does."""

    scratch: ClassVar[str] = ""

    def loop(self, variable: str, count: str) -> str:
        """Return the head of a loop."""
        return f"for {variable} in range({count}):"

    loop_in_order = loop

    def by_one(self, lines: list[str]) -> list[str]:
        """Return the statements."""
        return lines

    def wait(self) -> list[str]:
        """Return no statement."""
        return []

    def joined(self, monoid: Monoid, total: str, value: str) -> str:
        """Return a call of the function that LLVM turns into vector instructions."""
        return f"{monoid.hot}({total}, {value})"

    def added(self, total: str, factors: list[str]) -> str:
        """Return a call of a function that becomes one instruction."""
        name = EXACT_SUMS[len(factors) - 1]
        return f"{name}({', '.join([total, *factors])})"

    def loses_nan(self, monoid: Monoid) -> bool:
        """Return whether that function drops NaN."""
        return monoid.loses_nan

    def reduced(self, monoid: Monoid, name: str, value: str) -> list[str]:
        """Return no statement: the total of the thread is that of all."""
        del monoid, name, value
        return []


@dataclass(frozen=True)
class Threads:
    """The threads of a CUDA block, or of a group within it.

    Attributes:
        index: text of the index of a thread among them.
        number: text of their number.
        condition: text of the condition under which they have work; "" if they always have. The
            others only take part in reductions and waits.
    """

    scratch: ClassVar[str] = ", scratch"
    index: str
    number: str
    condition: str = ""

    def loop(self, variable: str, count: str) -> str:
        """Return the head of a loop in which every thread strides by the number of threads."""
        return f"for {variable} in range({self.index}, {self._stop(count)}, {self.number}):"

    def loop_in_order(self, variable: str, count: str) -> str:
        """Return the head of a loop that is empty in all threads of the block but the first."""
        return f"for {variable} in range(0 if thread() == 0 else {count}, {self._stop(count)}):"

    def _stop(self, count: str) -> str:
        """Return the end of a range of `count` indices, 0 without work."""
        return f"{count} if {self.condition} else 0" if self.condition else count

    def by_one(self, lines: list[str]) -> list[str]:
        """Return the statements, run by the first thread."""
        condition = f"{self.condition} and " if self.condition else ""
        return [f"if {condition}{self.index} == 0:", *indented(lines)]

    def wait(self) -> list[str]:
        """Return the barrier of the block."""
        return ["sync()"]

    def joined(self, monoid: Monoid, total: str, value: str) -> str:
        """Return an operation that propagates NaN."""
        return monoid.joined(total, value)

    def added(self, total: str, factors: list[str]) -> str:
        """Return nothing."""
        del total, factors
        return ""

    def loses_nan(self, monoid: Monoid) -> bool:
        """Return False."""
        del monoid
        return False

    def reduced(self, monoid: Monoid, name: str, value: str) -> list[str]:
        """Return a call of the function that reduces over threads."""
        return [f"{name} = {monoid.of_block}({value}, {self.number}, scratch)"]


ONE_THREAD = OneThread()
BLOCK = Threads("thread()", "threads()")
"""All threads of a block."""
