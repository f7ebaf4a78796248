"""Define Inspectable, by which a learner shows its programs, their cost and their machine code."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, overload

from learnerdsl import inspection
from learnerdsl.cards import HasCard, ShownCard
from learnerdsl.learner.groups import Grouping
from learnerdsl.learner.hyperparameters import Hyperparameters, HyperTable
from learnerdsl.pipeline import Program, compile_rule
from learnerdsl.runtime.backends import cpu_module, cuda_module
from learnerdsl.runtime.exchanges import collectives
from learnerdsl.storage import Precision
from learnerdsl.tracing import Rule


class Inspectable(HasCard):
    """The part of a learner that shows what runs."""

    _rules: list[Rule]
    _precisions: Sequence[Precision]
    _backend: Any
    _hyper: HyperTable
    _grouping: Grouping
    _frozen: dict[Any, Any]
    _choices: dict[str, Any]
    step_count: Any
    threads: Any

    @property
    def programs(self) -> tuple[Program, ...]:
        """The compiled rule, one program for each variant."""
        target = "cuda" if self._backend.name == "cuda" else "cpu"
        pairs = dict.fromkeys(zip(self._rules, self._precisions, strict=True))
        return tuple(compile_rule(rule, precision, target) for rule, precision in pairs)

    @property
    def program(self) -> Program:
        """The compiled rule of the first parameter's variant."""
        return self.programs[0]

    def source(self) -> str:
        """Return the generated Python source of all variants, as Numba compiles it."""
        return "\n\n".join(program.source for program in self.programs)

    @property
    def source_file(self) -> str:
        """Path of the file that holds the generated source."""
        program = self.program
        if program.target == "cuda":
            return str(cuda_module("engine").load_kernels(program).__file__)
        return str(cpu_module("engine").load_kernels(program).__file__)

    def plan(self) -> inspection.Plan:
        """Return the sweeps over memory of the first parameter's variant, and their traffic."""
        return self.plans[0]

    @property
    def plans(self) -> tuple[inspection.Plan, ...]:
        """The plan of every variant; most rules have one.

        It says what processes exchange, if the parameters are parts of tensors.
        """
        if not any(self._backend.shards):
            return tuple(map(inspection.plan, self.programs))
        is_shared = self._backend.name == "cuda"  # functions of matrices are not divided there
        pairs = [(own, collectives(own, is_shared).exchanges) for own in self.programs]
        return tuple(inspection.plan(program, exchanges) for program, exchanges in pairs)

    def cost(self) -> inspection.Cost:
        """Return traffic, memory and arithmetic per element, of the first parameter's variant."""
        return inspection.cost(self.program)

    def card(self) -> ShownCard:
        """Return what there is to see of the learner now; print it, or write `.html()`."""
        target = self.program.target
        held = [
            inspection.Held(str(name), tuple(shape), compile_rule(rule, precision, target))
            for (name, shape), rule, precision in zip(
                self._backend.shapes.items(), self._rules, self._precisions, strict=True
            )
        ]
        settings = [
            inspection.Setting(str(k), *own)
            for k in range(len(self._hyper.settings))
            if k not in self._grouping.frozen
            for own in Hyperparameters(self._hyper, k).shown()
        ]
        frozen = list(map(str, self._frozen))
        return inspection.learner_card(
            held, settings, self.step_count, self._backend.name, self.threads, frozen
        )

    def roofline(
        self, bandwidth: float | None = None, *, measure: bool = False
    ) -> inspection.Roofline:
        """Return the bytes and operations of an update, and its time; see `UpdateRule.roofline`.

        Args:
            bandwidth: bytes per second; None to measure this machine.
            measure: whether to measure an update of a new learner of the same shapes; this one
                stays as it is.

        Raises:
            HyperparameterError: the learner works on a GPU and there is no bandwidth.
        """
        shapes = list(self._backend.shapes.values())
        target = "cuda" if self._backend.name == "cuda" else "cpu"
        pairs = zip(self._rules, self._precisions, strict=True)
        programs = [compile_rule(rule, precision, target) for rule, precision in pairs]
        make = partial(type(self), self._rules, **self._choices) if measure else None
        return inspection.roofline(programs, shapes, bandwidth, type(self), make)

    @overload
    def ptx(self, cc: tuple[int, int] = (9, 0), loop: Literal[False] = False) -> str: ...
    @overload
    def ptx(self, cc: tuple[int, int] = (9, 0), *, loop: bool) -> str | inspection.HotLoops: ...
    def ptx(self, cc: tuple[int, int] = (9, 0), loop: bool = False) -> str | inspection.HotLoops:
        """Return the PTX of every kernel for compute capability `cc`; see `UpdateRule.ptx`.

        Args:
            cc: major and minor number of the compute capability.
            loop: whether to return only the hot loop of each sweep; see `asm`.

        Raises:
            LearnerError: the learner does not work on a GPU, or `cc` is not a pair of whole
                numbers.
        """
        if loop:
            found = [inspection.ptx_loops(program, cc) for program in self.programs]
            return sum(found, inspection.HotLoops(()))
        return "\n".join(inspection.ptx(program, cc) for program in self.programs)

    def llvm(self) -> str:
        """Return the optimised LLVM of every function, even if the disk cache had its code."""
        return "\n".join(inspection.llvm(program) for program in self.programs)

    @overload
    def asm(self, loop: Literal[False] = False) -> str: ...
    @overload
    def asm(self, *, loop: bool) -> str | inspection.HotLoops: ...
    def asm(self, loop: bool = False) -> str | inspection.HotLoops:
        """Return the assembly of every function, or the loops that the time goes to.

        Args:
            loop: whether to return only the hot loop of each sweep: an object whose text has each
                instruction under the line of `source` that it comes from. It also has the width of
                the vectors, the elements of an iteration, and what is not a vector; see the page on
                cost.

        Raises:
            HyperparameterError: the learner works on a GPU (write `ptx`), nothing is compiled, or
                the processor is one whose loops cannot be read.
        """
        if loop:
            found = [inspection.asm_loops(program) for program in self.programs]
            return sum(found, inspection.HotLoops(()))
        return "\n".join(inspection.asm(program) for program in self.programs)
