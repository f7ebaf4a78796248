"""Export a rule as two functions in NumPy that update a dict of arrays in place."""

from typing import Any

from learnerdsl.codegen.naming import LINEAR_ALGEBRA
from learnerdsl.codegen.text import INDENT, indented
from learnerdsl.export import included
from learnerdsl.export.dialects import NumpyPrinter
from learnerdsl.export.frame import Frame, shortest
from learnerdsl.export.request import Request
from learnerdsl.export.statements import Body
from learnerdsl.export.text import Lines, call_of, dict_of, read_all
from learnerdsl.expr import (
    Where,
    minibatch_size,
    model_size,
    nodes,
    samples,
    step,
    symbols_in,
)


def numpy(request: Request) -> str:
    """Return a file with the functions `init` and `update`.

    Raises:
        RuleError: the rule cannot be written for parameters of all shapes.
    """
    return shortest(_Numpy, request)


class _Numpy(Frame):
    key = "name"
    own = "own"
    size = "{}.size"
    depth = 20
    reserved = frozenset(
        {
            *("np", "math", "params", "grads", "state", "name", "own", "tensors", "model", "kept"),
            *("number", "init", "update", "evaluation_parameters", "averages", "samples", "step"),
            *("philox", "fraction", "uniform", "normal", "eigh", "known", "each", *LINEAR_ALGEBRA),
            *("seed", "minibatch_size", "model_size"),
        }
    )

    def __init__(self, request: Request, from_last: bool) -> None:
        super().__init__(request, from_last)
        self.all_parameters = f"{self.names[self.rule.parameter]} in params.values()"

    def printer(self, body: Body) -> NumpyPrinter:
        return NumpyPrinter(self.names, body, self.from_last)

    def rounded(self, body: Body, text: str) -> str:
        return f"{self.names[body.rule.parameter]}.dtype.type({text})"

    def copied(self, text: str) -> str:
        return f"np.array({text})"

    def extreme(self, name: str) -> str:
        return f"np.{name}"

    def text_of_file(self) -> str:
        """Return the file."""
        parts = [self.init(), self.update()]
        if self.rule.evaluation is not None:
            parts.append(self.evaluation())
        own = included.text_of("numpy", self.used)
        code = "\n".join(["\n".join(part) for part in parts] + own)
        imports = ["import math", ""] if "math." in code else []
        imports += ["import numpy as np"] if "np." in code else []
        return self.file(imports, parts, own)

    # The state before the first update.

    def init(self) -> Lines:
        p = self.names[self.rule.parameter]
        refusal = (
            f'raise ValueError(f"{self.request.name} does not take {{{p}.ndim}} axes: {{name}}")'
        )
        loop = [
            f"for name, {p} in params.items():",
            *indented(self.by_case(self.init_of_tensor, [refusal])),
        ]
        before, model = self.start_values(self.bodies[0], "model")
        entries = [("step", "0")]
        entries += [("samples", "0")] if samples in self.all_symbols() else []
        entries.append(("tensors", "tensors"))
        if model:
            texts = [(spec.symbol.name, text) for spec, text in model]
            own = dict_of("model = ", texts, 4)
            if len(own) > 1:
                before += own
            entries.append(("model", "model" if len(own) > 1 else own[0].removeprefix("model = ")))
        return [
            *call_of("def init", ["params", *self.defaults(self.hypers_of_starts())], ":"),
            f'{INDENT}"""Return the state before the first update of a dict of arrays."""',
            *indented(["tensors = {}", *loop, *before, *dict_of("return ", entries, 4)]),
        ]

    def all_symbols(self) -> set[Any]:
        evaluation = self.rule.evaluation
        return self.symbols | (symbols_in(evaluation) if evaluation is not None else set())

    def init_of_tensor(self, body: Body) -> Lines:
        lines, values = self.start_values(body, "tensor")
        pairs = [(s.symbol.name, text) for s, text in values if s.public == s.symbol.name]
        rings: dict[str, list[str]] = {}
        for spec, text in values:
            if spec.public != spec.symbol.name:
                rings.setdefault(spec.public, []).append(text)
        for name, texts in rings.items():
            pairs.append((name, f"[{texts[0]}] * {len(texts)}"))
        return [*lines, *dict_of("tensors[name] = ", pairs, 12)]

    def start_text(self, body: Body, symbol: Any, value: Any) -> str:
        p = self.names[body.rule.parameter]
        text = self.text(body, value)
        if not self.printer(body).needs_array(symbol):
            return text
        if symbol.shape == "element":
            if value == body.rule.parameter:
                return f"{p}.copy()"
            if value.is_zero:
                return f"np.zeros_like({p})"
            return f"np.full_like({p}, {text})"
        shape = self.printer(body).state_shape(symbol)
        if value.is_zero:
            return f"np.zeros({shape}, {p}.dtype)"
        return f"np.full({shape}, {text}, {p}.dtype)"

    # One update.

    def update(self) -> Lines:
        extras = [*self.array_extras, *self.scalar_extras]
        more = ["minibatch_size=1"] if {minibatch_size, samples} & self.all_symbols() else []
        more += ["seed=0"] if self.draws else []
        arguments = ["params", "grads", "state", *extras, *self.defaults(), *more]
        lines = ['state["step"] += 1']
        used = self.all_symbols()
        lines += ['step = state["step"]'] if step in used or self.draws else []
        lines += ['samples = state["samples"]'] if samples in used else []
        if model_size in used:
            p = self.names[self.rule.parameter]
            lines.append(f"model_size = sum({p}.size for {self.all_parameters})")
        specs = [s for s in self.model_states if s.symbol in used or s.symbol in self.changed_model]
        lines += ['model = state["model"]'] if specs else []
        read = [s for s in specs if s.symbol in used]
        lines += read_all([(self.names[s.symbol], f'model["{s.symbol}"]') for s in read])
        for k in range(self.bodies[0].last + 1):
            for statement in self.model_statements(k):
                lines += self.lines_of(self.bodies[0], statement)
            lines += self.starts(k)
            lines += self.loop(k)
        for target, value in self.changed_model.items():
            lines.append(f'model["{target}"] = {self.names[value]}')
        lines += ['state["samples"] += minibatch_size'] if samples in used else []
        guard = ['@np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore")']
        return [
            *(guard if self.may_divide_by_zero else []),
            *call_of("def update", arguments, ":"),
            f'{INDENT}"""Update arrays and state in place; grads has the names of params."""',
            *indented(lines),
        ]

    @property
    def changed_model(self) -> dict[Any, Any]:
        """Return state of the model -> the symbol of its new value."""
        new = self.bodies[0].new
        return {s.symbol: new[s.symbol] for s in self.model_states if s.symbol in new}

    @property
    def may_divide_by_zero(self) -> bool:
        """Return whether the rule chooses between values, of which one may be infinite or NaN."""
        roots = [s.expression for body in self.bodies for s in body.statements]
        return any(isinstance(node, Where) for node in nodes(roots))

    def loop(self, k: int) -> Lines:
        p = self.names[self.rule.parameter]
        head = f"for name, {p} in params.items():"
        if self.draws:
            head = f"for number, (name, {p}) in enumerate(params.items()):"
        return [head, *indented(self.by_case(lambda body: self.loop_body(body, k)))]

    def reads(self, body: Body, used: set[Any], is_last: bool) -> Lines:
        gradient = body.rule.gradient
        pairs = [(self.names[gradient], "grads[name]")] if gradient in used else []
        pairs += self.extra_reads(body, used, "name")
        states = self.state_reads(body, used, is_last, in_place=True)
        needs_own = states or (is_last and self.scalar_states_changed(body))
        pairs += [("own", 'state["tensors"][name]')] if needs_own else []
        return [*read_all(pairs), *states]

    def scalar_states_changed(self, body: Body) -> list[Any]:
        return [t for t in body.new if getattr(t, "shape", "") == "tensor"]

    def stores(self, body: Body) -> Lines:
        lines: Lines = []
        rings = self.rings_of(body)
        for target, value in body.new.items():
            name, new = self.names[target], self.names[value]
            if target == body.rule.parameter or getattr(target, "shape", "") == "model":
                continue
            ring = next((n for n, own in rings.items() if target == own[-1]), None)
            if ring is not None:
                p = self.names[body.rule.parameter]
                newest = f"{new}.astype({p}.dtype)"
                lines.append(f'own["{ring}"] = [{newest}, *{self._free(ring)}[:-1]]')
            elif getattr(target, "shape", "") == "tensor":
                lines.append(f'own["{target}"] = {new}')
            else:
                lines.append(f"{name}[...] = {new}")
        new = body.new.get(body.rule.parameter)
        return lines + [f"{self.names[body.rule.parameter]}[...] = {self.names[new]}"] * (
            new is not None
        )

    # The weights to evaluate with.

    def evaluation(self) -> Lines:
        used = self.all_symbols()
        hypers = symbols_in(self.rule.evaluation)
        lines = ['step = state["step"]'] if step in hypers else []
        read = [s.symbol for s in self.model_states if s.symbol in hypers]
        lines += read_all([(self.names[s], f'state["model"]["{s}"]') for s in read])
        p = self.names[self.rule.parameter]
        del used
        return [
            *call_of("def evaluation_parameters", ["params", "state", *self.defaults(hypers)], ":"),
            f'{INDENT}"""Return a dict of the weights to evaluate the model with."""',
            *indented([*lines, "averages = {}", f"for name, {p} in params.items():"]),
            *indented(indented(self.by_case(self.evaluation_of_tensor))),
            f"{INDENT}return averages",
        ]

    def evaluation_of_tensor(self, body: Body) -> Lines:
        own = Body(body.rule, axes=dict(body.axes))
        used = symbols_in(body.rule.evaluation)
        states = [s for s in self.states_of(body) if s in used]
        pairs = [("own", 'state["tensors"][name]')] if states else []
        pairs += [(self.names[s], f'own["{s}"]') for s in states]
        text = self.text(own, body.rule.evaluation)
        reads = [f"{name} = {source}" for name, source in pairs]
        return [*reads, f"averages[name] = np.array({text})"]
