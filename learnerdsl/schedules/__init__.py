"""Define schedules: hyperparameters that are SymPy expressions of `learnerdsl.step`.

So a schedule can be printed, plotted, differentiated, joined and combined with other expressions.
It is a pure function of the step, so it can be resumed without a replay. The functions of this
package count the updates already done, k = step - 1, as torch and optax do: the first update uses
the initial value.

A recurrence such as torch's MultiplicativeLR, where each value is the previous one times a factor
λ(k), is not a closed form. If the product of the factors has one, write that: `exponential` for a
constant λ, `Schedule(0.1 / step)` for λ(k) = k/(k + 1). Otherwise give the hyperparameter a
function that looks the product up: `rates = 0.1 * np.cumprod(factors)`,
`lambda step: rates[step - 1]`. `ReduceOnPlateau` depends on losses, so it is not an expression.
"""

from learnerdsl.schedules.chebyshev import chebyshev as chebyshev
from learnerdsl.schedules.cycles import cosine_periodic as cosine_periodic
from learnerdsl.schedules.cycles import cosine_restarts as cosine_restarts
from learnerdsl.schedules.cycles import cyclic as cyclic
from learnerdsl.schedules.cycles import one_cycle as one_cycle
from learnerdsl.schedules.cycles import one_cycle_optax as one_cycle_optax
from learnerdsl.schedules.decay import cosine as cosine
from learnerdsl.schedules.decay import exponential as exponential
from learnerdsl.schedules.decay import held as held
from learnerdsl.schedules.decay import inverse_time as inverse_time
from learnerdsl.schedules.decay import linear as linear
from learnerdsl.schedules.decay import polynomial as polynomial
from learnerdsl.schedules.decay import power_cool as power_cool
from learnerdsl.schedules.decay import rex as rex
from learnerdsl.schedules.decay import step_decay as step_decay
from learnerdsl.schedules.decay import swa_annealing as swa_annealing
from learnerdsl.schedules.definition import Schedule as Schedule
from learnerdsl.schedules.definition import constant as constant
from learnerdsl.schedules.definition import join as join
from learnerdsl.schedules.definition import product as product
from learnerdsl.schedules.definition import updates_done as updates_done
from learnerdsl.schedules.pieces import piecewise_constant as piecewise_constant
from learnerdsl.schedules.pieces import piecewise_interpolate as piecewise_interpolate
from learnerdsl.schedules.plateau import ReduceOnPlateau as ReduceOnPlateau
from learnerdsl.schedules.warmup import inverse_sqrt as inverse_sqrt
from learnerdsl.schedules.warmup import noam as noam
from learnerdsl.schedules.warmup import warmup as warmup
from learnerdsl.schedules.warmup import warmup_constant as warmup_constant
from learnerdsl.schedules.warmup import warmup_cosine as warmup_cosine
from learnerdsl.schedules.warmup import warmup_exponential as warmup_exponential
from learnerdsl.schedules.warmup import wsd as wsd
