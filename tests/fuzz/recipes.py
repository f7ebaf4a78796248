"""Random rules: states, lines and the tensors they are tried on, with the rule as Python text."""

import random
from dataclasses import dataclass, replace

from fuzz.precisions import Choice, random_choice, simpler_choices
from fuzz.trees import ELEMENT, MODEL, TENSOR, Grammar, Node

SHAPES = {0: ((), (1,), (4,), (7,), (3, 4), (2, 3, 2)), 2: ((3, 4), (2, 2), (2, 3, 2), (1, 3))}
TRANSFORMS = (
    *("clip_by_global_norm", "clip_by_value", "ema", "lookahead", "accumulate", "cautious"),
    *("orthograd", "zero_nans", "swa", "centralize"),
)


@dataclass(frozen=True)
class State:
    """A state of a rule."""

    name: str
    shape: object
    init: Node
    ring: int = 0

    @property
    def level(self):
        return {"model": MODEL, "tensor": TENSOR}.get(self.shape, ELEMENT)

    @property
    def source(self):
        more = f", ring={self.ring}" if self.ring else f", shape={self.shape!r}"
        return f'{self.name} = ld.state("{self.name}", init={self.init.source}{more})'


@dataclass(frozen=True)
class Line:
    """A value that is assigned to a target, or named by `let`."""

    name: str
    target: str
    value: Node

    @property
    def source(self):
        if self.target == "let":
            return f'{self.name} = ld.let("{self.name}", {self.value.source})'
        return f"{self.name} = ld.assign({self.target}, {self.value.source})"


@dataclass(frozen=True)
class Recipe:
    """A rule and what it is tried on.

    Attributes:
        states: that it declares.
        lines: in order; the parameter is assigned in one of them.
        extras: names of extras: "loss" or "h".
        transforms: members of a chain beside the rule.
        shapes: of the tensors.
        dtype: of the tensors.
        updates: how many.
        is_sparse: whether gradients are row-sparse where that can be.
        has_groups: whether the last tensor has a learning rate of its own.
        scale: of the numbers.
        seed: of the numbers.
        choice: number types in memory; None for the dtype alone.
    """

    states: tuple[State, ...]
    lines: tuple[Line, ...]
    extras: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ((4,),)
    dtype: str = "float64"
    updates: int = 2
    is_sparse: bool = False
    has_groups: bool = False
    scale: float = 1.0
    seed: int = 0
    choice: Choice | None = None

    @property
    def source(self):
        """The rule as Python."""
        used = self.used()
        body = [state.source for state in self.states]
        shapes = {"loss": "", "h": ', shape="element"'}
        body += [f'{name} = ld.extra("{name}"{shapes[name]})' for name in self.extras]
        lines = [line for line in self.lines if line.target != "let" or line.name in used]
        body += [line.source for line in lines]
        assigned = ", ".join(line.name for line in lines if line.target != "let")
        body.append(f"return ld.combine([{assigned}])")
        head = ["@ld.rule", "def r(p, g, lr=0.1, mu=0.9):"]
        return "\n".join([*head, *(f"    {line}" for line in body)])

    def used(self):
        """Names that what is assigned depends on."""
        used = set()
        for line in reversed(self.lines):
            if line.target != "let" or line.name in used:
                used |= line.value.names
        return used

    @property
    def size(self):
        """What a minimiser makes small."""
        trees = [line.value for line in self.lines] + [state.init for state in self.states]
        return sum(tree.size for tree in trees) + 3 * len(self.states) + len(self.shapes)


def random_recipe(seed):
    """The rule of a seed."""
    rng = random.Random(seed)
    needs_axes = rng.random() < 0.3
    grammar = Grammar(rng, ndim=2 if needs_axes else 0)
    grammar.matrices = needs_axes and rng.random() < 0.3
    grammar.draws = rng.random() < 0.15
    names = [f"s{k}" for k in range(rng.choice((0, 1, 1, 2, 2, 3)))]
    extras = tuple(name for name in ("loss", "h") if rng.random() < 0.12)
    states = tuple(_state(grammar, name, needs_axes) for name in names)
    grammar.leaves = _leaves(states, extras)
    lines = _lines(grammar, states)
    sparse = not needs_axes and not any(s.ring for s in states) and rng.random() < 0.1
    shapes = SHAPES[2 if needs_axes else 0]
    return Recipe(
        states=states,
        lines=lines,
        extras=extras,
        transforms=tuple(rng.sample(TRANSFORMS, 1)) if rng.random() < 0.12 else (),
        shapes=tuple(rng.choice(shapes) for _ in range(rng.choice((1, 1, 2, 3)))),
        dtype=rng.choice(("float64", "float64", "float32")),
        updates=rng.choice((2, 3)),
        is_sparse=sparse,
        has_groups=rng.random() < 0.1 and not any(s.shape == "model" for s in states),
        scale=rng.choice((1.0, 1.0, 1.0, 3.0, 1e-4, 1e4)),
        seed=seed,
        choice=random_choice(seed, sparse),
    )


def _leaves(states, extras):
    leaves = {
        MODEL: [
            "lr",
            "mu",
            "ld.step",
            "ld.samples",
            "ld.minibatch_size",
            'ld.size(p, over="model")',
        ],
        TENSOR: ["ld.size(p)"],
        ELEMENT: ["p", "g", "p", "g"],
    }
    for state in states:
        rings = [f"{state.name}[{k}]" for k in range(1, state.ring + 1)]
        leaves[state.level] += rings or [state.name]
    leaves[MODEL] += [name for name in extras if name == "loss"]
    leaves[ELEMENT] += [name for name in extras if name == "h"]
    return leaves


def _state(grammar, name, needs_axes):
    rng = grammar.rng
    shapes = ["element", "element", "tensor", "model"]
    shapes += ["rows", "cols", (0,)] if needs_axes else []
    shape = rng.choice(shapes)
    inits = ["0.0", "1", "0.5", "lr"]
    inits += {"element": ["p", "g", "lr * p", "p**2"], "tensor": ["ld.norm(p)", "ld.size(p)"]}.get(
        shape, ['ld.sum(p, over="model")'] if shape == "model" else []
    )
    if shape == "element" and rng.random() < 0.2:
        return State(name, shape, Node(rng.choice(("0.0", "p", "lr"))), rng.choice((1, 2, 3)))
    return State(name, shape, Node(rng.choice(inits)))


def _lines(grammar, states):
    rng = grammar.rng
    targets = [("p", ELEMENT), *((state.name, state.level) for state in states)]
    rng.shuffle(targets)
    shapes = {state.name: state.shape for state in states}
    lines = []
    for number, (target, level) in enumerate(targets):
        if rng.random() < 0.35:
            breadth = rng.randint(0, 2)
            name = f"v{number}"
            lines.append(Line(name, "let", grammar.tree(breadth, 3)))
            grammar.leaves[breadth] = [*grammar.leaves[breadth], name]
        value = _fitting(grammar, shapes.get(target), level)
        lines.append(Line(f"{target}_new", target, value))
        grammar.leaves[level] = [*grammar.leaves[level], f"{target}_new"]
    return tuple(lines)


def _fitting(grammar, shape, level):
    """A value that a state of that shape can hold."""
    axis = {"rows": "-1", "cols": "-2"}.get(shape)
    if axis is not None:
        return Node(f"ld.mean({{0}}, axis={axis})", (grammar.tree(ELEMENT, 2),))
    if shape == (0,):
        return Node(
            "ld.max({0}, axis=-1) if ld.ndim(p) == 2 else ld.sum({0}, axis=(1, 2))",
            (grammar.tree(ELEMENT, 2),),
        )
    return grammar.tree(level, grammar.rng.choice((2, 3, 4)))


def simpler(recipe):
    """Recipes that are a little smaller."""
    yield from _without_lets(recipe)
    yield from _without_states(recipe)
    plain = {
        "extras": (),
        "transforms": (),
        "is_sparse": False,
        "has_groups": False,
        "scale": 1.0,
        "updates": 1,
        "shapes": recipe.shapes[:1],
    }
    if recipe.choice is not None:
        yield replace(recipe, choice=None)
        yield from (replace(recipe, choice=choice) for choice in simpler_choices(recipe.choice))
    for name, value in plain.items():
        if getattr(recipe, name) != value:
            yield replace(recipe, **{name: value})
    for k, line in enumerate(recipe.lines):
        for value in smaller_trees(line.value):
            lines = (*recipe.lines[:k], replace(line, value=value), *recipe.lines[k + 1 :])
            yield replace(recipe, lines=lines)


def _without_lets(recipe):
    for k, line in enumerate(recipe.lines):
        if line.target == "let":
            others = recipe.lines[:k] + recipe.lines[k + 1 :]
            yield replace(recipe, lines=_with_name(others, line.name, line.value))


def _without_states(recipe):
    for k, state in enumerate(recipe.states):
        lines = tuple(one for one in recipe.lines if one.target != state.name)
        for name in (state.name, f"{state.name}_new"):
            lines = _with_name(lines, name, Node("2"))
        yield replace(recipe, states=recipe.states[:k] + recipe.states[k + 1 :], lines=lines)
        if state.init.source != "0.0":
            plain = replace(state, init=Node("0.0"))
            yield replace(recipe, states=(*recipe.states[:k], plain, *recipe.states[k + 1 :]))


def _with_name(lines, name, node):
    return tuple(replace(one, value=one.value.with_name(name, node)) for one in lines)


def smaller_trees(node):
    """A node's children and simple leaves in its place, and the same further down."""
    if node.children:
        for leaf in ("g", "p", "2") if not node.is_condition else ():
            yield Node(leaf)
        yield from (c for c in node.children if c.is_condition == node.is_condition)
    for k, child in enumerate(node.children):
        for smaller in smaller_trees(child):
            children = (*node.children[:k], smaller, *node.children[k + 1 :])
            yield Node(node.text, children, node.is_condition)
