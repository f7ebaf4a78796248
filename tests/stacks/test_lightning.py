"""Lightning trains with the optimizers of rules as with those of torch."""

import pytest
import torch
from support.stacks import PAIRS, loader
from support.torch_models import distance, network, weights

lightning = pytest.importorskip("lightning", reason="Lightning is not installed")

pytestmark = pytest.mark.filterwarnings("default")  # Lightning warns of its own defaults


class Regression(lightning.LightningModule):
    """Fits the minibatches, with a scheduler that changes the learning rate at every step."""

    def __init__(self, make, arguments):
        super().__init__()
        self.model, self.make, self.arguments = network(), make, arguments
        self.losses = []

    def training_step(self, batch, number):
        inputs, targets = batch
        outputs = self.model(inputs.to(self.dtype))
        loss = (outputs.float() - targets).square().mean()
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self):
        optimizer = self.make(self.parameters(), **self.arguments)
        peak, steps = 2 * self.arguments["lr"], self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def fit(make, arguments, epochs=2, checkpoint=None, **choices):
    """Return a module that was trained."""
    module = Regression(make, arguments)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing="callbacks" in choices, max_epochs=epochs, **choices,
    )  # fmt: skip
    trainer.fit(module, loader(), ckpt_path=checkpoint)
    return module


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("pair", PAIRS)
def test_training_is_that_of_torch(pair, precision):
    own, theirs, arguments = PAIRS[pair]
    choices = {
        "precision": precision,
        "gradient_clip_val": 0.5,
        "accumulate_grad_batches": 2,
    }
    first, second = (fit(make, arguments, **choices) for make in (own, theirs))
    assert len(first.losses) == 24
    assert torch.allclose(torch.tensor(first.losses), torch.tensor(second.losses), atol=1e-6)
    assert distance(first, second) < 1e-6
    assert sum(first.losses[12:]) < sum(first.losses[:12])


# Fused AdamW rounds once for each update, as rules do; fused SGD of torch is wrong in bfloat16.
@pytest.mark.parametrize(("pair", "fused"), [("AdamW", True), ("own rule", False)])
def test_narrow_parameters(pair, fused):
    own, theirs, arguments = PAIRS[pair]
    first = fit(own, {**arguments, "states": "bfloat16"}, precision="bf16-true")
    second = fit(theirs, {**arguments, "fused": fused}, precision="bf16-true")
    assert next(first.parameters()).dtype == torch.bfloat16
    assert distance(first, second) <= 2**-8  # the spacing of bfloat16 between 0.5 and 1
    assert sum(first.losses[12:]) < sum(first.losses[:12])


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("pair", PAIRS)
def test_training_resumes_bitwise_from_a_checkpoint(pair, precision, tmp_path):
    make, _, arguments = PAIRS[pair]
    keep = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)
    whole = fit(make, arguments, epochs=4, precision=precision, callbacks=[keep])
    halfway = tmp_path / "epoch=1.ckpt"
    again = fit(make, arguments, epochs=4, precision=precision, checkpoint=halfway)
    assert again.losses == whole.losses[24:]
    assert torch.equal(weights(again), weights(whole))
