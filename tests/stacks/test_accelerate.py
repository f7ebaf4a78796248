"""Accelerate trains with the optimizers of rules as with those of torch."""

import pytest
import torch
from support.stacks import PAIRS, loader
from support.torch_models import distance, network, weights

accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")

pytestmark = pytest.mark.filterwarnings("default")  # accelerate warns of its own defaults


class Training:
    """A model, its optimizer and a scheduler, all prepared by accelerate."""

    def __init__(self, make, arguments, precision="no"):
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
        self.accelerator = accelerate.Accelerator(
            cpu=True, mixed_precision=precision, gradient_accumulation_steps=3
        )
        model = network()
        optimizer = make(model.parameters(), **arguments)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 16)
        prepared = self.accelerator.prepare(model, optimizer, loader(), schedule)
        self.model, self.optimizer, self.loader, self.schedule = prepared
        self.losses = []

    def epoch(self):
        for inputs, targets in self.loader:
            with self.accelerator.accumulate(self.model):
                loss = (self.model(inputs).float() - targets).square().mean()
                self.accelerator.backward(loss)
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.model.parameters(), 0.5)
                self.optimizer.step()
                self.schedule.step()
                self.optimizer.zero_grad()
            self.losses.append(loss.item())


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("pair", PAIRS)
def test_training_is_that_of_torch(pair, precision):
    own, theirs, arguments = PAIRS[pair]
    runs = [Training(make, arguments, precision) for make in (own, theirs)]
    for run in runs:
        run.epoch()
        run.epoch()
    first, second = runs
    assert first.optimizer.optimizer.__class__ is own
    assert len(first.losses) == 24
    assert torch.allclose(torch.tensor(first.losses), torch.tensor(second.losses), atol=1e-6)
    assert distance(first.model, second.model) < 1e-6
    assert sum(first.losses[12:]) < sum(first.losses[:12])


@pytest.mark.parametrize("pair", PAIRS)
def test_training_resumes_bitwise_from_a_saved_state(pair, tmp_path):
    make, _, arguments = PAIRS[pair]
    whole = Training(make, arguments)
    whole.epoch()
    whole.accelerator.save_state(tmp_path)
    whole.epoch()
    again = Training(make, arguments)
    again.accelerator.load_state(tmp_path)
    again.epoch()
    assert again.losses == whole.losses[12:]
    assert torch.equal(weights(again.model), weights(whole.model))
