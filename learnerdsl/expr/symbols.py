"""The symbols of a rule: its inputs, its states, and the values that it computes."""

from typing import Any

import sympy

from learnerdsl.expr.sides import array_shape


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
        """Return the arguments with which pickle rebuilds the symbol."""
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


class OverAxes(RuleSymbol):
    """A symbol with one value for each index of some axes; `shape` is the tuple of these axes."""

    __slots__ = ("shape",)
    shape: Any

    def __new__(cls, name: str, owner: str, shape: tuple[Any, ...]) -> Any:
        """Create the symbol."""
        symbol = super().__new__(cls, name, owner)
        symbol.shape = shape
        return symbol

    def array_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return the lengths of the axes."""
        return tuple(parameter[axis] for axis in self.shape)

    def broadcast_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return the lengths of the axes, and 1 for the others of a parameter of this shape."""
        return tuple(n if axis in self.shape else 1 for axis, n in enumerate(parameter))

    def __getnewargs_ex__(self) -> Any:
        """Return the arguments with which pickle rebuilds the symbol."""
        return (self.name, self.owner, self.shape), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.shape)


class ExtraSymbol(RuleSymbol):
    """A value that every update receives besides the gradients; subclasses say of what shape.

    Attributes:
        shape: the shape, as a rule writes it.
        is_common: whether all rules of a learner must have it alike.
    """

    __slots__ = ()
    shape: Any
    is_common = False

    def array_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the array for a parameter of this shape."""
        return parameter


class ExtraScalar(ExtraSymbol):
    """A number for the model, such as the loss."""

    __slots__ = ()
    shape = "model"
    is_common = True


class ExtraArray(ExtraSymbol):
    """An array of the parameter's shape."""

    __slots__ = ()
    shape = "element"
    is_common = True


class TensorExtra(ExtraSymbol):
    """A number for each parameter tensor."""

    __slots__ = ()
    shape = "tensor"

    def array_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return (), the shape of a number."""
        del parameter
        return ()


class AxisExtra(OverAxes, ExtraSymbol):
    """An extra with one value for each index of some axes."""

    __slots__ = ()


class MatrixExtra(AxisExtra):
    """A matrix of other sides for each matrix of the parameter; its `shape` is `Sides`."""

    __slots__ = ()

    def broadcast_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the matrices, which do not broadcast."""
        return self.array_shape(parameter)

    def array_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return (..., n, m), where n and m are the lengths of the sides."""
        return array_shape(self.shape, parameter)


class StateSymbol(RuleSymbol):
    """A state as it was before this update, one value per element; subclasses have fewer values."""

    __slots__ = ()
    shape: Any = "element"

    def array_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the state's array for a parameter of this shape."""
        return parameter


class TensorState(StateSymbol):
    """A state that is one scalar for each parameter tensor."""

    __slots__ = ()
    shape = "tensor"

    def array_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return (), the shape of a number."""
        del parameter
        return ()


class ObservedState(TensorState):
    """A scalar of a tensor that an observer added to a rule, which does not use it."""

    __slots__ = ()


class ModelState(TensorState):
    """A state that is one scalar for the whole learner."""

    __slots__ = ()
    shape = "model"


class AxisState(OverAxes, StateSymbol):
    """A state with one value for each index of some axes."""

    __slots__ = ()


class RingState(StateSymbol):
    """A past value in a ring: the value that was stored `lag` updates ago.

    Attributes:
        lag: number of updates since the value was stored; that of the oldest is `length`.
        length: number of values that the ring holds.
    """

    __slots__ = ("lag", "length")
    lag: int
    length: int

    def __new__(cls, name: str, owner: str, lag: int, length: int) -> Any:
        """Create the symbol `name`_`lag` of the ring `name`."""
        symbol = super().__new__(cls, f"{name}_{lag}", owner)
        symbol.lag = lag
        symbol.length = length
        return symbol

    def __getnewargs_ex__(self) -> Any:
        """Return the arguments with which pickle rebuilds the symbol."""
        return (self.name.rpartition("_")[0], self.owner, self.lag, self.length), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.lag, self.length)


class MatrixState(AxisState):
    """A state with a matrix of other sides for each matrix of the parameter.

    Its `shape` is `Sides`.
    """

    __slots__ = ()

    def broadcast_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the matrices, which do not broadcast."""
        return self.array_shape(parameter)

    def array_shape(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return (..., n, m), where n and m are the lengths of the sides."""
        return array_shape(self.shape, parameter)


STATE_SHAPES: dict[str, type[StateSymbol]] = {
    kind.shape: kind for kind in (StateSymbol, TensorState, ModelState)
}


class Named(RuleSymbol):
    """A value that this update computes: a new value, or an intermediate one."""

    __slots__ = ()


class NewValue(Named):
    """The value that `assign` gave to a state or to the parameter."""

    __slots__ = ()


class LetValue(Named):
    """An intermediate value that `let` named."""

    __slots__ = ()


class GradientValue(LetValue, GradientSymbol):
    """The gradient that a transform hands to the transforms and the rule after it."""

    __slots__ = ()


class Clock(RuleSymbol):
    """A scalar that the learner maintains for all rules, such as the step."""

    __slots__ = ()


class TensorScalar(RuleSymbol):
    """A scalar of the current tensor that the learner knows: its size, its number."""

    __slots__ = ()


class AxisSize(TensorScalar):
    """The length of an axis; negative axes count from the last, as in NumPy."""

    __slots__ = ("axis",)
    axis: int

    def __new__(cls, axis: int) -> Any:
        """Create the symbol; `rows` and `cols` are the last two axes."""
        name = {-1: "cols", -2: "rows"}.get(axis, f"dim{axis}".replace("-", "_minus_"))
        symbol = super().__new__(cls, name, integer=True, nonnegative=True)
        symbol.axis = axis
        return symbol

    def __getnewargs_ex__(self) -> Any:
        """Return the arguments with which pickle rebuilds the symbol."""
        return (self.axis,), {}


class Position(RuleSymbol):
    """Index of the current element in its flattened tensor; random numbers depend on it."""

    __slots__ = ()


step = Clock("step", integer=True, positive=True)
"""Number of this update, counted from 1; refused and skipped updates do not count."""
samples = Clock("samples", nonnegative=True)
"""Number of samples seen before this update: the sum of the earlier values of `minibatch_size`."""
minibatch_size = Clock("minibatch_size", positive=True)
"""Number of samples of this update, as passed to `learner.update`."""
model_size = Clock("model_size", integer=True, nonnegative=True)
seed = Clock("seed", integer=True, nonnegative=True)
position = Position("position", integer=True, nonnegative=True)
tensor_size = TensorScalar("size", integer=True, nonnegative=True)
tensor_number = TensorScalar("tensor_number", integer=True, nonnegative=True)

CLOCK = (step, samples, minibatch_size, model_size, seed)
"""The scalars that every rule may use, in the order of their slots in the model row."""
