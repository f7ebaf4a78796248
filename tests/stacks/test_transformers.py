"""The Trainer of transformers trains with the optimizers of rules as with those of torch."""

import pytest
import torch
from support.stacks import PAIRS, samples
from support.torch_models import distance, network, weights

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("accelerate", reason="the Trainer of transformers needs accelerate")

pytestmark = pytest.mark.filterwarnings("default")  # transformers warns of its own defaults


class Regression(torch.nn.Module):
    """A network as the Trainer calls it: with names, and with a loss."""

    def __init__(self):
        super().__init__()
        self.layers = network()

    def forward(self, inputs, labels):
        outputs = self.layers(inputs)
        return {"loss": (outputs.float() - labels).square().mean(), "logits": outputs}


def trainer(folder, pair_class, arguments, way="optimizers", **choices):
    """Return a Trainer of a new model."""
    settings = transformers.TrainingArguments(
        output_dir=folder, use_cpu=True, report_to=[], disable_tqdm=True, num_train_epochs=4,
        per_device_train_batch_size=8, logging_steps=1, save_strategy="epoch",
        learning_rate=arguments["lr"], weight_decay=arguments.get("weight_decay", 0.0), **choices,
    )  # fmt: skip
    model = Regression()
    own = {"optimizer_cls_and_kwargs": (pair_class, arguments)}
    if way == "optimizers":
        optimizer = pair_class(model.parameters(), **arguments)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.95**k)
        own = {"optimizers": (optimizer, schedule)}
    data = [{"inputs": x, "labels": y} for x, y in samples()]
    return transformers.Trainer(model, settings, train_dataset=data, **own)


def losses(run):
    return torch.tensor([entry["loss"] for entry in run.state.log_history if "loss" in entry])


@pytest.mark.parametrize("way", ["optimizers", "class"])
@pytest.mark.parametrize("pair", PAIRS)
def test_training_is_that_of_torch(pair, way, tmp_path):
    *classes, arguments = PAIRS[pair]
    choices = {"max_grad_norm": 0.5, "gradient_accumulation_steps": 2}
    first, second = (
        trainer(tmp_path / str(k), made, arguments, way, **choices)
        for k, made in enumerate(classes)
    )
    first.train()
    second.train()
    assert len(losses(first)) == 24
    assert torch.allclose(losses(first), losses(second), atol=1e-6)
    assert distance(first.model, second.model) < 1e-6
    assert losses(first)[12:].sum() < losses(first)[:12].sum()


@pytest.mark.parametrize("way", ["optimizers", "class"])
@pytest.mark.parametrize("pair", PAIRS)
def test_training_resumes_bitwise_from_a_checkpoint(pair, way, tmp_path):
    make, _, arguments = PAIRS[pair]
    whole = trainer(tmp_path / "whole", make, arguments, way)
    whole.train()
    again = trainer(tmp_path / "again", make, arguments, way)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-24"))
    assert again.state.global_step == 48
    assert torch.equal(weights(again.model), weights(whole.model))
