"""Exported files take extras of every shape, and do with them what their rule does."""

import jax
import numpy as np
import pytest
import torch
from support.exported import loaded
from support.exported_loops import InC, InNumba, Inputs

import learnerdsl as ld
from learnerdsl.learners import sgd
from learnerdsl.transforms import qk_clip

SHAPES = ((4, 3), (2, 4, 3))
ALLOWED = 1e-12
"""Largest error, in units of the movement, of a few operations in float64."""


@ld.rule
def scalars(p, g, lr=0.1):
    """A number for each tensor and one for the model."""
    trust, loss = ld.extra("trust", shape="tensor"), ld.extra("loss")
    return ld.assign(p, p - lr * ld.sqrt(trust) * g / (1 + loss))


@ld.rule
def along(p, g, lr=0.1):
    """Values of rows, of columns, of single axes, and of all axes; some are reduced."""
    rows, cols = ld.extra("rows", shape="rows"), ld.extra("cols", shape="cols")
    first, last = ld.extra("first", shape=(0,)), ld.extra("last", shape=(-1,))
    every = ld.extra("every", shape=(-1, *range(ld.ndim(p) - 1)))
    scale = ld.mean(first, axis=0) + ld.max(last, axis=-1) + ld.sum(rows)
    return ld.assign(p, p - lr * scale * g * (rows + cols * first - last) / every)


@ld.rule
def factors(p, g, lr=0.1, rank=2):
    """Factors of K-FAC, and a matrix of low rank; in matrices alone."""
    if ld.ndim(p) < 2:
        return ld.assign(p, p - lr * ld.extra("rate", shape="tensor") * g)
    left = ld.extra("left", shape=("rows", "rows"))
    basis = ld.extra("basis", shape=("cols", rank))
    turned = ld.matmul(ld.matmul(left, g), basis)
    return ld.assign(p, p - lr * ld.matmul(turned, ld.transpose(basis)))


clipped = ld.chain(sgd, qk_clip, name="clipped")
CASES = [(scalars, ((), (5,), *SHAPES)), (along, SHAPES), (factors, ((6,), *SHAPES))]
CASES += [(clipped, ((4, 3), (2, 6)))]
of_every_rule = pytest.mark.parametrize(
    ("rule", "shapes"), CASES, ids=[rule.name for rule, _ in CASES]
)


class Updates:
    """Parameters, and updates with gradients and extras, by names."""

    def __init__(self, rule, shapes):
        numbers = np.random.default_rng(3)
        names = [f"w{k}" for k in range(len(shapes))]
        self.rule = rule
        self.start = {n: numbers.normal(size=s) for n, s in zip(names, shapes, strict=True)}
        extras = {n: rule.trace(shape=p.shape).extras for n, p in self.start.items()}
        self.all = []
        for _ in range(3):
            given = {}
            for name, p in self.start.items():
                for extra in extras[name]:
                    if extra.shape == "model":
                        given[extra.name] = 0.5
                        continue
                    own = numbers.uniform(0.5, 150, extra.array_shape(p.shape))
                    given.setdefault(extra.name, {})[name] = own[()]
            gradients = {n: numbers.normal(size=p.shape) for n, p in self.start.items()}
            self.all.append((gradients, given))

    def parameters(self):
        return {name: p.copy() for name, p in self.start.items()}

    def expected(self):
        """The parameters after the updates of the interpreter."""
        params = self.parameters()
        learner = self.rule(params, backend="numpy")
        for gradients, extras in self.all:
            assert learner.update(gradients, **extras)
        return params

    def check(self, found):
        for name, wanted in self.expected().items():
            moved = np.abs(wanted - self.start[name]).max()
            assert moved > 0
            np.testing.assert_allclose(found[name], wanted, rtol=0, atol=ALLOWED * moved)


@of_every_rule
def test_a_file_of_numpy_takes_extras_of_every_shape(rule, shapes):
    updates, module = Updates(rule, shapes), loaded(rule.export("numpy"))
    params = updates.parameters()
    state = module.init(params)
    for gradients, extras in updates.all:
        module.update(params, gradients, state, **extras)
    updates.check(params)


@of_every_rule
def test_a_file_of_torch_takes_extras_of_every_shape(rule, shapes):
    updates, module = Updates(rule, shapes), loaded(rule.export("torch"))
    params = {n: torch.tensor(p, requires_grad=True) for n, p in updates.start.items()}
    optimizer = vars(module)[rule.name.title()](params.values())
    for gradients, extras in updates.all:
        for name, p in params.items():
            p.grad = torch.tensor(gradients[name])
        given = {
            n: {params[k]: torch.as_tensor(own) for k, own in value.items()}
            if isinstance(value, dict)
            else value
            for n, value in extras.items()
        }
        optimizer.step(**given)
    updates.check({name: p.detach().numpy() for name, p in params.items()})


@of_every_rule
def test_a_file_of_jax_takes_extras_of_every_shape(rule, shapes):
    updates = Updates(rule, shapes)
    with jax.enable_x64(True):
        made = vars(loaded(rule.export("jax")))[rule.name]()
        params = {name: jax.numpy.asarray(p) for name, p in updates.start.items()}
        state = made.init(params)
        for gradients, extras in updates.all:
            given = {
                n: {name: own.get(name) for name in params} if isinstance(own, dict) else own
                for n, own in extras.items()
            }
            changes, state = made.update(gradients, state, params, **given)
            params = jax.tree.map(jax.numpy.add, params, changes)
        updates.check(params)


@pytest.mark.parametrize("language", ["c", "numba"])
def test_exported_loops_take_a_number_of_a_tensor(language, tmp_path):
    updates = Updates(scalars, CASES[0][1][1:])
    text = scalars.export(language, "float64")
    exported = InC(text, tmp_path) if language == "c" else InNumba(text, is_parallel=False)
    params = updates.parameters()
    for name, p in params.items():
        inputs = Inputs(scalars, [p], "float64", lr=0.1)
        for step, (gradients, extras) in enumerate(updates.all, 1):
            own = {n: float(v[name]) if isinstance(v, dict) else v for n, v in extras.items()}
            inputs.take(step, [gradients[name]], own)
            exported.call("scalars_update", inputs)
    updates.check(params)


@pytest.mark.parametrize("language", ["c", "numba"])
def test_exported_loops_refuse_what_they_cannot_take(language):
    @ld.rule
    def of_model(p, g, lr=0.1):
        trust = ld.extra("trust", shape="tensor")
        return ld.assign(p, p - lr * trust * g / ld.norm(g, over="model"))

    with pytest.raises(ld.RuleError, match="takes trust, an extra with a number for each tensor"):
        of_model.export(language)
    with pytest.raises(ld.RuleError, match="keeps values along axes"):
        along.export(language)
    with pytest.raises(ld.RuleError, match="uses functions of whole matrices"):
        factors.export(language, shape=(4, 3))
