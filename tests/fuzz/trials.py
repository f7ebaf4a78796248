"""Tries a recipe by three judges, and says what is wrong with it.

Right is what the rule's function gives on arrays (`learnerdsl.check`); its bound tells rounding
from faults, also beside the jumps of comparisons, floors and remainders, whose sides may be closer
than their bounds. Where it is NaN or infinite, SymPy may have simplified what has no value: there
only the compiled learner and the oracle are compared with each other.
"""

import hashlib
import linecache
import re
import traceback
from dataclasses import dataclass

import numpy as np
import sympy

import learnerdsl as ld
from fuzz.precisions import NarrowJudges, given
from fuzz.recipes import simpler
from learnerdsl import transforms
from learnerdsl.check import inputs as seeded
from learnerdsl.check.judges import Judges

ALLOWED = (
    "is not a finite number",
    "is not a real number",
    "cannot start from",
    "varies along the axes",
    "computes its reductions over the model in different orders",
    "works on axes, matrices or past values",
    "is used twice in rule",
    "differ between tensors of different shapes",
    "cannot differ between groups",
    "which is not a matrix",
    "reduce it with sum, mean, norm or max",
    "also changes the rows that a gradient leaves out",
    "% 0 has no value",
    "holds back the ring",
    "too small for float64, but not 0",
    "(int) is not a condition",  # ~(2 > 1) is -2 in Python
    "I has no value on arrays",  # of Rational(-7, 2)**0.5, which SymPy evaluates
)
"""Refusals that are right for some random rule."""


@dataclass
class Outcome:
    """What came of a trial.

    Attributes:
        kind: "right", "compiled", "oracle", "both", "disagree", "crash" or "refused".
        detail: a sentence.
        judged: how many numbers were.
        unjudged: how many had a bound that says nothing, or no value.
    """

    kind: str = "right"
    detail: str = ""
    judged: int = 0
    unjudged: int = 0

    @property
    def is_finding(self):
        return self.kind not in ("right", "allowed")

    @property
    def key(self):
        """What findings of one fault have in common."""
        if self.kind not in ("crash", "refused"):
            return self.kind
        sentence = self.detail.split(": ")[-1] if self.kind == "refused" else self.detail
        return f"{self.kind} {re.sub(r'[0-9.]+|r?[sv]_[a-z]+', '#', sentence)[:50]}"


def rule_of(recipe):
    """The rule, made from its text so that it has a source."""
    source = recipe.source
    name = f"<rule {hashlib.sha1(source.encode()).hexdigest()[:12]}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    names = {"ld": ld, "np": np, "sympy": sympy}
    exec(compile(source, name, "exec"), names)
    rule = names["r"]
    for member in recipe.transforms:
        transform = getattr(transforms, member)
        rule = (
            ld.chain(rule, transform) if transform.place == "after" else ld.chain(transform, rule)
        )
    return rule


def try_out(recipe):
    """Make learners, do updates, and judge them."""
    outcome = Outcome()
    try:
        _judge(recipe, outcome)
    except ld.LearnerError as error:
        outcome.detail = f"{type(error).__name__}: {error}"
        outcome.kind = "allowed" if any(a in str(error) for a in ALLOWED) else "refused"
    except Exception as error:
        outcome.detail = f"{type(error).__name__}: {str(error)[:300]}"
        outcome.kind = "allowed" if _is_of_the_text(error) else "crash"
    return outcome


def _is_of_the_text(error):
    """Whether Python cannot do what the rule writes, such as 1 / 0."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return isinstance(error, ArithmeticError) and last.filename.startswith("<rule ")


def _judge(recipe, outcome):
    rule = rule_of(recipe)
    rng = np.random.default_rng(recipe.seed)
    choice = recipe.choice
    dtype = "float32" if choice else recipe.dtype
    params = [
        np.asarray(recipe.scale * p, dtype) for p in seeded.parameters(recipe.shapes, dtype, rng)
    ]
    groups = [{"params": [len(params) - 1], "lr": 0.03}] if recipe.has_groups else []
    seed = recipe.seed % 1000
    if choice:
        judges = NarrowJudges(rule, params, choice, groups, seed)
    else:
        judges = Judges(rule, params, groups=groups, seed=seed)
    found = judges.start()
    for update in range(recipe.updates):
        gradients = seeded.gradients(recipe.shapes, dtype, rng, recipe.scale, False)
        if choice:
            gradients = given(gradients, choice.gradients, judges.memory, update)
        if recipe.is_sparse:
            gradients = [_sparse(g, rng) for g in gradients]
        extras = seeded.extras(judges.rules, params, rng)
        found += judges.update(gradients, 1 + update, extras)
        judges.learner.hyperparameters["lr"] = judges.oracle.hyperparameters["lr"] = 0.25
        found += judges.evaluation()
    for one in found:
        _sort(one, outcome)


def _sort(one, outcome):
    """Count a judgement, and keep the first that is wrong."""
    undefined = one.by_compiled.undefined | one.by_oracle.undefined
    outcome.judged += one.by_compiled.judged - int(undefined.sum())
    outcome.unjudged += one.by_compiled.share.size - one.by_compiled.judged + int(undefined.sum())
    wrong = [np.asarray((d.share > 1) & ~undefined) for d in (one.by_compiled, one.by_oracle)]
    own, other = (np.asarray(a, np.float64) for a in (one.compiled, one.oracle))
    apart = (
        undefined
        & ~np.isclose(own, other, rtol=1e-2, equal_nan=True)
        & (np.isfinite(own) | np.isfinite(other))
    )
    if outcome.kind != "right" or not (wrong[0].any() or wrong[1].any() or apart.any()):
        return
    where = wrong[0] | wrong[1] | apart
    index = tuple(int(i) for i in np.argwhere(where)[0]) if where.ndim else ()
    states = [bool(w[index]) for w in wrong]
    outcome.kind = {(True, True): "both", (True, False): "compiled", (False, True): "oracle"}.get(
        tuple(states), "disagree"
    )
    number = one.value.number
    right = (
        number.reshape(own.shape) if number.size == own.size else np.broadcast_to(number, own.shape)
    )
    outcome.detail = (
        f"update {one.update}, tensor {one.tensor}, {one.state}{list(index)}: right "
        f"{right[index]}, compiled {own[index]}, oracle {other[index]}"
    )


def _sparse(gradient, rng):
    if not gradient.ndim:
        return gradient
    rows = rng.choice(len(gradient), size=max(1, len(gradient) // 2), replace=False)
    return ld.RowSparse(rows, gradient[rows], gradient.shape)


def minimised(recipe, key, limit=300):
    """The smallest recipe found with an outcome of the same key."""
    from_there, tries = recipe, 0
    again = True
    while again and tries < limit:
        again = False
        for smaller in sorted(simpler(from_there), key=lambda r: r.size):
            tries += 1
            if tries > limit:
                break
            if try_out(smaller).key == key:
                from_there, again = smaller, True
                break
    return from_there


def script(recipe, outcome):
    """A finding as a script that stands alone."""
    chained = "".join(
        f"\nr = ld.chain(r, T.{t})"
        if getattr(transforms, t).place == "after"
        else f"\nr = ld.chain(T.{t}, r)"
        for t in recipe.transforms
    )
    shapes = ", ".join(f"np.ones({shape})" for shape in recipe.shapes)
    return f'''"""{outcome.kind}: {outcome.detail}

Found with recipe seed {recipe.seed}, {recipe.dtype}, shapes {recipe.shapes}, scale {recipe.scale}.
Number types (which ld.check does not try): {recipe.choice}
"""
import numpy as np
import sympy

import learnerdsl as ld
from learnerdsl import transforms as T

{recipe.source}{chained}

report = ld.check(r, [np.asarray(a * {recipe.scale}, "{recipe.dtype}") for a in [{shapes}]])
print(report)
report.raise_if_wrong()
'''
