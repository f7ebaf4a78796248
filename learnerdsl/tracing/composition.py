"""Trace the members of a chain, in order, into one Rule.

A transform before the rule returns the value that the next member gets as its gradient. The result
of the rule and of each later transform become named intermediates; only the last one is assigned
to the parameter. The compiler sees one list of lines and fuses it as that of any rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy

from learnerdsl.errors import RuleError, UnknownNameError
from learnerdsl.expr import (
    Clock,
    GradientSymbol,
    GradientValue,
    Greater,
    Hyperparameter,
    LetValue,
    ModelState,
    Named,
    NewValue,
    ParameterSymbol,
    Reduction,
    RingState,
    expression,
    step,
    symbols_in,
    where,
)
from learnerdsl.numbers import quoted
from learnerdsl.tracing.context import Trace, tracing_now
from learnerdsl.tracing.dead import without_dead_states
from learnerdsl.tracing.definition import Assignment, OptionValue, Rule, StateSpec
from learnerdsl.tracing.lines import replaced, without_unused
from learnerdsl.tracing.members import Chained, Member, refuse_collision
from learnerdsl.tracing.tracing import (
    axes_of,
    choose_options,
    needed_lines,
    run,
    written_in,
)


def only_when(condition: Any, origin: Any = None, otherwise: Any = None, phases: int = 1) -> None:
    """Let the members that follow act only in updates where `condition` holds.

    Call it in a transform before the rule of a chain. In an update where the condition does not
    hold, the parameter and the states of all members after this transform stay as they are; the
    states of this transform still change. The later members see as `step` the number of updates
    they made: one more than the model-wide state `<transform>_updates`.

    A rule that evaluates the gradient at other weights than those it changes moves the parameter
    there in an update of its own: `only_when(is_second, origin=kept, otherwise=p + rho * g,
    phases=2)`.

    Args:
        condition: a condition as in `where`, but with one value for the whole model: made of the
            step, hyperparameters, model-wide states and reductions with `over="model"`.
        origin: what the later members see and change as the parameter, where the condition holds;
            None for the parameter.
        otherwise: the parameter after an update in which the condition does not hold; None for
            `origin`.
        phases: how many updates make one step, if each needs a gradient at the parameter of that
            moment. `step(closure)` of an optimizer of torch calls the closure so many times.

    Raises:
        RuleError: the call is not in a transform before a rule, or the condition differs between
            elements or tensors, or never holds.
    """
    trace_now = tracing_now("only_when(...)")
    if not isinstance(trace_now, ChainTrace) or trace_now.conditions is None:
        msg = (
            f"only_when({condition}) holds back the members after it, so it is called in a "
            "transform that stands before the rule of a chain; elsewhere write where(...)."
        )
        raise RuleError(msg)
    checked = trace_now.expression(where(condition, 1, 0))
    if checked == 0:
        msg = f"only_when({condition}) never holds, so the rule would never update."
        raise RuleError(msg)
    if checked != 1 and not _is_of_model(condition, trace_now):
        msg = (
            f"only_when({condition}) differs between elements or tensors; reduce it with "
            'sum, mean, norm or max over="model", or choose element by element with where(...).'
        )
        raise RuleError(msg)
    if type(phases) is not int or phases < 1:
        msg = (
            f"only_when(...) cannot have phases={quoted(phases)}; write a whole number, 1 or more."
        )
        raise RuleError(msg)
    trace_now.phases *= phases
    trace_now.conditions.append(checked)
    for name, value in (("origin", origin), ("otherwise", otherwise)):
        if value is not None and name in trace_now.places:
            msg = f"only_when(...) is called twice with {name}= in one transform; write it once."
            raise RuleError(msg)
        if value is not None:
            trace_now.places[name] = trace_now.expression(value)


def _is_of_model(node: sympy.Basic, trace_now: Trace) -> bool:
    """Return whether an expression has one value for the whole model."""
    if isinstance(node, Reduction):
        return node.over == "model"
    if isinstance(node, Named):
        line = next(line for line in trace_now.lines if line.value == node)
        return _is_of_model(line.expression, trace_now)
    if isinstance(node, sympy.Symbol):
        return isinstance(node, (Clock, Hyperparameter, ModelState))
    return all(_is_of_model(argument, trace_now) for argument in node.args)


class ChainTrace(Trace):
    """The states, lines and names that the members of a chain have declared so far.

    Attributes:
        owners: name in the chain -> the member it belongs to.
        member: the member whose function runs; None while the chain takes names of its own.
        conditions: conditions of `only_when` so far; None if it cannot be called now.
        places: "origin" and "otherwise" of `only_when`, where they were given.
        phases: how many updates make one step.
        used: names of the current member that were looked up, to find renames of unknown ones.
    """

    def __init__(self, chain: Chained, shape: tuple[int, ...]) -> None:
        super().__init__(chain.name, shape)
        self.owners = dict(chain.owners)
        self.member: Member | None = None
        self.conditions: list[sympy.Expr] | None = None
        self.places: dict[str, sympy.Expr] = {}
        self.phases = 1
        self.used: set[str] = set()

    def take_name(self, name: str, what: str) -> str:
        """Reserve the chain's name for what the current member calls `name`, and return it."""
        member = self.member
        if member is None:
            return super().take_name(self.unused(name), what)
        if not isinstance(name, str):
            return super().take_name(name, what)
        self.used.add(name)
        public = member.public(name)
        first = self.owners.get(public)
        if public in self.names and first is not member:
            if what == "let":
                public = self.unused(f"{member.name}_{public}")
            elif first is not None:
                refuse_collision(self.name, public, f"a {what}", first, member, name)
        self.owners[public] = member
        return super().take_name(public, what)

    def unused(self, name: str) -> str:
        """Return `name` with underscores appended until it is unused."""
        while name in self.names:
            name += "_"
        return name


@dataclass(frozen=True)
class _Hold:
    """The values that hold back the members after `only_when`.

    Attributes:
        flag: 1 in updates where they act, 0 in others.
        step: the step as they see it.
        updates: the state that counts the updates in which they acted.
        origin: the parameter as they see it.
        rest: the parameter after an update in which they do not act.
        shown: the parameter as they left it, after any update: it may have been moved since.
    """

    flag: LetValue
    step: LetValue
    updates: ModelState
    origin: sympy.Expr
    rest: sympy.Expr
    shown: sympy.Expr

    def seen(self, parameter: ParameterSymbol) -> dict[Any, Any]:
        """Return what the members see in place of the step and the parameter."""
        return {step: self.step, parameter: self.origin}


def trace_chain(
    chain: Chained, options: Mapping[str, OptionValue], shape: tuple[int, ...], doc: str
) -> Rule:
    """Return the Rule that a chain describes, specialised for the given options and shape.

    Args:
        chain: the members and their arguments.
        options: values of options to specialise for; the others keep their defaults.
        shape: shape of the parameters.
        doc: docstring of the rule.

    Raises:
        RuleError: a member does not return what its place requires, or two states have the same
            name.
        UnknownNameError: `options` has an unknown option, or `renamed` an unknown name.
    """
    # The rule as it is written is traced, too: mistakes are found in it, and what fixing changes.
    full = trace_chain(chain.freed(), options, shape, doc) if chain.constants else None
    chosen = choose_options(chain.name, chain.options, options)
    trace_now = ChainTrace(chain, tuple(shape))
    rule_member = chain.members[chain.rule_index]
    parameter_name, gradient_name = rule_member.inputs
    owner = chain.name
    parameter = ParameterSymbol(trace_now.take_name(parameter_name, "parameter"), owner)
    gradient = GradientSymbol(trace_now.take_name(gradient_name, "gradient"), owner)
    trace_now.parameter, trace_now.gradient = parameter, gradient
    hypers = {
        n: Hyperparameter(trace_now.take_name(n, "hyperparameter"), owner) for n in chain.hypers
    }
    numbers = {n: _exact(number) for n, number in chain.constants.items()}
    tracing = _Tracing(trace_now, {**hypers, **chosen, **numbers})
    for member in chain.members[: chain.rule_index]:
        tracing.map_gradient(member)
    after = chain.members[chain.rule_index + 1 :]
    tracing.run_rule(rule_member, is_last=not after)
    for member in after:
        tracing.map_parameter(member)
    if after:
        tracing.assign_parameter()
    written, writers = written_in(trace_now)
    traced = Rule(
        name=owner,
        version=chain.version,
        parameter=parameter,
        gradient=gradient,
        hyperparameters=tuple(hypers.values()),
        defaults=tuple(chain.hypers.values()),
        options=(*chosen.items(), *chain.constants.items()),
        states=tuple(trace_now.states),
        lines=tuple(without_unused(trace_now.lines)),
        extras=tuple(trace_now.extras),
        evaluation=tracing.evaluation,
        ndim=axes_of(trace_now),
        written=written,
        writers=writers,
        phases=trace_now.phases,
        doc=doc,
    )
    return traced if full is None else without_dead_states(traced, full)


def _exact(number: float) -> sympy.Expr:
    """Return a number as SymPy has it; whole ones as integers, with which terms vanish."""
    return sympy.Integer(int(number)) if number == int(number) else sympy.Float(number)


class _Tracing:
    """A chain while its members are traced, with the gradient and parameter for the next one.

    The new parameter `new` is an expression. If a member adds something to the parameter, only the
    added term gets a name and `new` is the sum, so that `new - p` is exactly that term.
    """

    def __init__(self, trace_now: ChainTrace, values: Mapping[str, Any]) -> None:
        self.trace = trace_now
        self.values = values
        self.gradient: GradientSymbol = trace_now.gradient
        self.new: sympy.Expr = trace_now.parameter
        self.assigned: Any = None
        self.hold: _Hold | None = None
        self.evaluation: sympy.Expr | None = None

    def map_gradient(self, member: Member) -> None:
        """Trace a transform before the rule, which maps the gradient."""
        start = len(self.trace.lines)
        self.trace.conditions, self.trace.places = [], {}
        result = self.transformed(member, start, "gradient", self.gradient)
        conditions, self.trace.conditions = self.trace.conditions, None
        if result != self.gradient:
            name = self.trace.take_name(f"{self.trace.gradient}_{member.name}", "let")
            self.gradient = passed_on = GradientValue(name, self.trace.name)
            self.trace.lines.append(Assignment(passed_on, passed_on, result))
        hold = self.held(member, conditions) if conditions else self.hold
        self.apply_hold(start)
        self.hold = hold

    def run_rule(self, member: Member, is_last: bool) -> None:
        """Trace the rule; unless it is the last member, only name the new parameter."""
        start = len(self.trace.lines)
        result = self.call(member, self.gradient)
        may_lose = bool(member.constants)
        lines = needed_lines(member.name, self.trace.lines[start:], result, may_lose)
        self.trace.lines[start:] = lines
        line = next((one for one in lines if one.target == self.trace.parameter), None)
        if line is None:
            msg = (
                f"Rule {member.name} never assigns {self.trace.parameter}, so it would not learn; "
                f"end it with assign({self.trace.parameter}, ...)."
            )
            raise RuleError(msg)
        if not is_last:
            self.assigned = line.value
            named = self.name_new(member, line.expression)
            self.trace.lines[start:] = [
                named
                if one is line
                else replace(one, expression=replaced(one.expression, {line.value: self.new}))
                for one in lines
            ]
        self.apply_hold(start)

    def map_parameter(self, member: Member) -> None:
        """Trace a transform after the rule, which maps the new parameter."""
        start = len(self.trace.lines)
        inputs = (self.new, self.gradient)[: len(member.inputs) - 1]
        result = self.transformed(member, start, "parameter", *inputs)
        if result != self.new:
            self.trace.lines.append(self.name_new(member, result))
        self.apply_hold(start)

    def transformed(self, member: Member, start: int, what: str, *inputs: sympy.Expr) -> sympy.Expr:
        """Call a transform and return its result, checked.

        Args:
            member: the transform.
            start: number of lines before it.
            what: "gradient" or "parameter", for the messages.
            inputs: its arguments after the parameter.
        """
        result = self.call(member, *inputs)
        if any(line.target == self.trace.parameter for line in self.trace.lines[start:]):
            msg = (
                f"Transform {member.name} assigns {self.trace.parameter}; a transform assigns its "
                f"own states and returns the new {what}."
            )
            raise RuleError(msg)
        try:
            return self.trace.expression(result)
        except RuleError as error:
            msg = f"Transform {member.name} must return the new {what}: {error}"
            raise RuleError(msg) from None

    def call(self, member: Member, *inputs: sympy.Expr) -> Any:
        """Call a member's function with the chain's symbols for its arguments."""
        arguments = {own: self.values[member.public(own)] for own in member.arguments}
        current = self.trace
        current.member, current.used = member, set(member.arguments)
        function = member.function
        result = run(current, function, lambda: function(current.parameter, *inputs, **arguments))
        if current.evaluation is not None:
            hold = self.hold
            updates = {step: hold.updates, current.parameter: hold.shown} if hold else {}
            self.evaluation = replaced(current.evaluation, updates)
            current.evaluation = None
        if current.conditions:
            current.used.add(_updates_name(member))
        unknown = [name for name in member.renames if name not in current.used]
        if unknown:
            known = ", ".join(sorted(current.used)) or "none"
            msg = (
                f"{member.name} has no argument or state {unknown[0]!r} to rename; it has: {known}."
            )
            raise UnknownNameError(msg)
        current.member = None
        return result

    def name_new(self, member: Member, value: sympy.Expr) -> Assignment:
        """Return a line that names a member's new value of the parameter, and set `self.new`."""
        parameter = self.trace.parameter
        is_sum = isinstance(value, sympy.Add) and parameter in value.args
        if is_sum:
            value = sympy.Add(*(expression(term) for term in value.args if term != parameter))
        name = f"{member.name}_update" if is_sum else f"{parameter}_{member.name}"
        symbol = LetValue(self.trace.take_name(name, "let"), self.trace.name)
        self.new = parameter + symbol if is_sum else symbol
        return Assignment(symbol, symbol, value)

    def held(self, member: Member, conditions: list[sympy.Expr]) -> _Hold:
        """Declare the counter and the flag of a transform that called `only_when`."""
        current = self.trace
        owner = current.name
        current.member = member
        updates = ModelState(current.take_name(_updates_name(member), "state"), owner)
        current.member = None
        flag = LetValue(current.take_name(f"{member.name}_acts", "let"), owner)
        counted = LetValue(
            current.take_name(f"{member.name}_step", "let"), owner, integer=True, positive=True
        )
        earlier = [self.hold.flag] if self.hold else []
        value = sympy.Mul(*earlier, *conditions)
        current.states.append(StateSpec(updates, sympy.S.Zero))
        current.lines.append(Assignment(flag, flag, value))
        current.lines.append(Assignment(counted, counted, updates + 1))
        new = NewValue(current.take_name(f"{updates}_new", "let"), owner)
        current.lines.append(Assignment(updates, new, updates + flag))
        return _Hold(flag, counted, updates, *self.places_of(member))

    def places_of(self, member: Member) -> tuple[Any, Any, Any]:
        """Return the origin, the rest and what is shown, after a transform called `only_when`."""
        current, outer = self.trace, self.hold
        given, parameter = current.places, current.parameter
        seen = {parameter: outer.origin if outer else parameter}
        origin = self.named(f"{member.name}_origin", given.get("origin", parameter))
        moved = self.named(f"{member.name}_moved", given.get("otherwise", origin))
        origin, moved = seen.get(origin, origin), seen.get(moved, moved)
        rest = where(Greater(outer.flag, 0), moved, outer.rest) if outer else moved
        shown = outer.shown if outer else parameter
        if "origin" in given and self.evaluation is not None:
            shown = self.evaluation
        return origin, rest, shown

    def named(self, name: str, value: Any) -> Any:
        """Return a symbol for a value of the present member, by a line unless it is a symbol."""
        if value.is_Symbol:
            return value
        symbol = LetValue(self.trace.take_name(name, "let"), self.trace.name)
        self.trace.lines.append(Assignment(symbol, symbol, value))
        return symbol

    def apply_hold(self, start: int) -> None:
        """Hold back the lines from index `start` on, if an earlier member called `only_when`."""
        hold = self.hold
        if hold is None:
            return
        lines: list[Assignment] = []
        for line in self.trace.lines[start:]:
            if isinstance(line.target, RingState):
                msg = (
                    f"Chain {self.trace.name} holds back the ring of {line.target}, but a ring "
                    "moves on "
                    "with every update of the learner; after only_when, keep past values in "
                    "separate states instead: assign(older, newer)."
                )
                raise RuleError(msg)
            parameter = self.trace.parameter
            value = replaced(line.expression, hold.seen(parameter))
            if line.target != line.value:
                kept = hold.rest if line.target == parameter else line.target
                value = where(Greater(hold.flag, 0), value, kept)
            lines.append(replace(line, expression=value))
        self.trace.lines[start:] = lines

    def assign_parameter(self) -> None:
        """Assign the last value of the parameter, inlined where nothing else uses it."""
        parameter, lines = self.trace.parameter, self.trace.lines
        if self.hold is not None:
            new = replaced(self.new, self.hold.seen(parameter))
            value = where(Greater(self.hold.flag, 0), new, self.hold.rest)
            lines.append(Assignment(parameter, self.assigned, value))
            return
        named = next(s for s in symbols_in(self.new) if s != parameter)
        index = next(k for k, line in enumerate(lines) if line.value == named)
        later = [
            replace(line, expression=replaced(line.expression, {self.new: self.assigned}))
            for line in lines[index + 1 :]
        ]
        is_used = any(named in symbols_in(line.expression) for line in later)
        value = self.new if is_used else replaced(self.new, {named: lines[index].expression})
        kept = [lines[index]] if is_used else []
        lines[index:] = [*kept, Assignment(parameter, self.assigned, value), *later]


def _updates_name(member: Member) -> str:
    return f"{member.name}_updates"
