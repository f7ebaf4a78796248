"""Files of functions: a safetensors file with the arrays, and with the graph as JSON in its header.

Nothing in a file is executed. It names operations of `shapes.OPERATIONS`, inputs before the
operations that read them, and every node is checked as if a user had just made it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learnerdsl.cntk import files
from learnerdsl.cntk.checks import is_whole, shown
from learnerdsl.cntk.graph import walks
from learnerdsl.cntk.graph.evaluation import stored
from learnerdsl.cntk.graph.nodes import Node, apply
from learnerdsl.cntk.graph.variables import Constant, Parameter, input_variable
from learnerdsl.errors import CheckpointError

FORMAT = "learnerdsl.cntk graph 1"
LEAVES = ("input", "parameter", "constant")
INPUT_FLAGS = {"is_sparse", "needs_gradient"}
KEYS = {"op", "inputs", "attributes", "name", "shape", "dtype"}


def save(output: Node, path: str | Path) -> None:
    """Write the graph of `output` to a file, atomically."""
    files.write(path, *contents(output))


def contents(output: Node) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return the header, with a checksum, and the arrays of the file of a graph."""
    order = _order(output)
    numbers = {node: number for number, node in enumerate(order)}
    for node in order:
        if not node.inputs and node.op not in LEAVES:
            msg = f"{node!r} cannot be saved; save a function of operations and variables only."
            raise CheckpointError(msg)
    described = json.dumps([_describe(node, numbers) for node in order], default=_plain)
    header = {"format": FORMAT, "graph": described, "output": str(numbers[output])}
    arrays = {str(numbers[node]): stored(node) for node in order if _has_array(node)}
    return files.sealed(header, arrays), arrays


def load(path: str | Path) -> Node:
    """Load the node that `save` wrote."""
    return _read(path)[0][-1]


def restore(output: Node, path: str | Path) -> None:
    """Copy the values in the file into the parameters and constants of an equal graph."""
    read_values(output, path)[1]()


def read_values(output: Node, path: str | Path) -> tuple[str, Callable[[], None]]:
    """Read a file of an equal graph; return its checksum and a function that copies its values."""
    order = _order(output)
    saved, checksum = _read(path)
    if _structure(order) != _structure(saved):
        msg = f"{path} holds another graph than that of {output!r}; use load to get that graph."
        raise CheckpointError(msg)

    def copy() -> None:
        for node, other in zip(order, saved, strict=True):
            if _has_array(node):
                stored(node)[...] = stored(other)

    return checksum, copy


def _structure(order: Sequence[Node]) -> list[dict[str, Any]]:
    """Describe what two graphs must have in common to exchange values."""
    numbers = {node: number for number, node in enumerate(order)}
    described = [_describe(node, numbers) for node in order]
    return [{key: one[key] for key in ("op", "inputs", "shape", "dtype")} for one in described]


def _order(output: Node) -> list[Node]:
    """Return all nodes, including parameters that only a layer's list names."""
    found = walks.topological((output,))
    listed = [p for node in found for p in node.attributes.get("layer", ())]
    return walks.topological((*listed, output))


def _has_array(node: Node) -> bool:
    return node.is_parameter or node.is_constant


def _describe(node: Node, numbers: dict[Node, int]) -> dict[str, Any]:
    attributes = dict(node.attributes)
    if "layer" in attributes:
        attributes["layer"] = [numbers[parameter] for parameter in attributes["layer"]]
    if node.is_input:
        attributes = {flag: getattr(node, flag) for flag in sorted(INPUT_FLAGS)}
    return {
        "op": node.op,
        "inputs": [numbers[operand] for operand in node.inputs],
        "attributes": attributes,
        "name": node.name,
        "shape": node.shape,
        "dtype": node.dtype.__name__,
    }


def _plain(value: Any) -> Any:
    """Convert a NumPy number to one that JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    msg = f"The attribute {shown(value)} of a node cannot be saved; give numbers and lists of them."
    raise CheckpointError(msg)


def _read(path: str | Path) -> tuple[list[Node], str]:
    """Read the nodes of a file, the output last, and its checksum."""
    return files.read(path, "file", "that Function.save wrote", _decode)


def _decode(header: dict[str, str], arrays: dict[str, np.ndarray]) -> tuple[list[Node], str]:
    if header["format"] != FORMAT:
        msg = f"its format is {shown(header['format'])}"
        raise ValueError(msg)
    described = json.loads(header["graph"])
    if not isinstance(described, list):
        msg = f"its graph is {shown(described)}"
        raise ValueError(msg)
    nodes: list[Node] = []
    for number, entry in enumerate(described):
        nodes.append(_rebuild(entry, nodes, arrays.get(str(number))))
    with_arrays = {str(number) for number, node in enumerate(nodes) if _has_array(node)}
    is_whole_graph = nodes and header["output"] == str(len(nodes) - 1)
    if not is_whole_graph or with_arrays != set(arrays) or _order(nodes[-1]) != nodes:
        msg = "it holds nodes or arrays that its output does not need"
        raise ValueError(msg)
    return nodes, header.get(files.CHECKSUM, "")


def _rebuild(entry: Any, nodes: Sequence[Node], array: np.ndarray | None) -> Node:
    """Make the node of an entry of the graph; its inputs are among the nodes before it."""
    if not isinstance(entry, dict) or set(entry) != KEYS:
        msg = f"its node {len(nodes)} is {shown(entry)}"
        raise ValueError(msg)
    inputs, attributes = _chosen(nodes, entry["inputs"]), entry["attributes"]
    if not isinstance(attributes, dict) or not isinstance(entry["op"], str):
        msg = f"its node {len(nodes)} has the attributes {shown(attributes)}"
        raise ValueError(msg)
    if entry["op"] in LEAVES:
        node = _leaf(entry, array)
    else:
        if "layer" in attributes:
            attributes["layer"] = tuple(_chosen(nodes, attributes["layer"], Parameter))
        node = apply(entry["op"], inputs, attributes, entry["name"])
    shape = entry["shape"]
    is_same = isinstance(shape, list) and all(map(is_whole, shape)) and tuple(shape) == node.shape
    if not is_same or entry["dtype"] != node.dtype.__name__ or len(inputs) != len(node.inputs):
        msg = (
            f"its node {len(nodes)}, {node!r}, does not have the shape {shown(shape)} and dtype "
            f"{shown(entry['dtype'])}"
        )
        raise ValueError(msg)
    return node


def _chosen(nodes: Sequence[Node], numbers: Any, kind: type[Node] = Node) -> list[Node]:
    """Return the nodes with these numbers."""
    is_list = isinstance(numbers, list) and all(map(is_whole, numbers))
    if not is_list or not all(0 <= k < len(nodes) and isinstance(nodes[k], kind) for k in numbers):
        msg = f"its node {len(nodes)} needs the nodes {shown(numbers)}, which are not before it"
        raise ValueError(msg)
    return [nodes[k] for k in numbers]


def _leaf(entry: dict[str, Any], array: np.ndarray | None) -> Node:
    """Make the variable of an entry of the graph."""
    shape, dtype, name = entry["shape"], entry["dtype"], entry["name"]
    flags = entry["attributes"]
    if dtype not in ("float32", "float64"):
        msg = f"the variable {shown(name)} has the dtype {shown(dtype)}"
        raise ValueError(msg)
    if set(flags) != (INPUT_FLAGS if entry["op"] == "input" else set()):
        msg = f"the variable {shown(name)} has the attributes {shown(flags)}"
        raise ValueError(msg)
    if entry["op"] == "input":
        return input_variable(shape, dtype, name=name, **flags)
    if array is None or array.dtype.name != dtype or list(array.shape) != shape:
        msg = (
            f"the array of {shown(name)} is missing, or does not have the shape {shown(shape)} and "
            f"dtype {shown(dtype)}"
        )
        raise ValueError(msg)
    if entry["op"] == "parameter":
        return Parameter(init=array, dtype=dtype, name=name)
    return Constant(array, dtype=dtype, name=name)
