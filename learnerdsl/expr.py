"""The symbols and functions a rule may use. All of them are SymPy's, or subclasses of SymPy's.

A rule is written about one element of one parameter; the compiler finds out what is the same for a
whole tensor or for the whole model. Every symbol is real, so `sympy.diff`, `subs`, `simplify` and
`latex` know what they may do with it.
"""

from typing import Any, ClassVar, Literal

import sympy
from sympy.core.symbol import Str
from sympy.printing.precedence import PRECEDENCE

from learnerdsl.errors import RuleError

# SymPy's own functions, under the names of NumPy.
abs = sympy.Abs
acos = sympy.acos
asin = sympy.asin
atan = sympy.atan
ceil = sympy.ceiling
cos = sympy.cos
cosh = sympy.cosh
equal = sympy.Eq
exp = sympy.exp
floor = sympy.floor
log = sympy.log
maximum = sympy.Max
minimum = sympy.Min
not_equal = sympy.Ne
sign = sympy.sign
sin = sympy.sin
sinh = sympy.sinh
sqrt = sympy.sqrt
tan = sympy.tan
tanh = sympy.tanh
pi = sympy.pi

UNARY_FUNCTIONS: dict[Any, str] = {
    sympy.Abs: "abs",
    sympy.acos: "acos",
    sympy.asin: "asin",
    sympy.atan: "atan",
    sympy.ceiling: "ceil",
    sympy.cos: "cos",
    sympy.cosh: "cosh",
    sympy.exp: "exp",
    sympy.floor: "floor",
    sympy.log: "log",
    sympy.sign: "sign",
    sympy.sin: "sin",
    sympy.sinh: "sinh",
    sympy.tan: "tan",
    sympy.tanh: "tanh",
}
"""The functions of one argument that have a meaning in a kernel, with their names in it."""


class RuleSymbol(sympy.Symbol):
    """A real symbol with an owner: the name of the rule it belongs to, or "" for the clock."""

    __slots__ = ("owner",)
    owner: str

    def __new__(cls, name: str, owner: str = "", **assumptions: bool) -> Any:
        """Create the symbol; two with equal class, name, owner and assumptions are equal."""
        symbol = sympy.Symbol.__xnew__(cls, name, **{"real": True, **assumptions})
        symbol.owner = owner
        return symbol

    def __getnewargs_ex__(self) -> Any:
        """What pickle needs to build the symbol again."""
        return (self.name, self.owner), self._assumptions_orig

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.owner)


class ParameterSymbol(RuleSymbol):
    """The parameter, as it was before this update."""

    __slots__ = ()


class GradientSymbol(RuleSymbol):
    """The gradient of the loss with respect to the parameter."""

    __slots__ = ()


class Hyperparameter(RuleSymbol):
    """A scalar that may change from update to update and from group to group."""

    __slots__ = ()


class ExtraScalar(RuleSymbol):
    """A number that every update is given beside the gradients, such as the loss."""

    __slots__ = ()
    shape = "model"


class ExtraArray(RuleSymbol):
    """An array of the parameter's shape that every update is given beside the gradient."""

    __slots__ = ()
    shape = "element"


ExtraSymbol = ExtraScalar | ExtraArray


class StateSymbol(RuleSymbol):
    """A state variable, as it was before this update.

    Subclasses say what it ranges over; a state factored into rows or columns would be one more.
    """

    __slots__ = ()
    shape = "element"


class TensorState(StateSymbol):
    """A state that is one scalar for each parameter tensor."""

    __slots__ = ()
    shape = "tensor"


class ModelState(StateSymbol):
    """A state that is one scalar for the whole learner."""

    __slots__ = ()
    shape = "model"


STATE_SHAPES: dict[str, type[StateSymbol]] = {
    kind.shape: kind for kind in (StateSymbol, TensorState, ModelState)
}


class Named(RuleSymbol):
    """A value computed by this update: the new value of a target, or what `let` named."""

    __slots__ = ()


class NewValue(Named):
    """The value that `assign` gave to a state or to the parameter."""

    __slots__ = ()


class LetValue(Named):
    """An intermediate value with a name of its own."""

    __slots__ = ()


class Clock(RuleSymbol):
    """A scalar that the learner keeps, the same for every rule."""

    __slots__ = ()


class TensorScalar(RuleSymbol):
    """A scalar of the tensor at hand that the learner keeps: its size, its number."""

    __slots__ = ()


class Position(RuleSymbol):
    """Number of the element at hand within its tensor; random numbers depend on it."""

    __slots__ = ()


step = Clock("step", integer=True, positive=True)
"""Number of this update, counted from 1; a refused or skipped update does not count."""
samples = Clock("samples", integer=True, nonnegative=True)
"""Number of samples seen before this update: the sum of the earlier `minibatch_size`."""
minibatch_size = Clock("minibatch_size", positive=True)
"""Number of samples of this update, as passed to `learner.update`."""
model_size = Clock("model_size", integer=True, nonnegative=True)
seed = Clock("seed", integer=True, nonnegative=True)
position = Position("position", integer=True, nonnegative=True)
tensor_size = TensorScalar("size", integer=True, nonnegative=True)
tensor_number = TensorScalar("tensor_number", integer=True, nonnegative=True)

CLOCK = (step, samples, minibatch_size, model_size, seed)
"""The scalars every rule may use, in the order in which kernels receive them."""


class Reduction(sympy.Expr):
    """A value reduced over all elements of a tensor or of the model.

    `sympy.diff` with respect to an element symbol gives the derivative with respect to that
    element's own contribution, as in the gradient of a loss with a norm in it.
    """

    is_commutative = True
    is_real = True
    operation: ClassVar[Literal["sum", "max"]]
    symbol_latex = ""

    def __new__(cls, argument: Any, over: Any = "tensor", block: Any = 0) -> "Reduction":
        """Build the node; `over` is "tensor" or "model", `block` that of `sum`."""
        over = str(over)
        if over not in ("tensor", "model"):
            msg = f"A reduction cannot range over {over!r}; write over='tensor' or over='model'."
            raise RuleError(msg)
        if not isinstance(block, (int, sympy.Integer)) or block < 0:
            msg = f"A sum takes its elements in blocks of a whole number, got block={block!r}."
            raise RuleError(msg)
        return sympy.Expr.__new__(cls, expression(argument), Str(over), sympy.Integer(block))

    @property
    def argument(self) -> sympy.Expr:
        """The expression of one element."""
        return self.args[0]  # type: ignore[return-value]

    @property
    def over(self) -> str:
        """What it ranges over: "tensor" or "model"."""
        return str(self.args[1])

    @property
    def block(self) -> int:
        """Elements of a block of a sum in the parameter's dtype; 0 for a sum in float64."""
        return int(self.args[2])  # type: ignore[arg-type]

    def _latex(self, printer: Any) -> str:
        body = printer.parenthesize(self.argument, PRECEDENCE["Mul"])
        return rf"{self.symbol_latex}_{{\mathrm{{{self.over}}}}} {body}"

    def _sympystr(self, printer: Any) -> str:
        return f"{self.operation}({printer.doprint(self.argument)}, over={self.over!r})"


class SumOver(Reduction):
    """The sum over all elements; 0 over none."""

    operation = "sum"
    symbol_latex = r"\sum"

    def _eval_is_nonnegative(self) -> bool | None:
        return self.argument.is_nonnegative

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return sympy.diff(self.argument, symbol)


class MaxOver(Reduction):
    """The largest element, NaN if there is one; -infinity over none."""

    operation = "max"
    symbol_latex = r"\max"

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        attained = sympy.Eq(self.argument, self)
        return where(attained, sympy.diff(self.argument, symbol), 0)


class Draw(sympy.Expr):
    """A random number of each element: a function of seed, step, tensor, element and `stream`."""

    is_commutative = True
    is_real = True
    distribution = ""

    def __new__(cls, where_from: Any, stream: Any) -> Any:
        """Build the node from `position` and the number of the draw within its rule."""
        return sympy.Expr.__new__(cls, where_from, sympy.Integer(stream))

    @property
    def stream(self) -> int:
        """Number of the draw within its rule."""
        return int(self.args[1])  # type: ignore[arg-type]

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"\mathrm{{{self.distribution}}}_{{{self.stream}}}"

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"{self.distribution}_{self.stream}()"


class NormalDraw(Draw):
    """Standard normal."""

    distribution = "normal"


class UniformDraw(Draw):
    """Uniform from 0 up to and without 1."""

    distribution = "uniform"


def expression(value: Any) -> sympy.Expr:
    """`value` as a SymPy expression; RuleError if it is text, an array or a truth value."""
    if not isinstance(value, (str, bool)):
        try:
            sympified = sympy.sympify(value, strict=True)
        except sympy.SympifyError:
            sympified = None
        if isinstance(sympified, sympy.Expr):
            return sympified
    msg = (
        f"{value!r} ({type(value).__name__}) is not an expression; "
        "write symbols, numbers and the functions of learnerdsl or sympy."
    )
    raise RuleError(msg)


def where(condition: Any, then: Any, otherwise: Any) -> sympy.Expr:
    """`then` where `condition` holds and `otherwise` elsewhere, as numpy.where.

    Args:
        condition: a SymPy relation or a combination of them with `&`, `|`, `~`. Comparisons with
            NaN are false; equality is written `equal(a, b)`, because `==` compares symbols. Every
            k-th step is `equal(step % k, 0)`.
        then: an expression.
        otherwise: an expression.

    >>> from learnerdsl.expr import step, where
    >>> where(step > 10, 1, 2)
    Piecewise((1, step > 10), (2, True))
    """
    if condition in (True, sympy.true):
        return expression(then)
    if condition in (False, sympy.false):
        return expression(otherwise)
    if not isinstance(condition, sympy.logic.boolalg.Boolean) or condition.is_Symbol:
        msg = f"{condition!r} is not a condition; write a comparison such as g > 0."
        raise RuleError(msg)
    branches = [(expression(then), condition), (expression(otherwise), True)]
    # Unevaluated: SymPy would rewrite conditions, solving them as sets of real numbers.
    return sympy.Piecewise(*branches, evaluate=False)


def clip(x: Any, low: Any, high: Any) -> sympy.Expr:
    """`x` limited to the interval from `low` to `high`, as numpy.clip."""
    return minimum(maximum(expression(x), low), high)


def sum(x: Any, over: str = "tensor", block: int = 0) -> sympy.Expr:
    """The sum of `x` over all elements of each tensor, or of the model; 0 over none.

    Args:
        x: an expression.
        over: "tensor" or "model".
        block: 0 adds in float64, in the order that is fastest. A number adds in the parameter's
            dtype and in memory order, so many elements at a time and these sums to the total (the
            elements left over at the end one by one). That is slower and less exact: it is there
            to reproduce the rounding of another library, for tensors of up to one chunk.
    """
    return SumOver(x, over, block)


def mean(x: Any, over: str = "tensor", block: int = 0) -> sympy.Expr:
    """The mean of `x` over all elements of each tensor, or of the model; NaN over none.

    See `sum` for the arguments.
    """
    return SumOver(x, over, block) / (tensor_size if over == "tensor" else model_size)


def norm(x: Any, over: str = "tensor") -> sympy.Expr:
    """The Euclidean norm of `x` over all elements of each tensor, or of the model."""
    return sqrt(SumOver(expression(x) ** 2, over))


def max(x: Any, over: str = "tensor") -> sympy.Expr:
    """The largest `x` among all elements of each tensor, or of the model; NaN if there is one."""
    return MaxOver(x, over)


def size(x: Any, over: str = "tensor") -> sympy.Expr:
    """Number of elements of the tensor that `x`, a parameter or state, is of; or of the model."""
    if not isinstance(x, (ParameterSymbol, GradientSymbol, StateSymbol)):
        msg = f"size({x}) is not defined; write the size of the parameter, the gradient or a state."
        raise RuleError(msg)
    if over not in ("tensor", "model"):
        msg = f"A size cannot range over {over!r}; write over='tensor' or over='model'."
        raise RuleError(msg)
    return tensor_size if over == "tensor" else model_size
