"""The builtin learners, with CNTK's names, and CNTK's arguments in CNTK's order.

Each makes a `BuiltinLearner` from a rule in `cntk.learning.rules`. The common arguments:

- `parameters`: list or tuple of different parameters.
- `lr`, `momentum`, `variance_momentum`: a number, a list or a schedule.
- `l1_regularization_weight`, `l2_regularization_weight`: weights per sample; 0 or less to disable.
- `gaussian_noise_injection_std_dev`: deviation of noise added to parameters after each update.
- `gradient_clipping_threshold_per_sample`: limit from 0, infinity to disable clipping.
- `gradient_clipping_with_truncation`: clip each element if True, else the norm of each tensor.
- `use_mean_gradient`: True to average gradients over the minibatch, like `minibatch_size=IGNORE`.
- `minibatch_size`: reference size of numbers, and of schedules that do not state one.
- `epoch_size`: number of samples for each value of a list; a data sweep if left out.
"""

import math
from collections.abc import Sequence
from typing import Any

from learnerdsl.cntk.checks import flag, number
from learnerdsl.cntk.graph.variables import Parameter
from learnerdsl.cntk.learning import rules
from learnerdsl.cntk.learning.builtin import (
    BuiltinLearner,
    CommonArguments,
    not_negative,
    rmsprop_constants,
)
from learnerdsl.cntk.learning.learner import Learner as Learner
from learnerdsl.cntk.learning.learner import UserLearner as UserLearner
from learnerdsl.cntk.learning.schedules import IGNORE as IGNORE
from learnerdsl.cntk.learning.schedules import UnitType as UnitType
from learnerdsl.cntk.learning.schedules import (
    learning_parameter_schedule as learning_parameter_schedule,
)
from learnerdsl.cntk.learning.schedules import (
    learning_parameter_schedule_per_sample as learning_parameter_schedule_per_sample,
)
from learnerdsl.cntk.learning.schedules import learning_rate_schedule as learning_rate_schedule
from learnerdsl.cntk.learning.schedules import (
    momentum_as_time_constant_schedule as momentum_as_time_constant_schedule,
)
from learnerdsl.cntk.learning.schedules import momentum_schedule as momentum_schedule
from learnerdsl.cntk.learning.schedules import (
    momentum_schedule_per_sample as momentum_schedule_per_sample,
)
from learnerdsl.cntk.learning.schedules import (
    training_parameter_schedule as training_parameter_schedule,
)
from learnerdsl.cntk.universal import universal as universal

# exp(-1/720000): the time constant is two hours of speech at 100 frames a second.
DEFAULT_VARIANCE_MOMENTUM = momentum_schedule_per_sample(0.9999986111120757)

_default_unit_gain = True


def default_unit_gain_value() -> bool:
    """Return the value that `set_default_unit_gain_value` set; True at first."""
    return _default_unit_gain


def set_default_unit_gain_value(value: bool) -> None:
    """Set the result of `default_unit_gain_value`; as in CNTK, learners do not read it."""
    global _default_unit_gain
    _default_unit_gain = flag("The value", value)


def sgd(
    parameters: Sequence[Parameter],
    lr: Any,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make a learner for stochastic gradient descent.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.sgd([w], lr=0.5)
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True
    >>> w.value
    array([0.5, 0.5], dtype=float32)
    """
    common = CommonArguments.of(locals())
    return BuiltinLearner(rules.sgd, parameters, lr, common)


def momentum_sgd(
    parameters: Sequence[Parameter],
    lr: Any,
    momentum: Any,
    unit_gain: bool = True,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make a momentum learner; `unit_gain` scales gradients in the buffer by `1 - momentum`.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.momentum_sgd([w], lr=0.5, momentum=0.9)
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True
    """
    common = CommonArguments.of(locals())
    options = {"unit_gain": flag("unit_gain", unit_gain)}
    return BuiltinLearner(
        rules.momentum_sgd, parameters, lr, common, {"momentum": momentum}, options=options
    )


def nesterov(
    parameters: Sequence[Parameter],
    lr: Any,
    momentum: Any,
    unit_gain: bool = True,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make a learner for gradient descent with Nesterov momentum.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.nesterov([w], lr=0.5, momentum=0.9)
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True
    """
    common = CommonArguments.of(locals())
    options = {"unit_gain": flag("unit_gain", unit_gain)}
    return BuiltinLearner(
        rules.nesterov, parameters, lr, common, {"momentum": momentum}, options=options
    )


ADDED_IN_ORDER = 4096
"""Largest size of parameters whose average multiplier is summed in CNTK's order and dtype.

The last digits then agree with CNTK's, but it takes 8 times as long as summing in float64.
"""


def _average_multiplier(parameters: Any, needed: bool) -> dict[str, bool]:
    """Return the options of a rule with an average multiplier; parameters are checked later."""
    listed = parameters if isinstance(parameters, (list, tuple)) else ()
    small = all(math.prod(getattr(p, "shape", ())) <= ADDED_IN_ORDER for p in listed)
    averaged = flag("need_ave_multiplier", needed)
    return {"average_multiplier": averaged, "in_order": averaged and small}


def adagrad(
    parameters: Sequence[Parameter],
    lr: Any,
    need_ave_multiplier: bool = True,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make an AdaGrad learner.

    With `need_ave_multiplier`, the mean step is as long as that of gradient descent.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.adagrad([w], lr=0.5)
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True
    """
    common = CommonArguments.of(locals())
    options = _average_multiplier(parameters, need_ave_multiplier)
    return BuiltinLearner(rules.adagrad, parameters, lr, common, options=options)


def rmsprop(
    parameters: Sequence[Parameter],
    lr: Any,
    gamma: float,
    inc: float,
    dec: float,
    max: float,
    min: float,
    need_ave_multiplier: bool = True,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make an RMSProp learner.

    Step sizes grow by the factor `inc` and shrink by `dec`, between `min` and `max`.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.rmsprop([w], 0.5, gamma=0.9, inc=1.2, dec=0.8, max=10, min=0.1)
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True

    Raises:
        ConstructionError: a RuntimeError; `gamma`, `inc`, `dec`, `max` or `min` is out of range.
    """
    constants = rmsprop_constants(gamma=gamma, inc=inc, dec=dec, max=max, min=min)
    common = CommonArguments.of(locals())
    options = _average_multiplier(parameters, need_ave_multiplier)
    return BuiltinLearner(
        rules.rmsprop, parameters, lr, common, constants=constants, options=options
    )


def fsadagrad(
    parameters: Sequence[Parameter],
    lr: Any,
    momentum: Any,
    unit_gain: bool = True,
    variance_momentum: Any = DEFAULT_VARIANCE_MOMENTUM,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make an FSAdaGrad learner.

    It divides gradients by their running root mean square, then applies momentum.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.fsadagrad([w], lr=0.5, momentum=0.9)
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True
    """
    common = CommonArguments.of(locals())
    momenta = {"momentum": momentum, "variance_momentum": variance_momentum}
    options = {"unit_gain": flag("unit_gain", unit_gain)}
    return BuiltinLearner(rules.fsadagrad, parameters, lr, common, momenta, options=options)


def adam(
    parameters: Sequence[Parameter],
    lr: Any,
    momentum: Any,
    unit_gain: bool = True,
    variance_momentum: Any = DEFAULT_VARIANCE_MOMENTUM,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    epsilon: float = 1e-8,
    adamax: bool = False,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make an Adam learner, or with `adamax` an AdaMax learner.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.adam([w], lr=0.5, momentum=0.9)
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True

    Raises:
        HyperparameterError: a ValueError; `epsilon` is negative.
    """
    constants = {"eps": not_negative("epsilon", epsilon)}
    common = CommonArguments.of(locals())
    momenta = {"momentum": momentum, "variance_momentum": variance_momentum}
    options = {"unit_gain": flag("unit_gain", unit_gain), "adamax": flag("adamax", adamax)}
    return BuiltinLearner(rules.adam, parameters, lr, common, momenta, constants, options)


def adadelta(
    parameters: Sequence[Parameter],
    lr: Any = None,
    rho: float = 0.95,
    epsilon: float = 1e-8,
    l1_regularization_weight: float = 0.0,
    l2_regularization_weight: float = 0.0,
    gaussian_noise_injection_std_dev: Any = 0.0,
    gradient_clipping_threshold_per_sample: float = math.inf,
    gradient_clipping_with_truncation: bool = True,
    use_mean_gradient: bool | None = None,
    minibatch_size: int | None = None,
    epoch_size: int | None = None,
) -> BuiltinLearner:
    """Make an AdaDelta learner; `lr` multiplies the step, and is 1 per sample if left out.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.adadelta([w])
    >>> learner.update({w: np.ones(2, np.float32)}, 1)
    True

    Raises:
        HyperparameterError: a ValueError; `rho` is not from 0 to 1, or `epsilon` is negative.
    """
    common = CommonArguments.of(locals())
    lr = learning_parameter_schedule_per_sample(1) if lr is None else lr
    share = number("rho", rho, lambda x: 0 <= x <= 1, "a number from 0 to 1")
    constants = {"rho": share, "eps": not_negative("epsilon", epsilon)}
    return BuiltinLearner(rules.adadelta, parameters, lr, common, constants=constants)
