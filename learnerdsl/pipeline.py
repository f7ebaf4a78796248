"""Compile a Rule to text: lower it, run the named passes, lay it out, print it. No JIT.

The stages in order: lower, domains, matrices, fuse, hoist, share, verify, layout, print.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from learnerdsl.codegen.cpu import print_cpu, print_finite_check
from learnerdsl.codegen.cuda import print_cuda, print_cuda_finite_check
from learnerdsl.codegen.source import Functions
from learnerdsl.errors import DtypeError, HyperparameterError
from learnerdsl.ir import Kernel
from learnerdsl.layout import Layout, lay_out
from learnerdsl.passes.domains import type_domains
from learnerdsl.passes.fuse import fuse
from learnerdsl.passes.hoist import hoist
from learnerdsl.passes.lower import lower
from learnerdsl.passes.matrices import separate_matrices
from learnerdsl.passes.share import share
from learnerdsl.passes.verify import verify
from learnerdsl.storage import PARAMETER_TYPES, STORAGES, Precision, Storage
from learnerdsl.tracing import Rule, located

SINGLE = Precision()

PASSES: tuple[tuple[str, Callable[[Kernel], Kernel]], ...] = (
    ("domains", type_domains),
    ("matrices", separate_matrices),
    ("fuse", fuse),
    ("hoist", hoist),
    ("share", share),
    ("verify", verify),
)
PRINTERS = {"cpu": print_cpu, "cuda": print_cuda}
"""Target -> function that prints a kernel for it."""

CHECK_PRINTERS = {"cpu": print_finite_check, "cuda": print_cuda_finite_check}
"""Target -> function that prints the check of gradients of a dtype for it."""


@dataclass(frozen=True)
class Program:
    """A compiled rule as text, with what a runtime needs to call it.

    Attributes:
        rule: the rule it computes.
        kernel: the kernel after the last pass.
        layout: columns and slots of the tables that the functions read and write.
        precision: number types of its arrays.
        target: "cpu" or "cuda".
        source: Python text of a module with the functions.
        levels: names of the functions, in the order in which they run.
    """

    rule: Rule
    kernel: Kernel
    layout: Layout
    precision: Precision
    target: str
    source: str
    levels: tuple[Functions, ...]

    @property
    def dtype(self) -> str:
        """The dtype of the parameters."""
        return self.precision.parameter


def stages(rule: Rule, precision: Precision = SINGLE) -> dict[str, Kernel]:
    """Return the kernel after every pass: name of the pass -> kernel."""
    return _stages(rule, precision.rounds_parameter, precision.states)


@lru_cache(maxsize=256)
def _stages(
    rule: Rule, rounds_parameter: bool, states: tuple[tuple[str, str], ...]
) -> dict[str, Kernel]:
    """Return the stages; they are the same for all precisions that round the same arrays."""
    kernel = lower(rule)
    rounded = {symbol for symbol in kernel.states if symbol.name in dict(states)}
    rounded |= {kernel.parameter} if rounds_parameter else set()
    kernel = replace(kernel, rounded=frozenset(rounded))
    done = {"lower": kernel}
    for name, transform in PASSES:
        kernel = transform(kernel)
        done[name] = kernel
    return done


@lru_cache(maxsize=256)
def check_rule(rule: Rule) -> None:
    """Refuse a rule that no target can compute, without compiling it.

    Raises:
        RuleError: a value does not fit into the state that it is assigned to, or a reduction is
            over a matrix whose shape is not that of the parameter.
    """
    with located(rule.place):
        type_domains(lower(rule))


def compile_rule(rule: Rule, precision: Precision | str = SINGLE, target: str = "cpu") -> Program:
    """Compile a rule for the number types of its arrays and one target.

    Args:
        rule: a traced rule.
        precision: the number types, or the one of parameters and gradients, such as "float32".
        target: "cpu" or "cuda".

    Raises:
        HyperparameterError: the target is unknown.
        DtypeError: the dtype is unknown.
    """
    if str(target) not in PRINTERS:
        msg = (
            f"There is no code generator for target {target!r}; choose from {', '.join(PRINTERS)}."
        )
        raise HyperparameterError(msg)
    if not isinstance(precision, Precision):
        precision = Precision.of(parameter_type(precision).name)
    with located(rule.place):
        return _compile(rule, precision, target)


def parameter_type(dtype: str) -> Storage:
    """Return the number type of parameters with this name.

    Raises:
        DtypeError: there is none.
    """
    if str(dtype) not in PARAMETER_TYPES:
        msg = f"No kernel has parameters of {dtype!r}; choose from {', '.join(PARAMETER_TYPES)}."
        raise DtypeError(msg)
    return STORAGES[str(dtype)]


def compile_check(dtype: str, target: str) -> str:
    """Return the module of `count_nonfinite`, a sweep that counts NaN and infinite gradients.

    It is called like the sweep of a program and writes the first reduction of a chunk. It is no
    program, because it counts in integers: on a CPU, the sum of a rule takes a tenth longer.

    Args:
        dtype: dtype of the gradients.
        target: "cpu" or "cuda".
    """
    return CHECK_PRINTERS[target](dtype)


@lru_cache(maxsize=256)
def _compile(rule: Rule, precision: Precision, target: str) -> Program:
    kernel = stages(rule, precision)["verify"]
    layout = lay_out(kernel, precision)
    source, levels = PRINTERS[target](kernel, layout, precision)
    return Program(rule, kernel, layout, precision, target, source, levels)
