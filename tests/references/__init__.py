"""Update rules by hand, in float64 NumPy: what the compiled learners are measured against.

Each reference is written from the paper's formulas, with no symbols and nothing of the package
under test. `f(params, grads, state, t, **hyperparameters)` makes update number `t`, counted from
1: it changes the arrays of `params` in place and keeps what it needs in the dict `state`, which
it fills at `t == 1`.
"""

from collections.abc import Callable

from references.adadelta import adadelta
from references.adagrad import adagrad
from references.adam import adam, adamw
from references.adamax import adamax
from references.amsgrad import amsgrad
from references.lamb import lamb
from references.lars import lars
from references.lion import lion
from references.rmsprop import my_rmsprop, rmsprop
from references.sgd import momentum_sgd, nesterov, sgd

REFERENCES: dict[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        adadelta,
        adagrad,
        adam,
        adamax,
        adamw,
        amsgrad,
        lamb,
        lars,
        lion,
        momentum_sgd,
        my_rmsprop,
        nesterov,
        rmsprop,
        sgd,
    )
}
