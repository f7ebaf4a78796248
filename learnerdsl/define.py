"""Define `@rule` and the object it makes, which traces, compiles, makes learners, shows code."""

import functools
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import sympy

from learnerdsl import export, inspection
from learnerdsl.cards import HasCard, ShownCard, error_card
from learnerdsl.errors import LearnerError, UnknownNameError
from learnerdsl.export import Request
from learnerdsl.learner import Learner
from learnerdsl.learner.groups import options_of_groups
from learnerdsl.learner.precision import precisions_for
from learnerdsl.learner.reshaping import Reshape
from learnerdsl.numbers import quoted
from learnerdsl.pipeline import Program, compile_rule, parameter_type, stages
from learnerdsl.runtime.arrays.host import Arrays
from learnerdsl.runtime.exchanges import Collectives, collectives
from learnerdsl.storage import Precision
from learnerdsl.tracing import (
    DEFAULT_SHAPE,
    ByName,
    Rule,
    check_function,
    check_version,
    checked_shape,
    findable,
    inverse,
    own_name,
    reference,
    signature,
    trace,
    without,
)
from learnerdsl.xla import xla_program


class UpdateRule(ByName, HasCard):
    """An update rule: call it with parameters to get a Learner.

    The decorator `learnerdsl.rule` makes one. Methods that show something take options of the rule
    as keyword arguments, for example `rule.source(nesterov=True)`.
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
        """Return the traced rule, specialised for the given options.

        A rule that treats vectors and matrices differently is also specialised for parameters of
        the given `shape`. Methods that show something take `shape` too.

        Args:
            options: values of options, and `shape`.

        Raises:
            LearnerError: an option is unknown, or the function does not describe a rule.
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

    def _with(self, **options: Any) -> Callable[[tuple[int, ...]], Rule]:
        """Return what traces the rule with these options, for the shape of a parameter."""
        return lambda shape: self.trace(shape=shape, **options)

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
        states: str | Mapping[str, str] | None = None,
        master: str | None = None,
        rounding: str = "nearest",
        products: str | None = None,
        observe: Sequence[str] | Mapping[str, Any] | None = None,
        reshape: Reshape | None = None,
        **arguments: Any,
    ) -> Learner:
        """Make a Learner that updates `params` by this rule; see `Learner` for the arguments.

        Other keyword arguments are hyperparameters and options of the rule. `groups` may set both.

        Raises:
            LearnerError: an argument cannot be used.
        """
        options = {n: v for n, v in arguments.items() if n in self._option_names}
        hypers = {n: v for n, v in arguments.items() if n not in self._option_names}
        self._refuse_unknown(hypers)
        chosen, groups = options_of_groups(params, groups, self._option_names)
        of_groups = [self._with(**{**options, **own}) for own in chosen]
        return Learner(
            of_groups or self._with(**options),
            params,
            backend=backend,
            groups=groups,
            nonfinite=nonfinite,
            seed=seed,
            missing=missing,
            states=states,
            master=master,
            rounding=rounding,
            products=products,
            observe=observe,
            reshape=reshape,
            hyperparameters=hypers,
        )

    def torch(self, params: Any, **arguments: Any) -> Any:
        """Make a `torch.optim.Optimizer` that updates the parameters of a PyTorch model.

        Args:
            params: what optimizers of torch take, for example `model.named_parameters()`.
            arguments: hyperparameters and options; see `learnerdsl.torch.optimizer_class`.

        Raises:
            LearnerError: an argument cannot be used, or PyTorch is not installed.
        """
        return front_end("torch", "PyTorch").optimizer_class(self)(params, **arguments)

    def optax(self, **arguments: Any) -> Any:
        """Make a gradient transformation of optax that updates by the rule.

        Args:
            arguments: hyperparameters and options; see `learnerdsl.jax.transformation`.

        Raises:
            LearnerError: an argument cannot be used, or optax is not installed.
        """
        return front_end("jax", "JAX and optax").transformation(self, **arguments)

    def _refuse_unknown(self, hypers: Mapping[str, Any]) -> None:
        """Raise if a name is not one of a hyperparameter."""
        for name in hypers:
            if name not in self._hyper_names:
                known = ", ".join((*self._hyper_names, *self._option_names)) or "none"
                msg = f"{self.name} has no argument {name!r}; its arguments are: {known}."
                raise UnknownNameError(msg)

    def inverse(self, **options: Any) -> Rule:
        """Return the rule that takes an update back, as `Learner.undo` does.

        Its parameter and states are those after the update, and it assigns those before it.

        Args:
            options: values of options, and `shape`; see `trace`.

        Raises:
            RuleError: an old value does not follow from the new values and the gradient.

        >>> from learnerdsl.learners import momentum_sgd
        >>> print(momentum_sgd.inverse())
        p <- lr*b + p
        b <- (b - (g + weight_decay*p_before)*where(step > 1, 1 - dampening, 1))/momentum
        """
        return inverse(self.trace(**options)).rule

    @property
    def assignments(self) -> tuple[tuple[sympy.Symbol, sympy.Expr], ...]:
        """The (target, SymPy expression) pairs in dependency order, with default options."""
        return self.trace().assignments

    def program(
        self,
        target: str = "cpu",
        dtype: str = "float32",
        *,
        states: str | Mapping[str, str] | None = None,
        master: str | None = None,
        rounding: str = "nearest",
        products: str | None = None,
        **options: Any,
    ) -> Program:
        """Return the compiled rule.

        `source`, `loops`, `ptx`, `stages`, `plan` and `cost` take these arguments too.

        Args:
            target: "cpu" or "cuda".
            dtype: number type of the parameters and the gradients.
            states: number types of the states; see `Learner`.
            master: how to keep more bits of narrow parameters; see `Learner`.
            rounding: "nearest" or "stochastic"; see `Learner`.
            products: "full" or "bfloat16"; see `Learner`.
            options: options of the rule, and `shape` for rules that ask for it.

        Raises:
            LearnerError: an argument cannot be used.
        """
        traced = self.trace(**options)
        choices = states, master, rounding, products
        return compile_rule(traced, _precision(traced, dtype, *choices), target)

    def source(self, target: str = "cpu", dtype: str = "float32", **options: Any) -> str:
        """Return the source of the generated module: the loops that run; see `program`.

        The target "jax" has functions of jax.numpy instead, which `learnerdsl.jax` calls. They are
        the same for all dtypes.
        """
        if target == "jax":
            parameter_type(dtype)
            shape = checked_shape(options.pop("shape", DEFAULT_SHAPE))
            return xla_program(self.request([shape], options)).source
        return self.program(target, dtype, **options).source

    def loops(self, target: str = "cpu", dtype: str = "float32", **options: Any) -> str:
        """Return the functions of `source` that loop over memory; see `program`."""
        return inspection.loops(self.program(target, dtype, **options))

    def asm(self, dtype: str = "float32", *, loop: bool = False, **options: Any) -> Any:
        """Return the assembly for this processor, as `Learner.asm` does; see `program`.

        Args:
            dtype: number type of the parameters.
            loop: whether to return only the hot loop of each sweep.
            options: options of the rule, and other arguments of `program`.

        Raises:
            LearnerError: an argument cannot be used, or nothing is compiled.

        >>> from learnerdsl.learners import adam
        >>> (hot,) = adam.asm(loop=True)
        >>> hot.function, hot.is_vector
        ('adam_pass_1', True)
        """
        program = self.program("cpu", dtype, **options)
        return inspection.asm_loops(program) if loop else inspection.asm(program)

    def ptx(
        self,
        cc: tuple[int, int] = (9, 0),
        dtype: str = "float32",
        *,
        loop: bool = False,
        **options: Any,
    ) -> Any:
        """Return the PTX of the CUDA kernels, for GPUs of compute capability `cc` and later.

        Neither a GPU nor a driver is needed, but numba-cuda is (`pip install 'learnerdsl[cuda]'`).

        Args:
            cc: major and minor number, at least (7, 5).
            dtype: number type of the parameters.
            loop: whether to return only the hot loop of each sweep, with the width of its accesses
                to memory, registers and spills.
            options: options of the rule, and other arguments of `program`.

        Returns:
            The PTX of each kernel, after a line with its name; or the hot loops.

        Raises:
            LearnerError: `cc` is not a pair of whole numbers or is too old, or numba-cuda is not
                installed.
        """
        program = self.program("cuda", dtype, **options)
        return inspection.ptx_loops(program, cc) if loop else inspection.ptx(program, cc)

    def stages(self, dtype: str = "float32", **options: Any) -> inspection.Stages:
        """Return the kernel after every pass of the compiler: a dict, pass -> kernel."""
        program = self.program("cpu", dtype, **options)
        return inspection.Stages(stages(program.rule, program.precision))

    def plan(
        self, dtype: str = "float32", *, sharded: bool = False, **options: Any
    ) -> inspection.Plan:
        """Return the sweeps over memory: arrays read and written, reductions, bytes per element.

        Args:
            dtype: number type of the parameters.
            sharded: whether to show what processes exchange, if each holds a part of every tensor:
                `collectives()` has the same in a list.
            options: options of the rule, number types, and `shape`: (4, 8) for a matrix.

        Raises:
            LearnerError: an argument cannot be used.

        >>> from learnerdsl.learners import adam
        >>> print(adam.plan("bfloat16", states={"m": "int8", "v": "uint8"}, master="split16"))
        adam (bfloat16, int8 m, uint8 v, master split16): 1 pass, 14.06 bytes per element
          pass 1: reads p, g, m, v; writes m, v, p
        """
        program = self.program("cpu", dtype, **options)
        return inspection.plan(program, collectives(program).exchanges if sharded else ())

    def collectives(self, dtype: str = "float32", **options: Any) -> Collectives:
        """Return what processes exchange in an update, if each holds a part of every tensor.

        Reductions over a tensor, over its axes and over the model are joined, all those of a pass
        in one exchange. Functions of matrices need whole matrices. Nothing else crosses: scalars
        and axis arrays are computed by every process.

        Args:
            dtype: number type of the parameters.
            options: options of the rule, number types, and `shape`: that of a whole tensor, (4, 8)
                for a matrix.

        Raises:
            LearnerError: an argument cannot be used.

        >>> from learnerdsl.learners import adam, lamb
        >>> print(adam.collectives())
        adam: no exchange, each process updates its part by itself
        >>> print(lamb.collectives())
        lamb: 1 exchange
          after pass 1: join sum_1, sum_2
        """
        return collectives(self.program("cpu", dtype, **options))

    def cost(self, dtype: str = "float32", **options: Any) -> inspection.Cost:
        """Return traffic, memory and arithmetic per element.

        >>> from learnerdsl.learners import adam, shampoo
        >>> adam.cost("bfloat16", states="bfloat16", master="split16").state_bytes_per_element
        6
        >>> shampoo.cost(shape=(64, 32)).state_bytes((64, 32))
        20480
        """
        return inspection.cost(self.program("cpu", dtype, **options))

    def export(self, format: str, dtype: str = "float32", **options: Any) -> str:
        """Return the rule as one readable file that needs nothing of this package.

        Args:
            format: what to write; see docs/export.md.
            dtype: number type of the parameters, "float32" or "float64" for "numba" and "c".
            options: options of the rule, and `shape` to export it for such parameters alone.

        Raises:
            HyperparameterError: the format is unknown.
            LearnerError: an argument cannot be used, or the rule cannot be written in this format.
        """
        given = dict(options)
        shape = given.pop("shape", None)
        shapes = export.SHAPES if shape is None else (checked_shape(shape),)
        request = self.request(shapes, given, dtype=parameter_type(dtype).name)
        return export.written(format, request)

    def request(
        self,
        shapes: Sequence[tuple[int, ...]],
        options: Mapping[str, Any],
        zeros: Iterable[str] = (),
        dtype: str = "float32",
    ) -> Request:
        """Return the rule traced for several shapes, to be written as code.

        Args:
            shapes: shapes of parameters; those that the rule does not take are left out.
            options: values of options.
            zeros: names of hyperparameters that are the number 0.
            dtype: number type of the parameters.

        Raises:
            LearnerError: an option is unknown, or the rule takes none of the shapes.
        """
        variants = export.variants_of(
            lambda shape: without(self.trace(shape=shape, **options), zeros), shapes
        )
        names: dict[Any, str] = {}
        for variant in variants:
            at = variant.shapes[0]
            names |= export.local_names(lambda at=at: self._trace(options, at))
        return Request(
            name=self.name,
            doc=self.__doc__ or "",
            variants=variants,
            options=tuple(sorted(options.items())),
            dtype=dtype,
            names=names,
            takes_all=sum(len(variant.shapes) for variant in variants) == len(shapes),
        )

    def roofline(
        self,
        shapes: Any,
        bandwidth: float | None = None,
        *,
        dtype: str = "float32",
        measure: bool = False,
        **options: Any,
    ) -> inspection.Roofline:
        """Return the bytes and operations of an update, and the time that they should take.

        Without `bandwidth`, this machine is measured once, which takes some seconds: memory with a
        rule that only moves data, on as many threads as updates use, and functions of matrices. The
        results are kept in the cache directory.

        Args:
            shapes: the shape of a tensor; or lists and dicts of shapes, also within each other, or
                of arrays.
            bandwidth: bytes per second of memory.
            dtype: number type of the parameters.
            measure: whether to run a learner of these shapes and measure an update.
            options: options of the rule, and other arguments of `program`.

        Raises:
            LearnerError: an argument cannot be used.

        >>> from learnerdsl.learners import adam
        >>> own = adam.roofline((1000, 1000), bandwidth=20e9)
        >>> own.bytes, own.flops, f"{own.predicted:.2g}"
        (28000000, 15000000, '0.0014')
        """
        own = inspection.checked_shapes(shapes)
        programs = [self.program("cpu", dtype, shape=shape, **options) for shape in own]
        make = functools.partial(self, **options) if measure else None
        return inspection.roofline(programs, own, bandwidth, Learner, make)

    def latex(self, **options: Any) -> str:
        """Return the mathematics as LaTeX; old values have index t-1, new ones t."""
        return inspection.latex(self.trace(**options))

    def pretty(self, **options: Any) -> str:
        """Return the mathematics as text."""
        return inspection.pretty(self.trace(**options))

    def _repr_latex_(self) -> str | None:
        try:
            return f"$${self.latex()}$$"
        except Exception:  # the card, which is shown beside it, says what is wrong
            return None

    def card(self, dtype: str = "float32", **options: Any) -> ShownCard:
        """Return what there is to see of the rule, which a notebook shows as well.

        Print it, or write `.html()` for a fragment of HTML and `.page()` for a page.

        Args:
            dtype: number type of the parameters.
            options: options of the rule, and other arguments of `program`.

        Returns:
            The mathematics, hyperparameters, states, sweeps over memory, code and sources; of a
            rule with a mistake, its error.

        Raises:
            LearnerError: an argument cannot be used.

        >>> from learnerdsl.learners import lion
        >>> print(lion.card())  # doctest: +ELLIPSIS
        lion (rule)
        ===========
        <BLANKLINE>
        Lion: ...
        """
        try:
            program = self.program("cpu", dtype, **options)
        except Exception as error:  # the function of a rule may raise anything
            if options or dtype != "float32":
                raise
            return error_card(self.name, self._kind, error)
        return inspection.rule_card(program, self._kind, *self._described())

    _kind = "rule"

    def _described(self) -> tuple[Any, tuple[Any, ...]]:
        """Return the function for a card, and the members of a chain."""
        return self._function, ()

    def _parts(self) -> tuple[Any, ...]:
        return reference(self._function, "rule"), self.version

    def __repr__(self) -> str:
        return f"<rule {self.name}({', '.join((*self._hyper_names, *self._option_names))})>"


def front_end(name: str, libraries: str) -> Any:
    """Return the front end of a library, which may not be installed."""
    try:
        return importlib.import_module(f"learnerdsl.{name}")
    except ModuleNotFoundError as error:
        msg = f"{error}; install {libraries} with pip install 'learnerdsl[{name}]'."
        raise LearnerError(msg) from None


def _precision(
    traced: Rule,
    dtype: str,
    states: str | Mapping[str, str] | None,
    master: str | None,
    rounding: str,
    products: str | None,
) -> Precision:
    """Return the number types that a learner of parameters of this dtype would choose."""
    choices = states, master, rounding, products
    return precisions_for([traced], [parameter_type(dtype)], *choices)[0]


def compare(*rules: UpdateRule, dtype: str = "float32", **options: Any) -> inspection.Comparison:
    """Compare rules: mathematics, arguments, states, sweeps, cost and loops side by side.

    Args:
        rules: two rules or chains, or more.
        dtype: number type of the parameters.
        options: options, for the rules that have them; `shape` and other arguments of `program`.

    Returns:
        An object whose text, and whose table in a notebook, marks the lines that differ.

    Raises:
        LearnerError: there are fewer than two rules, or something else than a rule; or an argument
            cannot be used.

    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adam, adamw
    >>> both = ld.compare(adam, adamw)
    >>> both.differences
    ('mathematics', 'hyperparameters', 'cost', 'loops', 'sources')
    >>> both["states"].rows[0].texts
    ('m: one float32 for each element, starts at 0', 'm: one float32 for each element, starts at 0')
    """
    for own in rules:
        if not isinstance(own, UpdateRule):
            msg = f"compare takes rules, got {quoted(own)}; write compare(adam, adamw)."
            raise LearnerError(msg)
    known = {name for own in rules for name in own._option_names}
    programs = []
    for own in rules:
        others = known - set(own._option_names)
        given = {name: value for name, value in options.items() if name not in others}
        programs.append(own.program("cpu", dtype, **given))
    return inspection.compare(programs)


@overload
def rule(function: Callable[..., Any], /) -> UpdateRule: ...
@overload
def rule(*, version: int = 1) -> Callable[[Callable[..., Any]], UpdateRule]: ...
def rule(
    function: Callable[..., Any] | None = None, /, *, version: int = 1
) -> UpdateRule | Callable[[Callable[..., Any]], UpdateRule]:
    """Make an update rule from a function over symbols.

    Args:
        function: its first argument is the parameter, the second its gradient; both stand for one
            element. Further arguments need defaults. A float, schedule or function of the step
            makes a hyperparameter, which may change at any time without recompiling. A bool, int or
            str makes an option, for plain Python control flow; each value is compiled separately.
        version: number of this definition; checkpoints of another version are refused.

    Returns:
        The rule; without `function`, a decorator.

    Raises:
        RuleError: an argument does not have a usable default. Mistakes in the body are reported
            when the rule is first traced.

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
