"""Show the sweeps of a rule over memory."""

from dataclasses import dataclass

from learnerdsl.cards import HasCard, ShownCard, Table
from learnerdsl.cards.content import sections
from learnerdsl.expr import StateSymbol
from learnerdsl.ir import Block
from learnerdsl.pipeline import Program
from learnerdsl.runtime.exchanges import Collective
from learnerdsl.runtime.tables.tables import bytes_per_element
from learnerdsl.storage import STORAGES, Storage


@dataclass(frozen=True)
class Pass:
    """One pass over memory.

    Attributes:
        reads: names of the arrays it loads.
        writes: names of the arrays it stores.
        reduces: its reductions, as text.
        functions: names of the results of matrix functions that run before it.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    reduces: tuple[str, ...]
    functions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan(HasCard):
    """The sweeps of a rule over memory, in order.

    Attributes:
        name: the rule's name.
        dtype: number types of the parameters, then of the arrays that have another one.
        passes: the sweeps, in order.
        bytes_per_element: memory traffic of one update: all loads and stores of arrays with a value
            for each element.
        exchanges: what processes exchange, if each holds a part of every tensor.
    """

    name: str
    dtype: str
    passes: tuple[Pass, ...]
    bytes_per_element: float
    exchanges: tuple[Collective, ...] = ()

    def card(self) -> ShownCard:
        """Return the sweeps as a table; print it, or write `.html()`."""
        summary, *_ = str(self).splitlines()
        rows = [
            (
                str(number),
                ", ".join(one.functions),
                ", ".join(one.reads),
                ", ".join(one.writes) or "nothing",
                "; ".join(one.reduces),
            )
            for number, one in enumerate(self.passes, 1)
        ]
        head = ("pass", "on whole matrices before", "reads", "writes", "reduces")
        tables = [Table(head, tuple(rows))]
        if self.exchanges:
            tables.append(Table(("processes exchange",), tuple((str(e),) for e in self.exchanges)))
        return ShownCard(self.name, "plan", summary, sections(("", tables)))

    def __str__(self) -> str:
        noun = "pass" if len(self.passes) == 1 else "passes"
        lines = [
            f"{self.name} ({self.dtype}): {len(self.passes)} {noun}, "
            f"{self.bytes_per_element:.4g} bytes per element"
        ]
        for number, one in enumerate(self.passes, 1):
            lines += [f"  {e}" for e in self.exchanges if e.place == number and not e.is_after]
            if one.functions:
                lines.append(f"  on whole matrices: {', '.join(one.functions)}")
            writes = f"writes {', '.join(one.writes)}" if one.writes else "writes nothing"
            lines.append(f"  pass {number}: reads {', '.join(one.reads) or 'nothing'}; {writes}")
            lines += [f"    {text}" for text in one.reduces]
            lines += [f"  {e}" for e in self.exchanges if e.place == number and e.is_after]
        return "\n".join(lines)


def plan(program: Program, exchanges: tuple[Collective, ...] = ()) -> Plan:
    """Return the sweeps over memory of a compiled rule.

    Args:
        program: the compiled rule.
        exchanges: what processes exchange.
    """
    return Plan(
        name=program.rule.name,
        dtype=_number_types(program),
        passes=tuple(
            _pass(level.element, level.matrix) for level in program.kernel.levels if level.element
        ),
        bytes_per_element=whole(bytes_per_element(program)),
        exchanges=exchanges,
    )


def _number_types(program: Program) -> str:
    """Return the number types of the arrays, beginning with that of the parameters."""
    precision = program.precision
    own = [spec for spec in program.rule.states if is_array(spec.symbol)]
    pairs = [(spec.public, storage_of(program, spec.symbol).name) for spec in own]
    others = [(name, storage) for name, storage in pairs if storage != precision.parameter]
    return precision.described(others, str(program.kernel.gradient))


def storage_of(program: Program, state: StateSymbol) -> Storage:
    """Return the number type of a state; scalars are float64."""
    return program.layout.storages[state] if is_array(state) else STORAGES["float64"]


def is_array(state: StateSymbol) -> bool:
    """Return whether a state has a value for each element or index of axes."""
    return state.shape not in ("tensor", "model")


def whole(number: float) -> float:
    """Return a whole number as an int."""
    return int(number) if number == int(number) else number


def _pass(block: Block, before: Block) -> Pass:
    return Pass(
        reads=tuple(str(load.array) for load in block.loads),
        writes=tuple(str(store.target) for store in block.stores),
        reduces=tuple(str(reduce) for reduce in block.reduces),
        functions=tuple(str(compute.symbol) for compute in before.computes),
    )
