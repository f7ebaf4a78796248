"""Make gradient transformations of optax from rules."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec as P
from jax.tree_util import keystr, tree_flatten_with_path

from learnerdsl.define import UpdateRule
from learnerdsl.errors import ArrayError, HyperparameterError, RuleError
from learnerdsl.expr import minibatch_size, model_size, seed, step
from learnerdsl.jax.checks import checked_axes, checked_reshape, checked_storages, checked_sums
from learnerdsl.jax.choosing import Choice, OneRule, choice_of
from learnerdsl.jax.division import Division
from learnerdsl.jax.grouping import Groups
from learnerdsl.jax.inputs import extra_inputs, of_minibatch
from learnerdsl.jax.parts import check_axes, size
from learnerdsl.jax.placing import scalars_on_mesh
from learnerdsl.jax.settings import Settings, using
from learnerdsl.jax.specs import Specs
from learnerdsl.jax.state import LearnerState, check_parameters, start
from learnerdsl.jax.tensors import Tensors
from learnerdsl.jax.updating import Update
from learnerdsl.jax.values import Setting
from learnerdsl.learner.reshaping import Reshape, seen_shapes
from learnerdsl.mixed import ByParameter
from learnerdsl.numbers import quoted

SAMPLES = "samples"
"""Name of the number of samples seen, among the states of the model."""


class Transformation(optax.GradientTransformationExtraArgs):
    """A gradient transformation of optax that updates by a rule.

    Attributes:
        rule: the rule, or what `by_parameter` made.
        rule_name: function of the parameters that returns the name of their rule, or of several
            rules together, as checkpoints have it.
        evaluation_parameters: function of (state, params) that returns the parameters to evaluate
            a model with: averages, for rules that keep them, else `params`.
        state_specs: function of (params, specs) that returns a state of `jax.P`s, for the in_specs
            and out_specs of `jax.shard_map`; by default of the `specs` of the transformation.
    """

    rule: UpdateRule | ByParameter
    rule_name: Callable[[Any], str]
    evaluation_parameters: Callable[[Any, Any], Any]
    state_specs: Callable[..., LearnerState]

    def __repr__(self) -> str:
        what = self.rule.name if isinstance(self.rule, UpdateRule) else "several rules"
        return f"<optax transformation by {what}>"


def transformation(
    rule: UpdateRule | ByParameter,
    *,
    seed: Any = None,
    groups: Mapping[str, Mapping[str, Any] | None] | None = None,
    labels: Any = None,
    states: Any = None,
    sums: str = "float32",
    axis_name: str | Sequence[str] | None = None,
    specs: Any = None,
    reshape: Reshape | None = None,
    **arguments: Any,
) -> Transformation:
    """Return the optax transformation that updates by a rule.

    Its updates are what `optax.apply_updates` adds to the parameters: they include the sign and the
    learning rate. Scalars such as `1 - beta**step` are computed in float64, also where JAX does
    without float64 otherwise; elements are computed in float32, or in float64 for such parameters.
    Updates have the dtype of the gradients, states that of the arithmetic.

    Args:
        rule: a rule, a chain, or what `learnerdsl.by_parameter` made: it is called with the path
            of each leaf, such as "layers.0.weight", and its shape.
        seed: seed of random numbers, a whole number or an integer array; None for 0.
        groups: label -> hyperparameters and options that differ for the parameters with this label;
            None instead of a dict for parameters that stay as they are.
        labels: a tree like the parameters, or a prefix of it, of labels; or a function of the
            parameters that returns one.
        states: dtype of the states with a value per element, or name -> dtype; by default that of
            the arithmetic.
        sums: "float32" to add the elements of float32 arrays in float32, which XLA does in
            a tree, or "float64".
        axis_name: the axis or axes of `jax.shard_map` over which parameters are split, if the
            update is called inside; then sums, norms and sizes are those of whole parameters. None
            if it is not: `jax.jit` needs no names to update sharded arrays.
        specs: a tree of `jax.P` like the parameters, or a prefix of it, that says how `shard_map`
            divides them, for rules with rows, columns or functions of matrices. Then `axis_name` is
            that of the specs, unless it is given.
        reshape: the shape in which the rule sees a parameter, a function of its path and shape; see
            `learnerdsl.Learner`.
        arguments: hyperparameters and options of the rule; of several rules, those of one may
            stand in a dict under its name, `muon={"lr": 0.02}`. A hyperparameter is a number,
            a scalar array of JAX, a schedule of this package, an expression of `learnerdsl.step`,
            or `from_optax(schedule)`. One that is the number 0 takes its terms out of the update.

    Raises:
        LearnerError: an argument cannot be used.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> import learnerdsl.jax as ldj
    >>> tx = ldj.sgd(lr=0.5)
    >>> params = {"w": jnp.ones(2)}
    >>> updates, state = tx.update({"w": jnp.array([1.0, 2.0])}, tx.init(params), params)
    >>> optax.apply_updates(params, updates)["w"].tolist()
    [0.5, 0.0]
    """
    name = getattr(rule, "name", "by_parameter")
    labelled = Groups(name, groups, labels)
    choice = choice_of(rule, arguments, labelled.overrides)
    if choice is None:
        msg = f"A transformation needs a rule, got {quoted(rule)}; decorate a function with @rule."
        raise RuleError(msg)
    divided = None if specs is None else Specs(name, specs)
    settings = Settings(
        checked_sums(sums), checked_axes(name, axis_name, () if divided is None else divided.axes)
    )
    seen = checked_reshape(name, reshape, settings)
    own = _Maker(choice, seed, labelled, states, settings, seen, divided)
    update: Any = own.update
    made = Transformation(own.init, update)
    made.rule = rule
    made.rule_name = own.rule_name
    made.evaluation_parameters = own.evaluation_parameters
    made.state_specs = own.state_specs
    return made


class _Maker:
    """The functions of one transformation."""

    def __init__(
        self,
        choice: Choice,
        seed: Any,
        groups: Groups,
        states: Any,
        settings: Settings,
        reshape: Reshape | None,
        specs: Specs | None,
    ) -> None:
        self.name = choice.name
        self.choice = choice
        self.groups = groups
        self.seed = 0 if seed is None else seed
        self.settings = settings
        self.given_states = states
        self.reshape = reshape
        self.specs = specs
        if isinstance(choice, OneRule):
            self.storages(choice.states)

    def storages(self, names: Sequence[str]) -> dict[str, Any]:
        """Return name -> dtype of the states that are not stored in that of the arithmetic."""
        return checked_storages(self.name, self.given_states, names)

    def rule_name(self, params: Any) -> str:
        """Return the name of the rule of these parameters."""
        return self.tensors(params).model.rule.name

    def init(self, params: Any) -> LearnerState:
        """Return the state before the first update."""
        own = self.tensors(params)
        count = jnp.zeros((), jnp.int32)
        shared = self.shared(own, count + 1)
        storages = self.storages(own.chosen.states)
        with self.tracing():
            each, of_model = start(
                own.model,
                own.seen(own.leaves),
                [shared[g]() for g in own.groups],
                storages,
                own.divisions,
            )
        if own.model.counts_samples:
            of_model = {**of_model, SAMPLES: jnp.zeros((), jnp.int32)}
        names = dict.fromkeys([*own.chosen.states, *(n for values in each for n in values)])
        state = LearnerState(count, own.states(each, names), of_model)
        return scalars_on_mesh(state, own.trained(own.leaves))

    def update(
        self, updates: Any, state: LearnerState, params: Any = None, **extras: Any
    ) -> tuple[Any, LearnerState]:
        """Return the updates and the new state."""
        own = self.tensors(updates if params is None else params)
        if params is None and own.model.reads_parameter:
            msg = f"{self.name} reads the parameters; call update(updates, state, params)."
            raise ArrayError(msg)
        gradients = own.tree.flatten_up_to(updates)
        with using(self.settings):
            check_axes(self.name)
            if self.specs is not None:
                own.check_gradients(self.name, gradients)
        # The old count is not used below: XLA would copy it, as the new one gets its memory.
        count = optax.safe_increment(state.count)
        shared = self.shared(own, count)
        rules = [variant.rule for variant in own.model.program.variants]
        arrays, scalars = extra_inputs(rules, own.tree, extras)
        with self.tracing():
            batch = of_minibatch(own.model, state.model.get(SAMPLES), extras)
            done = Update(
                own.model,
                own.seen(own.leaves),
                own.seen(gradients),
                own.groups,
                [{**values(), **scalars, **batch} for values in shared],
                own.trained(own.states_of(state)),
                state.model,
                own.extras(arrays),
                own.divisions,
            )
            done.run()
            kinds = [g.dtype for g in own.trained(gradients)]
            changes = [done.change(k, kind) for k, kind in enumerate(kinds)]
            new = [done.new_states(k) for k in range(len(kinds))]
            of_model = done.new_numbers(state.model)
            if SAMPLES in state.model:
                size = jnp.asarray(batch[minibatch_size]).astype(jnp.int32)
                of_model[SAMPLES] = state.model[SAMPLES] + size
        result = own.filled(own.given(changes), [jnp.zeros_like(g) for g in gradients])
        return result, LearnerState(count, own.states(new, state.states), of_model)

    def evaluation_parameters(self, state: LearnerState, params: Any) -> Any:
        """Return the parameters to evaluate a model with, after an update."""
        own = self.tensors(params)
        shared = self.shared(own, state.count)
        arrays = own.seen(own.leaves)
        with self.tracing():
            done = Update(
                own.model,
                arrays,
                arrays,
                own.groups,
                [values() for values in shared],
                own.trained(own.states_of(state)),
                state.model,
                [{} for _ in arrays],
                own.divisions,
            )
            shown = [done.shown(k, p.dtype) for k, p in enumerate(arrays)]
        return own.filled(own.given(shown), own.leaves)

    def state_specs(self, params: Any, specs: Any = None) -> LearnerState:
        """Return how a state is divided, if parameters are divided as some specs say.

        Args:
            params: the parameters, or `jax.ShapeDtypeStruct`s.
            specs: as those of the transformation.

        Raises:
            LearnerError: there are no specs, or they do not fit the parameters.
        """
        given = self.specs if specs is None else Specs(self.name, specs)
        if given is None:
            msg = (
                f"{self.name} was made without specs; give them: "
                "state_specs(params, {'w': jax.P('model', None), ...})."
            )
            raise HyperparameterError(msg)
        own = self.tensors(params)
        each = own.state_specs(own.trained(given.divisions(params)))
        names = dict.fromkeys([*own.chosen.states, *(n for values in each for n in values)])
        of_model = [spec.symbol.name for spec in own.model.model_states]
        of_model += [SAMPLES] * own.model.counts_samples
        return LearnerState(P(), own.states(each, names), dict.fromkeys(of_model, P()))

    def tensors(self, params: Any) -> Tensors:
        """Return the leaves of a tree of parameters, and the rule for their shapes."""
        paths, tree = tree_flatten_with_path(params)
        leaves = [leaf for _, leaf in paths]
        check_parameters(self.name, leaves)
        numbers = self.groups.numbers(params, len(leaves))
        places = [k for k, number in enumerate(numbers) if number is not None]
        names = [keystr(paths[k][0], simple=True, separator=".") for k in places]
        own: dict[Any, tuple[int, ...]] = {
            name: tuple(leaves[k].shape) for name, k in zip(names, places, strict=True)
        }
        shapes = list((seen_shapes(self.reshape, own) or own).values())
        every = [None] * len(leaves) if self.specs is None else self.divisions(self.specs, params)
        divisions = [every[k] for k in places]
        whole = [
            shape if division is None else division.whole_shape(shape)
            for shape, division in zip(shapes, divisions, strict=True)
        ]
        chosen = self.choice.rules_for(names, whole, [n for n in numbers if n is not None])
        return Tensors(leaves, tree, places, names, chosen, shapes, divisions)

    def divisions(self, specs: Specs, params: Any) -> list[Division | None]:
        """Return how the parameters are divided that are parts; None for the others."""
        with using(self.settings):
            return specs.of_parts(params)

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Compute scalars in float64, and sums as the transformation was told."""
        with jax.enable_x64(True), using(self.settings):
            yield

    def shared(self, own: Tensors, number: Any) -> list[Callable[[], dict[Any, Any]]]:
        """Return for each group a function of what its parameters share: symbol -> value.

        Functions of the caller are called here, with the caller's setting of float64.

        Args:
            own: the parameters.
            number: that of the update, from 1.
        """
        with using(self.settings):
            elements = float(sum(map(size, own.trained(own.leaves))))
        found: list[Callable[[], dict[Any, Any]]] = []
        for settings in own.chosen.settings:
            called = {h: s.called(number) for h, s in settings.items()}
            found.append(partial(_shared, settings, called, number, self.seed, elements))
        return found


def _shared(
    settings: Mapping[Any, Setting], called: Mapping[Any, Any], number: Any, key: Any, size: float
) -> dict[Any, Any]:
    """Return symbol -> value of hyperparameters and of the clock."""
    now = jnp.asarray(number).astype(jnp.float64)
    values = {h: own.value(now, called[h]) for h, own in settings.items()}
    return {step: now, seed: key, model_size: size, **values}
