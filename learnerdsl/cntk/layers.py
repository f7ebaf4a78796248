"""Layers: objects that make their parameters at the first call, from the shape of the input.

Calling a layer with a node returns a node; all calls share the parameters. Calling it with data
evaluates it. The parameters have the dtype of the input.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from learnerdsl.cntk import ops
from learnerdsl.cntk.checks import flag, function, number, shown, whole, whole_or_none
from learnerdsl.cntk.errors import MissingMethodError
from learnerdsl.cntk.graph.defaults import NOT_GIVEN, given_or_default
from learnerdsl.cntk.graph.defaults import default_options as default_options
from learnerdsl.cntk.graph.functions import Function, as_function
from learnerdsl.cntk.graph.initializers import glorot_uniform
from learnerdsl.cntk.graph.nodes import Node, Shape, checked_name, checked_shape, numbers
from learnerdsl.cntk.graph.shapes import dropout_rate as checked_rate
from learnerdsl.cntk.graph.variables import Constant, Parameter, Variable, input_variable
from learnerdsl.errors import ArrayError, DtypeError, HyperparameterError

Step = Callable[[Any], Any]


def identity(x: Node) -> Node:
    """Return `x`: the activation that does nothing."""
    return x


class Layer:
    """The base of all layers: it makes parameters at the first call, and composes layers.

    Args:
        name: name of the node that the layer makes, for `find_by_name`.
    """

    def __init__(self, name: str = "") -> None:
        self.name = checked_name(name)
        self._made: dict[str, Variable] = {}
        self._built_for: tuple[Shape, Any] | None = None

    def build(self, x: Node) -> dict[str, Variable]:
        """Make the parameters for an input like `x`, by name."""
        return {}

    def connect(self, x: Node, **variables: Variable) -> Node:
        """Make the node of the layer from its input and its parameters."""
        msg = (
            f"{type(self).__name__} does not have a method connect; write one that returns a node."
        )
        raise MissingMethodError(msg)

    def __call__(self, x: Any) -> Any:
        """Apply the layer to a node, or evaluate it at data with a batch axis."""
        if not isinstance(x, Node):
            array = numbers(x, "The data of a layer")
            if array.ndim == 0:
                msg = f"A layer needs data with a batch axis, got {x!r}; give a list of samples."
                raise ArrayError(msg)
            kind = np.float64 if array.dtype == np.float64 else np.float32
            place = input_variable(array.shape[1:], dtype=self._dtype(kind))
            return as_function(self(place)).eval({place: array})
        self._check_input(x)
        made = self.build(x) if self._built_for is None else self._made
        output = self.connect(x, **made)
        if not isinstance(output, Node):
            msg = (
                f"{self!r} returned {shown(output)}, which is not a node; check the functions that "
                "it calls."
            )
            raise DtypeError(msg)
        self._made, self._built_for = made, self._built_for or (x.shape, x.dtype)
        own = tuple(v for v in self._made.values() if isinstance(v, Parameter))
        return marked(output, x, own, self.name)

    def _dtype(self, given: Any) -> Any:
        return given if self._built_for is None else self._built_for[1]

    def _check_input(self, x: Node) -> None:
        if self._made and (x.shape, x.dtype) != self._built_for and self._built_for is not None:
            shape, dtype = self._built_for
            msg = (
                f"{self!r} has parameters for inputs of shape {shape} and {dtype.__name__}, "
                f"which do not fit {x!r}; make another layer for it."
            )
            raise ArrayError(msg)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The layer's parameters, which the first call makes; an error before."""
        if self._built_for is None:
            msg = f"{self!r} does not have parameters yet; call it with an input first."
            raise ArrayError(msg)
        return tuple(v for v in self._made.values() if isinstance(v, Parameter))

    def _built(self) -> "list[tuple[Layer, Any, Any]]":
        """Return this layer and those inside it with their parameters, to undo a failed call."""
        return [(self, self._made, self._built_for)]

    def __getattr__(self, name: str) -> Variable:
        made = self.__dict__.get("_made", {})
        if name in made:
            return made[name]
        msg = f"{self!r} does not have {name!r}; the first call of a layer makes its parameters."
        raise AttributeError(msg)

    def __rshift__(self, after: Step) -> "Sequential":
        return Sequential([self, after])

    def __repr__(self) -> str:
        name = self.__dict__.get("name", "")
        return f"{type(self).__name__}({name!r})" if name else type(self).__name__


def _activation(given: Any) -> Step:
    """Return an activation, or the default one, as a function."""
    chosen = given_or_default("activation", given, None)
    return identity if chosen is None else function("activation", chosen, "a node")


def marked(output: Node, x: Node, own: Sequence[Parameter], name: str) -> Node:
    """Return `output` with the layer's name, and with its parameters for `Function.parameters`."""
    is_another = output is x or isinstance(output, Variable)
    if (is_another and (name or own)) or (name and output.name):
        output = ops.alias(output, name)
    if own:
        output.attributes.setdefault("layer", tuple(own))
    if name:
        output.name = name
    return output


class Dense(Layer):
    """A linear map with a bias and an activation: activation(x W + b).

    Args:
        shape: shape of the output, an int or a tuple.
        activation: a function of nodes, or None.
        init: start value of `W`; `glorot_uniform()` if left out.
        input_rank: number of trailing axes of the input to map; all if left out.
        map_rank: number of leading axes of the input to keep, instead of `input_rank`.
        bias: whether to add `b`.
        init_bias: start value of `b`.
        name: name of the node, for `find_by_name`.

    Example:
        >>> import learnerdsl.cntk as C
        >>> z = C.layers.Dense(2, activation=C.relu)(C.input_variable(3))
        >>> [p.shape for p in z.parameters]
        [(3, 2), (2,)]
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        activation: Step | None = NOT_GIVEN,
        init: Any = NOT_GIVEN,
        input_rank: int | None = None,
        map_rank: int | None = NOT_GIVEN,
        bias: bool = NOT_GIVEN,
        init_bias: Any = NOT_GIVEN,
        name: str = "",
    ) -> None:
        super().__init__(name)
        self.shape = checked_shape(shape)
        self.activation = _activation(activation)
        self.init = given_or_default("init", init, None)
        if self.init is None:
            self.init = glorot_uniform(output_rank=len(self.shape))
        self.input_rank = whole_or_none("input_rank", input_rank)
        self.map_rank = whole_or_none("map_rank", given_or_default("map_rank", map_rank, None))
        self.bias = flag("bias", given_or_default("bias", bias, True))
        self.init_bias = given_or_default("init_bias", init_bias, 0)
        if self.input_rank is not None and self.map_rank is not None:
            msg = f"Dense takes {input_rank=} or {map_rank=}, not both."
            raise HyperparameterError(msg)

    def build(self, x: Node) -> dict[str, Variable]:
        """Make `W` and, with a bias, `b`."""
        kept = self.map_rank or 0
        if self.input_rank is not None:
            kept = x.rank - self.input_rank
        if not 0 <= kept <= x.rank:
            msg = (
                f"{self!r} cannot map the last {x.rank - kept} axes of {x!r}; change input_rank or "
                "map_rank."
            )
            raise ArrayError(msg)
        weights = Parameter(x.shape[kept:] + self.shape, self.init, x.dtype, name="W")
        if not self.bias:
            return {"W": weights}
        return {"W": weights, "b": Parameter(self.shape, self.init_bias, x.dtype, name="b")}

    def connect(self, x: Node, **variables: Variable) -> Node:
        """Make the node activation(x W + b)."""
        mapped = ops.times(x, variables["W"], output_rank=len(self.shape))
        return self.activation(mapped + variables["b"] if self.bias else mapped)


class Embedding(Layer):
    """A row of a matrix for each class: the product of a one-hot input and `E`.

    With `input_variable(..., is_sparse=True)`, gradients are row-sparse.

    Args:
        shape: shape of a row, an int or a tuple; leave it out with `weights`.
        init: start value of `E`; `glorot_uniform()` if left out.
        weights: a constant array to use instead of a parameter.
        name: name of the node, for `find_by_name`.
    """

    def __init__(
        self,
        shape: int | Sequence[int] | None = None,
        init: Any = NOT_GIVEN,
        weights: Any = None,
        name: str = "",
    ) -> None:
        super().__init__(name)
        if (shape is None) == (weights is None):
            msg = "Embedding needs either shape or weights; give exactly one of them."
            raise HyperparameterError(msg)
        self.weights = None if weights is None else numbers(weights, "The weights of Embedding")
        if self.weights is not None and not self.weights.ndim:
            msg = f"The weights of Embedding are one number, {weights}; give a matrix."
            raise ArrayError(msg)
        own = () if self.weights is None else self.weights.shape[1:]
        self.shape = own if shape is None else checked_shape(shape)
        self.init = given_or_default("init", init, None)
        if self.init is None:
            self.init = glorot_uniform(output_rank=len(self.shape))

    def build(self, x: Node) -> dict[str, Variable]:
        """Make `E`, with a row for each element of the input."""
        if self.weights is not None:
            return {"E": Constant(self.weights, dtype=x.dtype, name="E")}
        return {"E": Parameter(x.shape + self.shape, self.init, x.dtype, name="E")}

    def connect(self, x: Node, **variables: Variable) -> Node:
        """Make the product of `x` and `E`."""
        return ops.times(x, variables["E"], output_rank=len(self.shape))


class Dropout(Layer):
    """Sets a random share of the input to 0 in training, and scales up the rest.

    Args:
        dropout_rate: share of the elements to set to 0, from 0 to below 1.
        keep_prob: share of the elements to keep, instead of `dropout_rate`.
        seed: an int; the next unused seed if left out.
        name: name of the node, for `find_by_name`.
    """

    def __init__(
        self,
        dropout_rate: float | None = None,
        keep_prob: float | None = None,
        seed: int | None = None,
        name: str = "",
    ) -> None:
        super().__init__(name)
        if (dropout_rate is None) == (keep_prob is None):
            msg = f"Dropout needs exactly one of {dropout_rate=} and {keep_prob=}."
            raise HyperparameterError(msg)
        if keep_prob is None:
            self.rate = checked_rate("dropout_rate", dropout_rate)
        else:
            self.rate = 1 - number("keep_prob", keep_prob, lambda x: 0 < x <= 1, "above 0, up to 1")
        self.seed = seed if seed is None else whole("seed", seed)

    def connect(self, x: Node, **variables: Variable) -> Node:
        """Apply `dropout` to the input."""
        return ops.dropout(x, self.rate, self.seed)


class LayerNormalization(Layer):
    """(x - mean) / (standard deviation + epsilon) * scale + bias, over all axes of a sample.

    Args:
        initial_scale: start value of the parameter `scale`.
        initial_bias: start value of the parameter `bias`.
        epsilon: added to the standard deviation.
        name: name of the node, for `find_by_name`.
    """

    def __init__(
        self,
        initial_scale: float = 1,
        initial_bias: float = 0,
        epsilon: float = 1e-5,
        name: str = "",
    ) -> None:
        super().__init__(name)
        self.initial = {"scale": initial_scale, "bias": initial_bias}
        self.epsilon = number("epsilon", epsilon, lambda x: 0 <= x < math.inf, "a number from 0")

    def build(self, x: Node) -> dict[str, Variable]:
        """Make `scale` and `bias`, in the shape of the input."""
        return {
            key: Parameter(x.shape, start, x.dtype, name=key) for key, start in self.initial.items()
        }

    def connect(self, x: Node, **variables: Variable) -> Node:
        """Normalise the input to mean 0 and deviation 1, then scale and shift it."""
        centred = x - ops.reduce_mean(x)
        deviation = ops.sqrt(ops.reduce_mean(ops.square(centred))) + self.epsilon
        return centred / deviation * variables["scale"] + variables["bias"]


class Activation(Layer):
    """An activation as a layer.

    Args:
        activation: a function of nodes; that of `default_options` if left out.
        name: name of the node, for `find_by_name`.
    """

    def __init__(self, activation: Step | None = NOT_GIVEN, name: str = "") -> None:
        super().__init__(name)
        self.activation = _activation(activation)

    def connect(self, x: Node, **variables: Variable) -> Node:
        """Apply the activation to `x`."""
        return self.activation(x)


class Sequential(Layer):
    """Layers and functions, applied one after the other.

    Args:
        layers: a list of layers and functions of nodes; lists may be nested.
        name: name of the node, for `find_by_name`.

    Example:
        >>> import learnerdsl.cntk as C
        >>> model = C.layers.Sequential([C.layers.Dense(4), C.relu, C.layers.Dense(2)])
        >>> model(C.input_variable(3)).shape
        (2,)
    """

    def __init__(self, layers: Iterable[Any], name: str = "") -> None:
        super().__init__(name)
        self.layers: list[Step] = []
        if not isinstance(layers, Iterable):
            msg = f"Sequential takes a list of layers, got {shown(layers)}; write [layer, layer]."
            raise HyperparameterError(msg)
        for layer in layers:
            self.layers.extend(Sequential(layer).layers if isinstance(layer, list) else [layer])
        for layer in self.layers:
            if not callable(layer):
                msg = f"Sequential cannot call {shown(layer)}; give layers and functions of nodes."
                raise HyperparameterError(msg)

    def connect(self, x: Node, **variables: Variable) -> Node:
        """Apply each layer to the result of the one before."""
        before = self._built()
        try:
            for layer in self.layers:
                x = layer(x)
        except BaseException:
            for layer, made, built_for in before:
                layer._made, layer._built_for = made, built_for
            raise
        return x

    def _built(self) -> list[tuple[Layer, Any, Any]]:
        """Return the layers inside it with their parameters."""
        return [one for layer in self.layers if isinstance(layer, Layer) for one in layer._built()]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, those of the last layer first."""
        found: dict[Parameter, None] = {}
        for layer in reversed(self.layers):
            if isinstance(layer, (Layer, Function)):
                found.update(dict.fromkeys(layer.parameters))
        return tuple(found)

    def __getitem__(self, key: int) -> Step:
        return self.layers[key]

    def __rshift__(self, after: Step) -> "Sequential":
        return Sequential([*self.layers, after])


def For(what_range: Iterable[Any], constructor: Callable[..., Step], name: str = "") -> Sequential:
    """Make a sequence of layers, one for each element of a range.

    Args:
        what_range: an iterable such as `range(3)`.
        constructor: takes an element, or no argument, and returns a layer.
        name: name of the node, for `find_by_name`.

    Example:
        >>> import learnerdsl.cntk as C
        >>> model = C.layers.For(range(2), lambda i: C.layers.Dense(4 - i))
        >>> model(C.input_variable(3)).shape
        (3,)
    """
    function("constructor", constructor, "an element of the range, or of no argument")
    if not isinstance(what_range, Iterable):
        msg = f"For needs a range such as range(3), got {shown(what_range)}; write range(...)."
        raise HyperparameterError(msg)
    takes = constructor.__code__.co_argcount if hasattr(constructor, "__code__") else 1
    return Sequential([constructor(i) if takes else constructor() for i in what_range], name)
