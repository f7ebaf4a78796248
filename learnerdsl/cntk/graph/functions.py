"""Functions, the operations of a graph: they can be evaluated, called, cloned and saved."""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learnerdsl.cntk.checks import function, shown
from learnerdsl.cntk.graph import evaluation, persistence, walks
from learnerdsl.cntk.graph.nodes import Node, Operand, Scalar, checked_name, numbers
from learnerdsl.cntk.graph.nodes import apply as apply_of_nodes
from learnerdsl.cntk.graph.registered import Registered
from learnerdsl.cntk.graph.shapes import shape_of
from learnerdsl.cntk.graph.values import Value
from learnerdsl.cntk.graph.variables import Constant, Input, Parameter, Variable
from learnerdsl.errors import ArrayError, DtypeError, HyperparameterError, UnknownNameError

# The methods of functions that `training.py` registers.
method_train = Registered()
method_test = Registered()


class CloneMethod(enum.Enum):
    """How to treat the parameters of a function that is cloned."""

    share = "share"
    clone = "clone"
    freeze = "freeze"


class Function(Node):
    """An operation and the graph below it, which can be evaluated.

    Operators and the functions of `learnerdsl.cntk` make functions; do not call this class.

    Example:
        >>> import learnerdsl.cntk as C
        >>> x = C.input_variable(2, name="x")
        >>> f = C.reduce_sum(x * x)
        >>> f.eval({x: [[3, 4]]})
        array([25.], dtype=float32)
        >>> f.grad({x: [[3, 4]]}, wrt=[x])
        array([[6., 8.]], dtype=float32)
    """

    train = method_train
    test = method_test

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The nodes that `eval` evaluates: the parts of a combination, else the function."""
        return self.inputs if self.op == "combine" and len(self.inputs) > 1 else (self,)

    @property
    def output(self) -> Node:
        """The only output; an error if there are several."""
        if len(self.outputs) > 1:
            msg = f"{self!r} has {len(self.outputs)} outputs; choose one of .outputs."
            raise ArrayError(msg)
        return self

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters; as in CNTK, those of the last layer come first."""
        return walks.leaves((self,), Parameter)

    @property
    def constants(self) -> tuple[Constant, ...]:
        """All constants."""
        return walks.leaves((self,), Constant)

    @property
    def arguments(self) -> tuple[Input, ...]:
        """All inputs, in the order of the arguments of a call."""
        return walks.leaves((self,), Input)

    @property
    def root_function(self) -> "Function":
        """The function itself."""
        return self

    def eval(
        self,
        arguments: evaluation.Arguments = None,
        outputs: Sequence[Node] | None = None,
        device: object = None,
        as_numpy: bool = True,
    ) -> Any:
        """Evaluate the function.

        Args:
            arguments: dict from input (or its name) to data, one sample or a batch of samples; the
                data alone if there is one input.
            outputs: nodes to evaluate instead of the function's own outputs.
            device: accepted for compatibility with CNTK, ignored; everything is on the CPU.
            as_numpy: whether to return arrays, or objects with `.data.slice_view` and `.asarray`.

        Returns:
            The value, with a batch axis if it depends on an input; a dict if there are several
            outputs.
        """
        nodes = self.outputs if outputs is None else nodes_of("outputs", outputs)
        arrays = evaluation.evaluate(nodes, arguments)
        values = [array if as_numpy else Value(array) for array in arrays]
        return values[0] if len(values) == 1 else dict(zip(nodes, values, strict=True))

    def grad(
        self,
        at: evaluation.Arguments = None,
        wrt: Sequence[Node] | None = None,
        outputs: Sequence[Node] | None = None,
        device: object = None,
        as_numpy: bool = True,
    ) -> Any:
        """Return the gradient of the sum of all elements of the function, over all samples.

        Args:
            at: data of the inputs, as for `eval`.
            wrt: inputs, parameters and constants to differentiate by; the inputs made with
                `needs_gradient=True` if left out.
            outputs: nodes whose values to return too.
            device: accepted for compatibility with CNTK, ignored.
            as_numpy: whether to return arrays, or objects with `.data.slice_view` and `.asarray`.

        Returns:
            The gradient: an array (with a batch axis for inputs), or a `RowSparse` for a parameter
            that only sparse inputs multiply. A dict if `wrt` has several nodes. With `outputs`, a
            pair of this and the values.
        """
        needed = [node for node in self.arguments if node.needs_gradient]
        names = nodes_of("wrt", needed if wrt is None else wrt)
        self._check_differentiable(names)
        extra = () if outputs is None else nodes_of("outputs", outputs)
        values, found = evaluation.gradients((self.output, *extra), at, names)
        wrapped = [Value(g) if isinstance(g, np.ndarray) and not as_numpy else g for g in found]
        result = wrapped[0] if len(names) == 1 else dict(zip(names, wrapped, strict=True))
        if outputs is None:
            return result
        kept = [value if as_numpy else Value(value) for value in values[1:]]
        return result, kept[0] if len(kept) == 1 else dict(zip(extra, kept, strict=True))

    def _check_differentiable(self, wrt: Sequence[Node]) -> None:
        if not wrt:
            msg = (
                "grad needs variables to differentiate by; give wrt=[...], or make inputs with "
                "needs_gradient=True."
            )
            raise HyperparameterError(msg)
        inside = set(walks.topological((self,)))
        for node in wrt:
            if not isinstance(node, Variable) or node not in inside:
                msg = (
                    f"{node!r} in wrt is not an input, parameter or constant of {self!r}; leave it "
                    "out."
                )
                raise UnknownNameError(msg)

    def __call__(self, *operands: Any, **named: Any) -> Any:
        """Replace the inputs by other nodes, or evaluate at data.

        Args:
            *operands: nodes or data for the inputs, in the order of `arguments`.
            **named: nodes or data for inputs with these names.

        Returns:
            A function that shares all parameters; the value if none of the operands is a node.
        """
        inputs = self.arguments
        given: dict[Any, Any] = {}
        if len(operands) == 1 and isinstance(operands[0], Mapping):
            given.update(operands[0])
        elif len(operands) > len(inputs):
            msg = f"{self!r} takes {len(inputs)} inputs, {inputs}, got {len(operands)}."
            raise ArrayError(msg)
        else:
            given.update(zip(inputs, operands, strict=False))
        by_name = {node.name: node for node in inputs}
        given.update({by_name.get(name, name): operand for name, operand in named.items()})
        if not any(isinstance(operand, Node) for operand in given.values()):
            return self.eval(given)
        missing = [node for node in (*inputs, *given) if node not in given or node not in inputs]
        if missing:
            msg = f"{self!r} takes exactly the inputs {inputs}; missing or unknown: {missing}."
            raise UnknownNameError(msg)
        return walks.substitute(self, {n: as_node(o, n.dtype) for n, o in given.items()})

    def __rshift__(self, after: Callable[[Node], Node]) -> Node:
        return function("The right operand of >>", after, "a node")(self)

    def clone(
        self,
        method: CloneMethod | str = CloneMethod.clone,
        substitutions: Mapping[Node, Node] | None = None,
    ) -> "Function":
        """Return a copy of the function.

        Args:
            method: "share" for the same parameters, "clone" for new ones with the same values,
                "freeze" for constants.
            substitutions: dict from nodes to the nodes that replace them.

        Returns:
            The copy; with "share" and without substitutions the function itself.
        """
        if method not in (*CloneMethod, *CloneMethod.__members__):
            known = ", ".join(CloneMethod.__members__)
            msg = f"method={shown(method)} is not a way to clone; use one of {known}."
            raise HyperparameterError(msg)
        way = CloneMethod[method] if isinstance(method, str) else method
        replacements = _checked_substitutions({} if substitutions is None else substitutions)
        if way is not CloneMethod.share:
            for old in self.parameters:
                replacements.setdefault(old, _copied(old, way))
        return as_function(walks.substitute(self, replacements))

    def find_by_name(self, name: str, depth: int = 0) -> Node | None:
        """Return the node with this name, None if there is none; raise if there are several.

        Args:
            name: the name that the node was given.
            depth: accepted for compatibility with CNTK, ignored; all nodes are searched.
        """
        return walks.one_named(self, checked_name(name))

    def find_all_with_name(self, name: str, depth: int = 0) -> list[Node]:
        """Return all nodes with this name.

        Args:
            name: the name that the nodes were given.
            depth: accepted for compatibility with CNTK, ignored; all nodes are searched.
        """
        return walks.named((self,), checked_name(name))

    def save(self, path: str | Path) -> None:
        """Write the graph and the values of its parameters to one file, atomically.

        Raises:
            FileError: an OSError; the file cannot be written.
        """
        persistence.save(self, path)

    @staticmethod
    def load(path: str | Path, device: object = None) -> "Function":
        """Load a function that `save` wrote, with parameters of its own.

        Raises:
            CheckpointError: the file is damaged, or `save` did not write it.
            MissingFileError: a FileNotFoundError; there is no such file.
        """
        return as_function(persistence.load(path))

    def restore(self, path: str | Path) -> None:
        """Copy parameters and constants from a file that this function's `save` wrote.

        Raises:
            CheckpointError: the file is damaged or of another function; nothing changes then.
            MissingFileError: a FileNotFoundError; there is no such file.
        """
        persistence.restore(self, path)


load_model = Function.load


@apply_of_nodes.register
def apply(
    op: str,
    operands: Sequence[Operand],
    attributes: Mapping[str, Any] | None = None,
    name: str = "",
) -> Function:
    """Make the function of an operation; numbers and arrays among the operands become constants.

    Args:
        op: name of the operation, a key of `learnerdsl.cntk.graph.shapes.OPERATIONS`.
        operands: nodes, arrays, numbers, or objects with a method `as_node(dtype)`.
        attributes: options of the operation.
        name: name of the function, for `find_by_name`.
    """
    attributes = {} if attributes is None else attributes
    dtype = _common_dtype(op, operands)
    inputs = [as_node(operand, dtype, op) for operand in operands]
    if op != "combine":
        for node in inputs:
            if isinstance(node, Function) and len(node.outputs) > 1:
                msg = f"{op} needs one value, but {node!r} has several; choose one of its .outputs."
                raise ArrayError(msg)
    return Function(op, inputs, attributes, shape_of(op, inputs, attributes), dtype, name)


def as_node(operand: Any, dtype: Scalar, op: str = "The graph") -> Node:
    """Return `operand` as a node: itself, the result of its `as_node`, or a constant.

    Args:
        operand: a node, an array, a number, or an object with a method `as_node(dtype)`.
        dtype: dtype of a constant.
        op: the operation that takes the operand, for error messages.
    """
    if isinstance(operand, Node):
        return operand
    if hasattr(operand, "as_node"):
        return operand.as_node(dtype)
    return Constant(numbers(operand, f"An operand of {op}"), dtype=dtype)


def nodes_of(name: str, given: Any) -> tuple[Node, ...]:
    """Return the nodes of an argument, which is a node or several."""
    nodes = (given,) if isinstance(given, Node) else given
    if isinstance(nodes, Iterable):
        nodes = tuple(nodes)
        if all(isinstance(node, Node) for node in nodes):
            return nodes
    msg = (
        f"{name}={shown(given)} holds something that is not a node; give a list of nodes, such as "
        "[z]."
    )
    raise DtypeError(msg)


def as_function(node: Node) -> Function:
    """Return `node` if it is a function, else an alias of it."""
    return node if isinstance(node, Function) else apply("alias", (node,))


def _checked_substitutions(given: Any) -> dict[Node, Node]:
    if not isinstance(given, Mapping) or not all(isinstance(node, Node) for node in given):
        msg = f"substitutions={shown(given)} is not a dict of nodes; write {{old: new}}."
        raise DtypeError(msg)
    return {old: as_node(new, old.dtype) for old, new in given.items()}


def _copied(parameter: Parameter, way: CloneMethod) -> Variable:
    if way is CloneMethod.freeze:
        return Constant(parameter.value, dtype=parameter.dtype, name=parameter.name)
    return Parameter(init=parameter.value, dtype=parameter.dtype, name=parameter.name)


def _common_dtype(op: str, operands: Sequence[Operand]) -> Scalar:
    kinds = {operand.dtype for operand in operands if isinstance(operand, Node)}
    if len(kinds) > 1 and op != "combine":
        listed = " and ".join(shown(operand) for operand in operands)
        msg = f"{op} needs operands of one dtype, got {listed}; give all of them the same dtype."
        raise DtypeError(msg)
    if kinds:
        return kinds.pop()
    return np.float64 if any(_is_float64(operand) for operand in operands) else np.float32


def _is_float64(operand: Operand) -> bool:
    return isinstance(operand, np.ndarray) and operand.dtype == np.float64
