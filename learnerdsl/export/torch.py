"""Export a rule as a subclass of torch.optim.Optimizer."""

from typing import Any

from learnerdsl.codegen.naming import LINEAR_ALGEBRA
from learnerdsl.codegen.text import INDENT, indented
from learnerdsl.export import included
from learnerdsl.export.dialects import TorchPrinter, is_python
from learnerdsl.export.frame import Frame, shortest
from learnerdsl.export.request import Request
from learnerdsl.export.statements import Body, Statement, Sum
from learnerdsl.export.text import Lines, bare, call_of, dict_of, docstring, read_all
from learnerdsl.expr import (
    CLOCK,
    StateSymbol,
    minibatch_size,
    model_size,
    samples,
    step,
    symbols_in,
    tensor_number,
    tensor_size,
)


def torch(request: Request) -> str:
    """Return a file with a class of optimizers.

    Raises:
        RuleError: the rule cannot be written for parameters of all shapes.
    """
    return shortest(_Torch, request)


def class_name(name: str) -> str:
    """Return the name of a class for a rule: `Adam` for adam."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


class _Torch(Frame):
    key = "p"
    own = "own"
    size = "{}.numel()"
    depth = 28
    all_parameters = 'group["params"] for group in self.param_groups'
    reserved = frozenset(
        {
            *("torch", "math", "self", "group", "own", "model", "kept", "params", "closure"),
            *("number", "averages", "samples", "step", "result", "seed", "minibatch_size"),
            *("philox", "fraction", "uniform", "normal", "eigh", "known", "each", *LINEAR_ALGEBRA),
            *("model_size", "new", "loss_of_closure", "foreach"),
        }
    )

    def __init__(self, request: Request, from_last: bool) -> None:
        self.python: set[Any] = set()
        super().__init__(request, from_last)
        self.key = self.names[self.rule.parameter]
        p = self.key
        self.all_parameters = f'group in self.param_groups for {p} in group["params"]'
        self._find_python()

    def _find_python(self) -> None:
        """Find the symbols whose values are Python's numbers: those that no tensor enters."""
        rules = [variant.rule for variant in self.request.variants]
        states = [spec.symbol for rule in rules for spec in rule.states]
        scalar = {symbol for symbol in states if symbol.shape in ("tensor", "model")}
        hypers = [h for rule in rules for h in rule.hyperparameters]
        extras = [e for rule in rules for e in rule.extras if e.shape in ("model", "tensor")]
        fixed = {*hypers, *CLOCK, tensor_size, tensor_number, *extras}
        while True:
            self.python = fixed | scalar
            for body in self.bodies:
                for one in body.statements:
                    if is_python(one.expression, self.python, body) and not one.rounded:
                        self.python.add(one.symbol)
            changed = {
                symbol
                for body in self.bodies
                for symbol in scalar & {spec.symbol for spec in body.rule.states}
                if not self._stays_python(body, symbol)
            }
            if not changed:
                return
            scalar -= changed

    def _stays_python(self, body: Body, symbol: Any) -> bool:
        init = next(spec.init for spec in body.rule.states if spec.symbol == symbol)
        values = [init, body.new.get(symbol, symbol)]
        return all(is_python(value, self.python, body) for value in values)

    def parts_of(self, body: Body, statement: Statement) -> tuple[Statement, Statement] | None:
        parts = super().parts_of(body, statement)
        if parts is not None and is_python(parts[0].expression, self.python, body):
            self.python.add(parts[0].symbol)
        return parts

    def printer(self, body: Body) -> TorchPrinter:
        return TorchPrinter(self.names, body, self.from_last, self.python)

    def rounded(self, body: Body, text: str) -> str:
        p = self.names[body.rule.parameter]
        return f"torch.tensor({text}, dtype={p}.dtype).double()"

    def statement(self, body: Body, statement: Statement) -> str:
        text = super().statement(body, statement)
        symbol, value = statement.symbol, statement.expression
        is_number = is_python(value, self.python, body)
        if statement.rounded or symbol in self.python or not is_number:
            return text
        # A branch of a choice that is a number, where the other one is a tensor.
        name, _, number = text.partition(" = ")
        p = self.names[body.rule.parameter]
        if body.is_scalar(symbol):
            return f"{name} = torch.tensor({number}, dtype=torch.float64)"
        has_all = body.element <= body.axes_of(symbol)
        return f"{name} = " + (
            f"torch.full_like({p}, {number})" if has_all else f"{p}.new_full((), {number})"
        )

    def copied(self, text: str) -> str:
        return f"({text}).clone()" if " " in text else f"{text}.clone()"

    def extreme(self, name: str) -> str:
        return f"torch.{name}"

    def identity(self, value: float) -> str:
        return f"torch.tensor({super().identity(value)}, dtype=torch.float64)"

    def joined_text(self, body: Body, one: Sum, node: Any) -> str:
        # Not in place: the sum begins on the CPU and goes on where the parameters are.
        text = super().joined_text(body, one, node)
        name, sign, value = text.partition(" += ")
        return f"{name} = {name} + {value}" if sign else text

    @property
    def is_of_model(self) -> bool:
        """Return whether tensors depend on each other."""
        return bool(self.model_states) or any(body.sums for body in self.bodies)

    def all_symbols(self) -> set[Any]:
        evaluation = self.rule.evaluation
        return self.symbols | (symbols_in(evaluation) if evaluation is not None else set())

    def text_of_file(self) -> str:
        """Return the file."""
        methods = [self.constructor(), self.step()]
        if self.rule.evaluation is not None:
            methods.append(self.evaluation())
        name = class_name(self.request.name)
        lines = [f"class {name}(torch.optim.Optimizer):", INDENT + docstring(self.request.title)]
        for method in methods:
            lines += ["", *indented(method)]
        own = included.text_of("torch", self.used)
        imports = ["import math", ""] if "math." in "\n".join([*lines, *own]) else []
        return self.file([*imports, "import torch"], [[line.rstrip() for line in lines]], own)

    def constructor(self) -> Lines:
        more = ["seed=0"] if self.draws else []
        arguments = ["self", "params", *self.defaults(), *more]
        pairs = [(str(h), self.names[h]) for h in self.rule.hyperparameters]
        groups = dict_of("defaults = ", pairs, 8)
        lines = [*groups, "super().__init__(params, defaults)"]
        lines += ["self.seed = seed"] if self.draws else []
        return [*call_of("def __init__", arguments, ":", 4), *indented(lines)]

    # One step.

    def step(self) -> Lines:
        used = self.all_symbols()
        more = ["minibatch_size=1"] if {minibatch_size, samples} & used else []
        scalars = [f"{name}=None" for name in self.scalar_extras]
        extras = [*self.array_extras, *scalars, *more]
        star = ["*"] if extras else []
        lines = [
            "result = None",
            "if closure is not None:",
            f"{INDENT}with torch.enable_grad():",
            f"{INDENT * 2}result = closure()",
        ]
        for name in self.scalar_extras:
            lines.append(f"{name} = float(result if {name} is None else {name})")
        lines += ["seed = self.seed"] if self.draws else []
        if self.is_of_model:
            lines += self.model_start()
        if model_size in used:
            p = self.key
            lines += self.generator("model_size = sum", f"{p}.numel()")
        for k in range(self.bodies[0].last + 1):
            lines += self.starts(k)
            lines += self.loop(k)
        lines += ["model.update(new)"] if self.changed_model else []
        lines.append("return result")
        what = ", ".join(f"`{n}`" for n in self.array_extras)
        about = f"Do one update; {what} maps parameters to tensors." if what else "Do one update."
        return [
            "@torch.no_grad()",
            *call_of("def step", ["self", "closure=None", *star, *extras], ":", 4),
            f'{INDENT}"""{about}"""',
            *indented(lines),
        ]

    def model_start(self) -> Lines:
        """Return the statements that make and read the states of the whole model."""
        used = self.all_symbols()
        before, values = self.start_values(self.bodies[0], "model")
        begin = ['model["step"] = 0', *before]
        begin += ['model["samples"] = 0'] if samples in used else []
        begin += [f'model["{spec.symbol}"] = {text}' for spec, text in values]
        hypers = self.hypers_of({s for spec, _ in values for s in symbols_in(spec.init)})
        first = read_all([(n, f'self.param_groups[0]["{h}"]') for h, n in hypers])
        lines = ['model = self.state["model"]', "if not model:", *indented([*first, *begin])]
        lines.append('model["step"] += 1')
        lines += ['step = model["step"]'] if step in used or self.draws else []
        lines += ['samples = model["samples"]'] if samples in used else []
        read = [s.symbol for s in self.model_states if s.symbol in used]
        lines += read_all([(self.names[s], f'model["{s}"]') for s in read])
        lines += ["new = {}"] if self.changed_model else []
        lines += ['model["samples"] += minibatch_size'] if samples in used else []
        return lines

    def hypers_of(self, symbols: set[Any]) -> list[tuple[Any, str]]:
        return [(h, self.names[h]) for h in self.rule.hyperparameters if h in symbols]

    @property
    def changed_model(self) -> dict[Any, Any]:
        """Return state of the model -> the symbol of its new value."""
        new = self.bodies[0].new
        return {s.symbol: new[s.symbol] for s in self.model_states if s.symbol in new}

    def model_before(self, k: int) -> list[Statement]:
        """Return the scalars of the model that loop `k` needs, those of earlier loops again."""
        wanted: set[Any] = set()
        for body in self.bodies:
            own = [s for s in self.of_tensor(body) if body.level[s.symbol] == k]
            sums = [one for one in body.sums if body.level[one.symbol] == k + 1]
            wanted |= self.used_in(body, own, sums)
            wanted |= set(body.new.values()) if k == body.last else set()
        body, found = self.bodies[0], []
        model = body.of_model
        for statement in reversed(body.statements):
            if statement.symbol in model and statement.symbol in wanted:
                found.append(statement)
                wanted |= symbols_in(statement.expression)
        return found[::-1]

    def loop(self, k: int) -> Lines:
        p, body = self.key, self.bodies[0]
        statements = self.model_before(k)
        inner = self.by_case(lambda own: self.loop_body(own, k))
        used = symbols_in(*(s.expression for s in statements))
        for own in self.bodies:
            mine = [s for s in self.of_tensor(own) if own.level[s.symbol] == k]
            used |= self.used_in(own, mine, [s for s in own.sums if own.level[s.symbol] == k + 1])
        if k == 0:
            used |= {
                s
                for b in self.bodies
                for spec in b.rule.states
                if spec.symbol.shape != "model"
                for s in symbols_in(spec.init)
            }
        lines = read_all([(n, f'group["{h}"]') for h, n in self.hypers_of(used)])
        before = [line for statement in statements for line in self.lines_of(body, statement)]
        lines += before if self.is_of_model else []
        if k == body.last:
            for target, value in self.changed_model.items():
                lines.append(f'new.setdefault("{target}", {self.names[value]})')
        grad = f"{p}.grad is None"
        loop = [f"if {grad}:", f"{INDENT}continue"]
        if k == 0:
            loop += self.begin()
        if not self.is_of_model:
            # The step is that of a tensor, and with it every scalar that depends on it.
            loop += [*self.count(), *before]
        loop += inner
        head = f'for {p} in group["params"]:'
        lines += [head, *indented(loop)]
        number = []
        if self.draws:
            number = ["number = -1"]
            lines = lines[: -len(loop)] + indented(["number += 1", *loop])
        return [*number, "for group in self.param_groups:", *indented(lines)]

    def begin(self) -> Lines:
        """Return the statements that make the states of a tensor."""
        if not self.has_states():
            return []
        lines = [f"own = self.state[{self.key}]"]
        counted = [] if self.is_of_model else ['own["step"] = 0']
        if samples in self.all_symbols() and not self.is_of_model:
            counted.append('own["samples"] = 0')
        return [*lines, "if not own:", *indented([*counted, *self.by_case(self.begin_tensor)])]

    def has_states(self) -> bool:
        """Return whether a tensor has any state."""
        own = any(s.symbol.shape != "model" for b in self.bodies for s in b.rule.states)
        used = self.all_symbols()
        return own or bool({step, samples} & used) or self.draws

    def count(self) -> Lines:
        """Return the statements that count updates of a tensor."""
        used = self.all_symbols()
        if not self.has_states():
            return []
        lines = ['own["step"] += 1']
        lines += ['step = own["step"]'] if step in used or self.draws else []
        if samples in used:
            lines += ['samples = own["samples"]', 'own["samples"] += minibatch_size']
        return lines

    def begin_tensor(self, body: Body) -> Lines:
        lines, values = self.start_values(body, "tensor")
        rings: dict[str, list[str]] = {}
        for spec, text in values:
            if spec.public != spec.symbol.name:
                rings.setdefault(spec.public, []).append(text)
            else:
                lines.append(f'own["{spec.symbol}"] = {text}')
        lines += [f'own["{n}"] = [{texts[0]}] * {len(texts)}' for n, texts in rings.items()]
        return lines

    def start_text(self, body: Body, symbol: StateSymbol, value: Any) -> str:
        p = self.names[body.rule.parameter]
        text = self.text(body, value)
        if symbol.shape in ("tensor", "model"):
            is_number = is_python(value, self.python, body)
            if symbol in self.python or not is_number:
                return text
            return f"torch.tensor({text}, dtype=torch.float64)"
        if value.is_zero and symbol.shape == "element":
            return f"torch.zeros_like({p})"
        if value == body.rule.parameter:
            return f"{p}.clone()"
        if symbol.shape == "element" and is_python(value, self.python, body):
            return f"torch.full_like({p}, {text})"
        shape = (
            f"{p}.shape" if symbol.shape == "element" else self.printer(body).state_shape(symbol)
        )
        if value.is_zero:
            return f"{p}.new_zeros({shape})"
        if is_python(value, self.python, body):
            return f"{p}.new_full({shape}, {text})"
        return f"torch.broadcast_to({text}, {shape}).clone()"

    def number_of_tensor(self, text: str, extra: Any) -> str:
        """Return the text of an extra; a number of a tensor is one of Python."""
        return f"float({text})" if extra.shape == "tensor" else text

    def reads(self, body: Body, used: set[Any], is_last: bool) -> Lines:
        p, gradient = self.names[body.rule.parameter], body.rule.gradient
        pairs = [(self.names[gradient], f"{p}.grad")] if gradient in used else []
        pairs += self.extra_reads(body, used, p)
        states = self.state_reads(body, used, is_last, in_place=True)
        scalars = is_last and any(getattr(t, "shape", "") == "tensor" for t in body.new)
        if (states or scalars) and body.last:
            pairs.append(("own", f"self.state[{p}]"))
        return [*read_all(pairs), *states]

    def stores(self, body: Body) -> Lines:
        lines: Lines = []
        rings = self.rings_of(body)
        parameter = body.rule.parameter
        targets = [t for t in body.new if t != parameter and getattr(t, "shape", "") != "model"]
        for target in [*targets, *([parameter] if parameter in body.new else [])]:
            name, value = self.names[target], body.new[target]
            new = self.names[value]
            ring = next((n for n, own in rings.items() if target == own[-1]), None)
            if ring is not None:
                lines.append(f'own["{ring}"] = [{new}, *{self._free(ring)}[:-1]]')
            elif getattr(target, "shape", "") == "tensor":
                is_number = value in self.python and target not in self.python
                text = f"torch.tensor({new}, dtype=torch.float64)" if is_number else new
                lines.append(f'own["{target}"] = {text}')
            elif value in self.python:
                lines.append(f"{name}.fill_({new})")
            else:
                lines.append(f"{name}.copy_({new})")
        return lines

    # The weights to evaluate with.

    def evaluation(self) -> Lines:
        p = self.key
        used = symbols_in(self.rule.evaluation)
        lines = read_all([(n, f'group["{h}"]') for h, n in self.hypers_of(used)])
        source = 'self.state["model"]' if self.is_of_model else "own"
        counted = [("step", f'{source}["step"]')] if step in used else []
        model = [s.symbol for s in self.model_states if s.symbol in used]
        counted += [(self.names[s], f'self.state["model"]["{s}"]') for s in model]
        loop = [
            f"own = self.state[{p}]",
            *read_all(counted),
            *self.by_case(self.evaluation_of_tensor),
        ]
        return [
            "@torch.no_grad()",
            "def evaluation_parameters(self):",
            f'{INDENT}"""Return the weights to evaluate the model with: parameter -> tensor."""',
            *indented(["averages = {}", "for group in self.param_groups:"]),
            *indented(indented([*lines, f'for {p} in group["params"]:', *indented(loop)])),
            f"{INDENT}return averages",
        ]

    def evaluation_of_tensor(self, body: Body) -> Lines:
        own = Body(body.rule, axes=dict(body.axes))
        states = [s for s in self.states_of(body) if s in symbols_in(body.rule.evaluation)]
        reads = [f'{self.names[s]} = own["{s}"]' for s in states]
        text = self.text(own, body.rule.evaluation)
        return [*reads, f"averages[{self.key}] = ({bare(text)}).clone()"]
