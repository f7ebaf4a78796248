"""CNTK's builtin learners: they turn schedules and minibatch sizes into the scalars of a rule."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from learnerdsl import inspection
from learnerdsl.cntk.checks import flag, number, whole_or_none
from learnerdsl.cntk.errors import ConstructionError
from learnerdsl.cntk.graph.initializers import next_seed
from learnerdsl.cntk.graph.variables import Parameter
from learnerdsl.cntk.learning import rules
from learnerdsl.cntk.learning.learner import (
    Gradient,
    Learner,
    checked_count,
    checked_gradient,
    reported_name,
)
from learnerdsl.cntk.learning.running import Runner
from learnerdsl.cntk.learning.saved import listed, same
from learnerdsl.cntk.learning.schedules import (
    TrainingParameterSchedule,
    learning_parameter_schedule,
)
from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError
from learnerdsl.tracing import OptionValue, Rule


@dataclass(frozen=True)
class CommonArguments:
    """The arguments that all builtin learners share, under CNTK's names; see `learners`."""

    l1_regularization_weight: float = 0.0
    l2_regularization_weight: float = 0.0
    gaussian_noise_injection_std_dev: Any = 0.0
    gradient_clipping_threshold_per_sample: float = math.inf
    gradient_clipping_with_truncation: bool = True
    use_mean_gradient: bool | None = None
    minibatch_size: int | None = None
    epoch_size: int | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "CommonArguments":
        """Pick the common ones from all arguments of a learner: `CommonArguments.of(locals())`."""
        return cls(**{field.name: arguments[field.name] for field in fields(cls)})

    def __post_init__(self) -> None:
        """Refuse values that cannot be used. As in CNTK, a weight below 0 counts as 0."""
        number("l1_regularization_weight", self.l1_regularization_weight)
        number("l2_regularization_weight", self.l2_regularization_weight)
        number(
            "gradient_clipping_threshold_per_sample",
            self.gradient_clipping_threshold_per_sample,
            lambda limit: limit >= 0,
            "a number from 0, infinity for no clipping",
        )
        flag("gradient_clipping_with_truncation", self.gradient_clipping_with_truncation)
        if self.use_mean_gradient is not None:
            flag("use_mean_gradient", self.use_mean_gradient)
        whole_or_none("epoch_size", self.epoch_size)
        whole_or_none("minibatch_size", self.minibatch_size)

    @property
    def reference_size(self) -> int | None:
        """The learner's reference minibatch size."""
        size = self.minibatch_size
        return 0 if size is None and self.use_mean_gradient is True else size

    @property
    def clipping(self) -> str:
        """The option `clipping` of a rule: "none", "truncate" or "norm"."""
        if self.gradient_clipping_threshold_per_sample == math.inf:
            return "none"
        return "truncate" if self.gradient_clipping_with_truncation else "norm"

    def schedule(self, given: Any) -> TrainingParameterSchedule:
        """Return the schedule of an argument.

        Numbers and lists become schedules with the learner's reference size. A schedule that does
        not state a reference size gets the learner's.
        """
        size = self.reference_size
        if not isinstance(given, TrainingParameterSchedule):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                return learning_parameter_schedule(given, size or 0, self.epoch_size)
        if not given.is_explicit and size is not None:
            return given.with_size(size)
        return given

    def learning_rate_schedule(self, given: Any) -> TrainingParameterSchedule:
        """Return the schedule of a learning rate.

        As in CNTK, `use_mean_gradient=True` turns a schedule per sample into one per minibatch.
        """
        schedule = self.schedule(given)
        is_schedule = isinstance(given, TrainingParameterSchedule)
        if is_schedule and schedule.minibatch_size == 1 and self.use_mean_gradient is True:
            return schedule.with_size(0)
        return schedule


class RuleLearner(Learner):
    """A learner that runs update rules, and can show their source, plan and mathematics."""

    runners: list[Runner]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that the learner updates."""
        return self.all_parameters

    def update(
        self,
        gradient_values: Mapping[Parameter, Any],
        training_sample_count: int,
        is_sweep_end: bool = False,
    ) -> bool:
        """Do one update of all parameters, in place.

        Args:
            gradient_values: dict from parameter to gradient, summed over the minibatch: a NumPy
                array, a scipy csr matrix or a `learnerdsl.RowSparse`. Other keys are ignored.
            training_sample_count: number of samples in the minibatch, a Python int.
            is_sweep_end: whether this minibatch is the last of a data sweep.

        Returns:
            False if the learning rate is 0: nothing happens then, and no sample is counted.

        Raises:
            LearnerError: an argument cannot be used; nothing changes then.
        """
        size = checked_count(training_sample_count)
        flag("is_sweep_end", is_sweep_end)
        gradients = {p: checked_gradient(p, gradient_values) for p in self.all_parameters}
        if not self.prepare(size):
            return False
        self.run(gradients, size)
        self.advance(size, is_sweep_end)
        return True

    def run(self, gradients: Mapping[Parameter, Gradient], count: int) -> None:
        """Do the update, after scalars are set and gradients are checked."""
        for runner in self.runners:
            runner.update([gradients[p] for p in runner.parameters], count)

    def prepare(self, count: int) -> bool:
        """Set the scalars of the coming update; return False to skip the update."""
        raise NotImplementedError

    def check_minibatch(self, count: int) -> None:
        """Raise if an update with `count` samples is impossible now."""
        self.prepare(count)

    def reset_smoothed_gradients(self) -> None:
        """Reset all states to their start values; keep sample counts and schedules."""
        for runner in self.runners:
            runner.reset()

    def create_checkpoint(self) -> dict[str, Any]:
        """Return a copy of counters, learning rate schedule and states, but not of parameters."""
        saved = [runner.checkpoint() for runner in self.runners]
        return super().create_checkpoint() | {
            "smoothed_gradients": saved,
            "smoothed_count": saved[0]["step_count"],
            "noise_injection_seed": saved[0]["seed"],
        }

    def restore_states(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the states, all or none."""
        saved = listed("structures", checkpoint["smoothed_gradients"], len(self.runners))
        for runner, one in zip(self.runners, saved, strict=True):
            runner.check(one)
        same("smoothed_count", checkpoint["smoothed_count"], saved[0]["step_count"])
        same("noise_injection_seed", checkpoint["noise_injection_seed"], saved[0]["seed"])
        before = [runner.checkpoint() for runner in self.runners]
        try:
            for runner, one in zip(self.runners, saved, strict=True):
                runner.restore(one)
        except BaseException:
            for runner, one in zip(self.runners, before, strict=True):
                runner.restore(one)
            raise

    def source(self) -> str:
        """Return the generated Python source of the loops that run."""
        return "\n".join(runner.source() for runner in self.runners)

    def plan(self) -> str:
        """Return the sweeps over memory and their traffic, as text."""
        return "\n".join(runner.plan() for runner in self.runners)

    def latex(self) -> str:
        """Return the mathematics as LaTeX, with index t-1 for old values and t for new ones."""
        return "\n".join(inspection.latex(runner.rule(False)) for runner in self.runners)

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.runners[0].rule(False).name}>"


class BuiltinLearner(RuleLearner):
    """One of CNTK's builtin learners.

    Args:
        rule: a rule of `learnerdsl.cntk.learning.rules`.
        parameters: list or tuple of different parameters.
        lr: a number, a list or a schedule.
        common: the arguments that all builtin learners share.
        momenta: dict from hyperparameters of the rule to a number, a list or a schedule.
        constants: dict from hyperparameters of the rule to a number.
        options: compile-time options of the rule.
    """

    def __init__(
        self,
        rule: UpdateRule,
        parameters: Sequence[Parameter],
        lr: Any,
        common: CommonArguments,
        momenta: Mapping[str, Any] | None = None,
        constants: Mapping[str, float] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> None:
        super().__init__(parameters, common.learning_rate_schedule(lr), common.reference_size)
        self._rule = rule
        self._common = common
        self._noise = common.schedule(common.gaussian_noise_injection_std_dev)
        self._momenta = {name: common.schedule(m) for name, m in (momenta or {}).items()}
        self._options = dict(options or {})
        self._scalars = dict.fromkeys(("lr", *self._momenta, *rules.SHARED_HYPERPARAMETERS), 0.0)
        runner = Runner(
            self.all_parameters,
            self._trace,
            self._scalars,
            self._trace_whole,
            seed=next_seed() if self._after["noise"] else 0,
            constants=constants,
        )
        self.runners = [runner]

    def _trace(self, is_sparse: bool) -> Rule:
        """Trace the rule with the options in force."""
        common = self._common
        options: dict[str, OptionValue] = self._options | {
            "mean_gradient": self.is_compatible_mode(),
            "clipping": common.clipping,
            "l2": common.l2_regularization_weight > 0,
        }
        if is_sparse:
            own = dict(self._rule.trace(**options).options)
            return self._rule.trace(**options, **({"lazy": True} if "lazy" in own else {}))
        return self._rule.trace(**options, **self._after)

    def _trace_whole(self) -> Rule | None:
        """Trace the rule for whole parameters with row-sparse gradients, None if there is none."""
        return rules.regularise.trace(**self._after) if any(self._after.values()) else None

    @property
    def _after(self) -> dict[str, OptionValue]:
        return {
            "noise": max(self._noise.values) > 0,
            "l1": self._common.l1_regularization_weight > 0,
        }

    def prepare(self, count: int) -> bool:
        """Set the scalars to their effective values for a minibatch of `count` samples."""
        common, is_mean = self._common, self.is_compatible_mode()
        lr = self.effective_learning_rate(count)
        if lr == 0:
            return False
        per_update = 1 if is_mean else count
        momenta = {name: self.effective_momentum(name, count) for name in self._momenta}
        self._scalars |= momenta | {
            "lr": lr,
            "clip_limit": common.gradient_clipping_threshold_per_sample * per_update,
            "l2_weight": common.l2_regularization_weight * per_update,
            "l1_threshold": lr * common.l1_regularization_weight * per_update,
            "noise_std": max(self.value_of(self._noise), 0.0),
        }
        return True

    def effective_learning_rate(self, count: int) -> float:
        """Return the learning rate that multiplies the gradient of `count` samples."""
        size = self._learning_rate_schedule.minibatch_size
        value = self.learning_rate()
        if self.is_compatible_mode():
            return value * count / size if size else value
        return value / (size or count)

    def effective_momentum(self, name: str, count: int) -> float:
        """Return a momentum for a minibatch of `count` samples."""
        schedule = self._momenta[name]
        value, size = self.value_of(schedule), schedule.minibatch_size
        if size == 0:
            return value
        if value < 0:
            msg = (
                f"{name}={value} for {size} samples has no value for {count}, because a negative "
                "momentum does not have real powers; give it per minibatch."
            )
            raise HyperparameterError(msg)
        try:
            return value ** (count / size)
        except OverflowError:
            msg = (
                f"{name}={value} for {size} samples is too large for a minibatch of {count}; give "
                "a smaller one."
            )
            raise HyperparameterError(msg) from None

    def schedules_in_force(self) -> dict[str, float]:
        """Return the learning rate, and the momentum of momentum_sgd, by reported name."""
        reported = super().schedules_in_force()
        if self._rule is rules.momentum_sgd:
            momentum = self._momenta["momentum"]
            reported[reported_name("Momentum", momentum)] = self.value_of(momentum)
        return reported

    @property
    def minibatch_size(self) -> int:
        """The reference minibatch size; setting it to 0, or from 0, changes the rule."""
        return self._minibatch_size or 0

    @minibatch_size.setter
    def minibatch_size(self, size: int) -> None:
        was_mean = self.is_compatible_mode()
        self._minibatch_size = whole_or_none("minibatch_size", size)
        if self.is_compatible_mode() != was_mean:
            self.runners[0].arrange()

    def create_checkpoint(self) -> dict[str, Any]:
        """Return a checkpoint of which the type is the name of the rule."""
        return super().create_checkpoint() | {"type": self._rule.name}

    def __repr__(self) -> str:
        return f"<learner {self._rule.name} of {len(self.all_parameters)} parameters>"


RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "gamma": (lambda x: 0 < x < 1, "between 0 and 1"),
    "inc": (lambda x: x > 1, "above 1"),
    "dec": (lambda x: 0 < x < 1, "between 0 and 1"),
    "max": (lambda x: x > 0, "above 0"),
    "min": (lambda x: x > 0, "above 0"),
}


def rmsprop_constants(**given: Any) -> dict[str, float]:
    """Check the constants of rmsprop; as in CNTK, errors are RuntimeErrors."""
    found = {name: number(name, given[name], *RANGES[name], ConstructionError) for name in RANGES}
    if found["max"] <= found["min"]:
        msg = f"max={found['max']} must be above min={found['min']}; exchange them."
        raise ConstructionError(msg)
    return found


def not_negative(name: str, value: Any) -> float:
    """Return `value`, or raise unless it is a finite, non-negative number."""
    return number(name, value, lambda x: 0 <= x < math.inf, "a finite number from 0")
