"""Export a rule as an optax GradientTransformation."""

from typing import Any

import sympy

from learnerdsl.codegen.naming import LINEAR_ALGEBRA
from learnerdsl.codegen.text import INDENT, indented
from learnerdsl.errors import RuleError
from learnerdsl.export import included
from learnerdsl.export.dialects import JaxPrinter
from learnerdsl.export.frame import Frame, shortest
from learnerdsl.export.request import Request
from learnerdsl.export.statements import Body, Statement
from learnerdsl.export.text import Lines, call_of, dict_of, read_all
from learnerdsl.expr import (
    ParameterSymbol,
    StateSymbol,
    minibatch_size,
    model_size,
    samples,
    step,
    symbols_in,
)


def jax(request: Request) -> str:
    """Return a file with a function that makes a gradient transformation.

    Raises:
        RuleError: the rule cannot be written for parameters of all shapes.
    """
    return shortest(_Jax, request)


class _Jax(Frame):
    key = "k"
    own = "own"
    size = "{}.size"
    depth = 16
    all_parameters = ""
    reserved = frozenset(
        {
            *("jax", "jnp", "optax", "math", "params", "grads", "state", "k", "own", "change"),
            *("tensors", "model", "kept", "number", "init", "update", "leaves", "tree"),
            *("updates", "extra", "philox", "uniform", "normal", "eigh", "known"),
            *LINEAR_ALGEBRA,
            *("key_of", "one_minus_power", "State", "NamedTuple", "Any"),
            *("averages", "samples", "step", "seed", "minibatch_size", "model_size"),
            *("gradients", "new", "states", "init_tensor"),
        }
    )

    def __init__(self, request: Request, from_last: bool) -> None:
        super().__init__(request, from_last)
        self.all_parameters = f"{self.p} in jax.tree.leaves(params)"
        if samples in self.symbols or minibatch_size in self.symbols:
            msg = (
                f"Rule {request.name} uses the number of samples, which updates of optax do not "
                "get; export it to numpy or torch."
            )
            raise RuleError(msg)

    @property
    def p(self) -> str:
        return self.names[self.rule.parameter]

    def printer(self, body: Body) -> JaxPrinter:
        return JaxPrinter(self.names, body, self.from_last)

    def rounded(self, body: Body, text: str) -> str:
        return f"jnp.asarray({text}, {self.p}.dtype).astype(float)"

    def extreme(self, name: str) -> str:
        return f"jnp.{name}"

    def text_of_file(self) -> str:
        """Return the file."""
        init, update = self.init(), self.update()
        more = ["seed=0"] if self.draws else []
        has_extras = bool(self.rule.extras)
        kind = "GradientTransformationExtraArgs" if has_extras else "GradientTransformation"
        function = [
            *call_of(f"def {self.request.name}", [*self.defaults(), *more], ":"),
            f'{INDENT}"""Return the gradient transformation; its updates include the sign."""',
            "",
            *indented(init),
            "",
            *indented(update),
            "",
            f"{INDENT}return optax.{kind}(init, update)",
        ]
        state = [
            "class State(NamedTuple):",
            f'{INDENT}"""Number of updates; a tree like the parameters of dicts of states."""',
            "",
            f"{INDENT}step: Any",
            f"{INDENT}tensors: Any",
            *([f"{INDENT}model: Any"] if self.model_states else []),
        ]
        parts = [state, function]
        if self.rule.evaluation is not None:
            parts.append(self.evaluation())
        own = included.text_of("jax", self.used)
        code = "\n".join(["\n".join(part) for part in parts] + own)
        imports = ["import math"] if "math." in code else []
        imports += ["from typing import Any, NamedTuple", ""]
        imports += ["import jax"] if "jax." in code else []
        imports += ["import jax.numpy as jnp"] if "jnp." in code else []
        imports += ["import optax"]
        parts = [[line.rstrip() for line in part] for part in parts]
        return self.file(imports, parts, own)

    # The state before the first update.

    def init(self) -> Lines:
        p = self.p
        refusal = f'raise ValueError(f"{self.request.name} does not take {{{p}.ndim}} axes")'
        before, model = self.start_values(self.bodies[0], "model")
        entries = [(spec.symbol.name, text) for spec, text in model]
        arguments = ["jnp.zeros((), int)", "jax.tree.map(init_tensor, params)"]
        states = dict_of("model = ", entries, 8) if entries else []
        arguments += ["model"] if entries else []
        return [
            f"def init_tensor({p}):",
            *indented(self.by_case(self.init_of_tensor, [refusal])),
            "",
            "def init(params):",
            *indented([*before, *states, f"return State({', '.join(arguments)})"]),
        ]

    def init_of_tensor(self, body: Body) -> Lines:
        lines, values = self.start_values(body, "tensor")
        pairs = [(s.symbol.name, text) for s, text in values if s.public == s.symbol.name]
        rings: dict[str, list[str]] = {}
        for spec, text in values:
            if spec.public != spec.symbol.name:
                rings.setdefault(spec.public, []).append(text)
        pairs += [(name, f"[{texts[0]}] * {len(texts)}") for name, texts in rings.items()]
        return [*lines, *dict_of("return ", pairs, 12)]

    def start_text(self, body: Body, symbol: StateSymbol, value: Any) -> str:
        p, text = self.p, self.text(body, value)
        if symbol.shape in ("tensor", "model"):
            return f"jnp.asarray({text}, float)"
        if symbol.shape == "element":
            if value == body.rule.parameter:
                return f"jnp.array({p})"
            return f"jnp.zeros_like({p})" if value.is_zero else f"jnp.full_like({p}, {text})"
        shape = self.printer(body).state_shape(symbol)
        if value.is_zero:
            return f"jnp.zeros({shape}, {p}.dtype)"
        if body.is_scalar(value):
            return f"jnp.full({shape}, {text}, {p}.dtype)"
        return f"jnp.broadcast_to({text}, {shape}).astype({p}.dtype)"

    # One update.

    def update(self) -> Lines:
        names = [*self.array_extras, *self.scalar_extras]
        arguments = ["grads", "state", "params=None"]
        arguments += ["*", *names, "**extra"] if names else []
        used = self.symbols
        lines = ["leaves, tree = jax.tree.flatten(params)", "gradients = tree.flatten_up_to(grads)"]
        lines += ["states = tree.flatten_up_to(state.tensors)"] if self.has_states else []
        lines += [f"{name} = tree.flatten_up_to({name})" for name in self.array_extras]
        if step in used or self.draws:
            lines.append("step = (state.step + 1).astype(float)")
        if model_size in used:
            lines.append(f"model_size = sum({self.p}.size for {self.p} in leaves)")
        read = [s.symbol for s in self.model_states if s.symbol in used]
        lines += read_all([(self.names[s], f'state.model["{s}"]') for s in read])
        lines += ["updates, tensors = [], []"]
        for k in range(self.bodies[0].last + 1):
            for statement in self.model_statements(k):
                lines += self.lines_of(self.bodies[0], statement)
            lines += self.starts(k)
            lines += [
                f"for k, {self.p} in enumerate(leaves):",
                *indented(self.by_case(lambda body, k=k: self.loop_body(body, k))),
            ]
        new = ["state.step + 1", "tree.unflatten(tensors)"]
        if self.model_states:
            lines += self.model_stores()
            new.append("model")
        lines += [
            f"state = State({', '.join(new)})",
            "return tree.unflatten(updates), state",
        ]
        return [*call_of("def update", arguments, ":", 4), *indented(lines)]

    @property
    def has_states(self) -> bool:
        return any(s.symbol.shape != "model" for b in self.bodies for s in b.rule.states)

    def model_stores(self) -> Lines:
        new = self.bodies[0].new
        pairs = []
        for spec in self.model_states:
            symbol = spec.symbol
            value = self.names[new[symbol]] if symbol in new else ""
            text = f"jnp.asarray({value}, float)" if value else f'state.model["{symbol}"]'
            pairs.append((symbol.name, text))
        return dict_of("model = ", pairs, 8)

    def reads(self, body: Body, used: set[Any], is_last: bool) -> Lines:
        pairs = [(self.names[body.rule.gradient], "gradients[k]")] * (body.rule.gradient in used)
        pairs += self.extra_reads(body, used, "k")
        if self.draws:
            pairs.append(("number", "k"))
        if is_last:
            # States that stay as they are are written, too.
            kept = {spec.symbol for spec in body.rule.states if spec.symbol not in body.new}
            used = used | kept
        states = self.state_reads(body, used, is_last, in_place=False)
        pairs += [("own", "states[k]")] if states else []
        return [*read_all(pairs), *states]

    def stores(self, body: Body) -> Lines:
        pairs: list[tuple[str, str]] = []
        dtype = f"{self.p}.dtype"
        for symbol in self.states_of(body):
            if symbol not in body.new:
                pairs.append((symbol.name, self.names[symbol]))
                continue
            value = self.names[body.new[symbol]]
            if symbol.shape == "tensor":
                text = f"jnp.asarray({value}, float)"
            elif body.axes_of(body.new[symbol]) >= body.axes_of(symbol) - {"all"} and body.axes_of(
                body.new[symbol]
            ):
                text = f"{value}.astype({dtype})"
            else:
                text = f"jnp.full_like({self.names[symbol]}, {value})"
            pairs.append((symbol.name, text))
        for name, ring in self.rings_of(body).items():
            value = self.names[body.new[ring[-1]]]
            pairs.append((name, f"[{value}.astype({dtype}), *{self._free(name)}[:-1]]"))
        lines = dict_of("new = ", pairs, 16)
        return [*lines, "tensors.append(new)", f"updates.append({self.change(body)})"]

    def lines_of(self, body: Body, statement: Statement) -> Lines:
        if self.is_direct(body) and statement.symbol == body.new[body.rule.parameter]:
            others = [a for a in statement.expression.args if a != body.rule.parameter]
            change = ParameterSymbol("change", body.rule.name)
            self.names[change] = "change"
            body.axes[change] = body.element
            return super().lines_of(body, Statement(change, sympy.Add(*others, evaluate=False)))
        return super().lines_of(body, statement)

    def is_direct(self, body: Body) -> bool:
        """Return whether a change is added to the parameter, and nothing uses the sum."""
        new = body.new.get(body.rule.parameter)
        own = next((s for s in body.statements if s.symbol == new), None)
        if own is None or not isinstance(own.expression, sympy.Add):
            return False
        others = symbols_in(*(s.expression for s in body.statements), *(s.node for s in body.sums))
        stored = [value for target, value in body.new.items() if target != body.rule.parameter]
        terms = [a for a in own.expression.args if a != body.rule.parameter]
        is_full = any(body.axes_of(term) >= body.element for term in terms)
        is_used = new in others or new in stored or not is_full
        return body.rule.parameter in own.expression.args and not is_used

    def change(self, body: Body) -> str:
        """Return what is added to the parameter."""
        new = body.new.get(body.rule.parameter)
        if new is None:
            return f"jnp.zeros_like({self.p})"
        if self.is_direct(body):
            return f"change.astype({self.p}.dtype)"
        return f"({self.names[new]} - {self.p}).astype({self.p}.dtype)"

    # The weights to evaluate with.

    def evaluation(self) -> Lines:
        used = symbols_in(self.rule.evaluation)
        lines = ["leaves, tree = jax.tree.flatten(params)"]
        lines.append("states = tree.flatten_up_to(state.tensors)")
        lines += ["step = state.step.astype(float)"] if step in used else []
        read = [s.symbol for s in self.model_states if s.symbol in used]
        lines += read_all([(self.names[s], f'state.model["{s}"]') for s in read])
        loop = self.by_case(self.evaluation_of_tensor)
        return [
            *call_of("def evaluation_parameters", ["params", "state", *self.defaults(used)], ":"),
            f'{INDENT}"""Return the weights to evaluate the model with."""',
            *indented([*lines, "averages = []", f"for k, {self.p} in enumerate(leaves):"]),
            *indented(indented(["own = states[k]", *loop])),
            f"{INDENT}return tree.unflatten(averages)",
        ]

    def evaluation_of_tensor(self, body: Body) -> Lines:
        own = Body(body.rule, axes=dict(body.axes))
        states = [s for s in self.states_of(body) if s in symbols_in(body.rule.evaluation)]
        reads = [f'{self.names[s]} = own["{s}"]' for s in states]
        symbol = ParameterSymbol("average", body.rule.name)
        self.names[symbol] = "average"
        own.axes[symbol] = own.element
        lines = self.lines_of(own, Statement(symbol, body.rule.evaluation))
        return [*reads, *lines, f"averages.append(average.astype({self.p}.dtype))"]
