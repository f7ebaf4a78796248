"""`@rule`: the object a user holds. It traces, compiles, makes learners and shows what runs."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import sympy

from learnerdsl import inspection
from learnerdsl.errors import UnknownNameError
from learnerdsl.ir import Kernel
from learnerdsl.learner import Learner
from learnerdsl.pipeline import Program, compile_rule, stages
from learnerdsl.runtime.arrays.host import Arrays
from learnerdsl.tracing import (
    DEFAULT_SHAPE,
    ByName,
    Rule,
    check_function,
    check_version,
    checked_shape,
    findable,
    own_name,
    reference,
    signature,
    trace,
)


class UpdateRule(ByName):
    """An update rule: call it with parameters to get a Learner.

    Made by the decorator `learnerdsl.rule`. Methods that show something take options of the rule as
    keyword arguments, for example `rule.source(nesterov=True)`.
    """

    def __init__(self, function: Callable[..., Any], version: int = 1) -> None:
        check_function(function, "A rule", "def rule(p, g, ...)")
        functools.update_wrapper(self, function)
        self.__qualname__ = own_name(function)
        self.name = function.__name__
        self.version = check_version(version)
        self._function = findable(function)
        _, _, hypers, options = signature(function)
        self._hyper_names = tuple(hypers)
        self._option_names = tuple(options)
        self._traced: dict[tuple[tuple[tuple[str, str], ...], tuple[int, ...] | None], Rule] = {}

    def trace(self, **options: Any) -> Rule:
        """The rule as symbols, specialised for the given options.

        A rule that treats vectors and matrices differently is specialised for parameters of the
        given `shape` as well; methods that show something take it, too.
        """
        shape = checked_shape(options.pop("shape", DEFAULT_SHAPE))
        key = tuple(sorted((name, repr(value)) for name, value in options.items()))
        first = self._traced.get((key, None))
        if first is not None and first.ndim is None:
            return first
        if (key, shape) not in self._traced:
            traced = self._trace(options, shape)
            self._traced[key, None if traced.ndim is None else shape] = traced
            return traced
        return self._traced[key, shape]

    def _trace(self, options: Mapping[str, Any], shape: tuple[int, ...]) -> Rule:
        return trace(self._function, self.version, options, shape)

    def __call__(
        self,
        params: Arrays,
        *,
        backend: str = "auto",
        groups: Sequence[Mapping[str, Any]] | None = None,
        nonfinite: str = "propagate",
        seed: int = 0,
        missing: str = "raise",
        **arguments: Any,
    ) -> Learner:
        """A Learner that updates `params` by this rule; see `Learner`.

        Keyword arguments beside those of `Learner` are hyperparameters and options of the rule.
        """
        options = {n: v for n, v in arguments.items() if n in self._option_names}
        hypers = {n: v for n, v in arguments.items() if n not in self._option_names}
        self._refuse_unknown(hypers)
        return Learner(
            lambda shape: self.trace(shape=shape, **options),
            params,
            backend=backend,
            groups=groups,
            nonfinite=nonfinite,
            seed=seed,
            missing=missing,
            hyperparameters=hypers,
        )

    def _refuse_unknown(self, hypers: Mapping[str, Any]) -> None:
        for name in hypers:
            if name not in self._hyper_names:
                known = ", ".join((*self._hyper_names, *self._option_names)) or "none"
                msg = f"{self.name} has no argument {name!r}; its arguments are: {known}."
                raise UnknownNameError(msg)

    @property
    def assignments(self) -> tuple[tuple[sympy.Symbol, sympy.Expr], ...]:
        """(target, SymPy expression) pairs in dependency order, with default options."""
        return self.trace().assignments

    def program(self, target: str = "cpu", dtype: str = "float32", **options: Any) -> Program:
        """The compiled rule."""
        return compile_rule(self.trace(**options), dtype, target)

    def source(self, target: str = "cpu", dtype: str = "float32", **options: Any) -> str:
        """The source of the generated kernels: the loops that run."""
        return self.program(target, dtype, **options).source

    def loops(self, target: str = "cpu", dtype: str = "float32", **options: Any) -> str:
        """The part of `source` that runs over memory."""
        return inspection.loops(self.program(target, dtype, **options))

    def ptx(self, cc: tuple[int, int] = (9, 0), dtype: str = "float32", **options: Any) -> str:
        """The assembly of the CUDA kernels for GPUs of compute capability `cc` and later ones.

        Neither a GPU nor a driver is needed, but numba-cuda is (`pip install 'learnerdsl[cuda]'`).

        Args:
            cc: major and minor number, from (7, 5) on.
            dtype: of the parameters, "float32" or "float64".
            options: of the rule; and `shape`, for rules that look at it.

        Returns:
            The PTX of the scalars and passes, each behind a line with its name.

        Raises:
            LearnerError: `cc` is no pair of whole numbers or too old, or numba-cuda is not
                installed.
        """
        return inspection.ptx(self.program("cuda", dtype, **options), cc)

    def stages(self, **options: Any) -> dict[str, Kernel]:
        """The kernel after every pass of the compiler; each can be printed."""
        return stages(self.trace(**options))

    def plan(self, dtype: str = "float32", **options: Any) -> inspection.Plan:
        """Passes over memory, arrays read and written, bytes per element."""
        return inspection.plan(self.program("cpu", dtype, **options))

    def cost(self, dtype: str = "float32", **options: Any) -> inspection.Cost:
        """Traffic, memory and arithmetic per element."""
        return inspection.cost(self.program("cpu", dtype, **options))

    def latex(self, **options: Any) -> str:
        """The mathematics as LaTeX: index t-1 for old values, t for new ones."""
        return inspection.latex(self.trace(**options))

    def pretty(self, **options: Any) -> str:
        """The mathematics as text."""
        return inspection.pretty(self.trace(**options))

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def _repr_html_(self) -> str:
        return inspection.repr_html(self.trace(), self.program())

    def _parts(self) -> tuple[Any, ...]:
        return reference(self._function, "rule"), self.version

    def __repr__(self) -> str:
        return f"<rule {self.name}({', '.join((*self._hyper_names, *self._option_names))})>"


@overload
def rule(function: Callable[..., Any], /) -> UpdateRule: ...
@overload
def rule(*, version: int = 1) -> Callable[[Callable[..., Any]], UpdateRule]: ...
def rule(
    function: Callable[..., Any] | None = None, /, *, version: int = 1
) -> UpdateRule | Callable[[Callable[..., Any]], UpdateRule]:
    """Make an update rule out of a function over symbols.

    Args:
        function: its first argument is the parameter, the second its gradient, both one element.
            Further arguments need defaults: a float, schedule or function of the step makes a
            hyperparameter, which may change at any time without recompiling; a bool, int or str
            makes a compile-time option, plain Python control flow in the body.
        version: number of this definition; checkpoints of another version are refused.

    Raises:
        RuleError: an argument has no usable default. What is wrong in the body is reported when
            the rule is first traced.

    >>> import learnerdsl as ld
    >>> @ld.rule
    ... def momentum(p, g, lr=0.1, mu=0.9):
    ...     velocity = ld.state("velocity")
    ...     velocity_new = ld.assign(velocity, mu * velocity + g)
    ...     return ld.assign(p, p - lr * velocity_new)
    >>> print(momentum.plan())
    momentum (float32): 1 pass, 20 bytes per element
      pass 1: reads p, g, velocity; writes velocity, p
    """
    if function is None:
        return functools.partial(UpdateRule, version=check_version(version))
    return UpdateRule(function, version)
