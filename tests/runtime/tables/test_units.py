"""Names of slots and units: they are those of the clock, the layout and the launch."""

import dataclasses

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.errors import InternalError
from learnerdsl.expr import CLOCK, tensor_number, tensor_size
from learnerdsl.kernels import slots
from learnerdsl.learners import adam, lamb, muon
from learnerdsl.passes.verify import verify
from learnerdsl.runtime.tables import units


def test_slots_are_those_of_the_clock_and_of_tensors():
    layout = lamb.program().layout
    named = {symbol.name: getattr(slots, symbol.name.upper()) for symbol in CLOCK}
    assert named == {symbol.name: layout.model.index(symbol) for symbol in CLOCK}
    assert layout.tensor.index(tensor_size) == slots.TENSOR_SIZE
    assert layout.tensor.index(tensor_number) == slots.TENSOR_NUMBER


def test_a_learner_counts_in_the_named_slots():
    learner = adam([np.ones(3), np.ones((2, 2))], seed=7)
    learner.update([np.ones(3), np.ones((2, 2))], minibatch_size=4)
    row = learner._engine.model_rows[0]
    found = [row[slots.STEP], row[slots.SAMPLES], row[slots.MINIBATCH_SIZE], row[slots.MODEL_SIZE]]
    assert [*found, row[slots.SEED]] == [1, 4, 4, 7, 7]
    assert list(learner._engine.tensor_rows[:, slots.TENSOR_SIZE]) == [3, 4]
    assert list(learner._engine.tensor_rows[:, slots.TENSOR_NUMBER]) == [0, 1]


@pytest.mark.parametrize("level", range(4))
def test_units_of_a_level(level):
    scalars, sweep = units.scalars_of(level), units.sweep_of(level)
    assert units.level_of(scalars) == units.level_of(sweep) == level
    assert units.is_sweep(sweep)
    assert not units.is_sweep(scalars)
    assert sweep == scalars + 1 == units.count_units(level + 1) - 1


@pytest.mark.parametrize("rule", [adam, lamb, muon], ids=lambda r: r.name)
def test_a_kernel_has_a_level_for_each_pass_and_one_more(rule):
    kernel = rule.program(shape=(3, 4)).kernel
    assert [level.element for level in kernel.levels] == [*kernel.passes, None]
    blocks = [b for x in kernel.levels for b in (x.model, x.tensor, x.matrix, x.element) if b]
    assert tuple(blocks) == kernel.blocks


def test_blocks_in_another_order_are_refused():
    @ld.rule
    def rule(p, g):
        return ld.assign(p, p - g / ld.norm(g))

    kernel = rule.program().kernel
    turned = dataclasses.replace(kernel, blocks=(kernel.blocks[1], *kernel.blocks[1:]))
    with pytest.raises(InternalError, match="as a level"):
        verify(turned)
