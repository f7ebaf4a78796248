"""Files of functions: one safetensors file with the arrays, and the graph as JSON in its header."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as to_bytes

from learnerdsl.cntk import graph
from learnerdsl.cntk.evaluation import stored
from learnerdsl.cntk.nodes import Node
from learnerdsl.cntk.variables import Constant, Parameter, input_variable
from learnerdsl.errors import CheckpointError
from learnerdsl.runtime.checkpoint import read_safetensors
from learnerdsl.runtime.files import write_atomically

FORMAT = "learnerdsl.cntk graph 1"


def save(output: Node, path: str | Path) -> None:
    """Write the graph of `output` to a file that appears whole or not at all."""
    order = _order(output)
    numbers = {node: number for number, node in enumerate(order)}
    described = [_describe(node, numbers) for node in order]
    for node in order:
        if not node.inputs and node.op not in ("input", "parameter", "constant"):
            msg = f"{node!r} cannot be saved; a saved function holds operations and variables only."
            raise CheckpointError(msg)
    arrays = {str(numbers[node]): stored(node) for node in order if _has_array(node)}
    header = {"format": FORMAT, "graph": json.dumps(described), "output": str(numbers[output])}
    write_atomically(Path(path), to_bytes(arrays, header))


def load(path: str | Path) -> Node:
    """The node that `save` wrote."""
    described, arrays, output = _read(path)
    nodes: list[Node] = []
    for number, entry in enumerate(described):
        nodes.append(_rebuild(entry, nodes, arrays.get(str(number))))
    return nodes[output]


def restore(output: Node, path: str | Path) -> None:
    """Copy the values in the file into the parameters and constants of the same graph."""
    described, arrays, _ = _read(path)
    order = _order(output)
    same = len(order) == len(described) and all(
        node.op == entry["op"] and list(node.shape) == entry["shape"]
        for node, entry in zip(order, described, strict=True)
    )
    if not same:
        msg = f"{path} holds another graph than that of {output!r}; use load to get that one."
        raise CheckpointError(msg)
    for number, node in enumerate(order):
        if _has_array(node):
            stored(node)[...] = arrays[str(number)]


def _order(output: Node) -> list[Node]:
    """All nodes, also parameters that only a layer's list names."""
    found = graph.topological((output,))
    listed = [p for node in found for p in node.attributes.get("layer", ())]
    return graph.topological((*listed, output))


def _has_array(node: Node) -> bool:
    return node.is_parameter or node.is_constant


def _describe(node: Node, numbers: dict[Node, int]) -> dict[str, Any]:
    attributes = dict(node.attributes)
    if "layer" in attributes:
        attributes["layer"] = [numbers[parameter] for parameter in attributes["layer"]]
    for flag in ("is_sparse", "needs_gradient"):
        if node.is_input:
            attributes[flag] = getattr(node, flag)
    return {
        "op": node.op,
        "inputs": [numbers[operand] for operand in node.inputs],
        "attributes": attributes,
        "name": node.name,
        "shape": node.shape,
        "dtype": node.dtype.__name__,
    }


def _rebuild(entry: dict[str, Any], nodes: list[Node], array: np.ndarray | None) -> Node:
    op, name, attributes = entry["op"], entry["name"], entry["attributes"]
    shape, dtype = tuple(entry["shape"]), entry["dtype"]
    if op == "input":
        return input_variable(shape, dtype, name=name, **attributes)
    if op == "parameter":
        return Parameter(shape, array, dtype, name=name)
    if op == "constant":
        return Constant(array, shape, dtype, name=name)
    if "layer" in attributes:
        attributes["layer"] = tuple(nodes[number] for number in attributes["layer"])
    return Node.apply(op, [nodes[number] for number in entry["inputs"]], attributes, name)


def _read(path: str | Path) -> tuple[list[dict[str, Any]], dict[str, np.ndarray], int]:

    def decode(header: dict[str, str], arrays: dict[str, np.ndarray]) -> Any:
        if header["format"] != FORMAT:
            raise ValueError(header["format"])
        return json.loads(header["graph"]), arrays, int(header["output"])

    return read_safetensors(path, "file", "that Function.save wrote", decode)
