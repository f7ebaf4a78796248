"""Other tools of torch for training: averages of weights, narrow types, hooks, the compiler."""

import shutil

import pytest
import torch
from support.stacks import PAIRS, loader
from support.torch_models import backward, distance, network, train, weights
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

distributed_optim = pytest.importorskip("torch.distributed.optim")  # it warns of itself
by_pair = pytest.mark.parametrize("pair", PAIRS)


def both(pair, train_one):
    """Train a model by each class of a pair; return the models, or what `train_one` returns."""
    *classes, arguments = PAIRS[pair]
    return [train_one(made, arguments) for made in classes]


@by_pair
@pytest.mark.parametrize("average", ["mean", "exponential"])
def test_averaged_models(pair, average):
    def train_one(made, arguments):
        model = torch.nn.Sequential(torch.nn.BatchNorm1d(6), *network())
        choices = {"multi_avg_fn": get_ema_multi_avg_fn(0.8)} if average == "exponential" else {}
        averaged = AveragedModel(model, **choices)
        optimizer = made(model.parameters(), **arguments)
        schedule = SWALR(optimizer, arguments["lr"] / 2, anneal_epochs=3)
        for k in range(8):
            train(model, optimizer, 1, k)
            averaged.update_parameters(model)
            schedule.step()
        assert distance(averaged.module, model) > 1e-3
        update_bn(loader(), averaged)
        return averaged.module

    assert distance(*both(pair, train_one)) < 1e-6


@by_pair
def test_autocast_with_scaled_gradients(pair):
    def train_one(made, arguments):
        model = network()
        optimizer = made(model.parameters(), **arguments)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=3)
        for k, (inputs, targets) in enumerate(loader()):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = (model(inputs) - targets).square().mean()
            scaler.scale(loss).backward()
            if k == 4:
                model[2].bias.grad[0] = torch.nan
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
        assert scaler.get_scale() != 2.0**10
        return model

    assert distance(*both(pair, train_one)) < 1e-6


@by_pair
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler uses what torch deprecates
def test_compiled_training_step(pair):
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")

    def train_one(made, arguments):
        model = network()
        optimizer = made(model.parameters(), **arguments)

        @torch.compile
        def step(inputs, targets):
            optimizer.zero_grad()
            loss = (model(inputs) - targets).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        for batch in loader():
            step(*batch)
        assert distance(model, network()) > 1e-2
        return model

    assert distance(*both(pair, train_one)) < 1e-6


@by_pair
def test_profiler_shows_steps_under_the_name_of_the_class(pair):
    def train_one(made, arguments):
        model = network()
        optimizer = made(model.parameters(), **arguments)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            train(model, optimizer, 3)
        name = f"Optimizer.step#{made.__name__}.step"
        assert [e.count for e in profile.key_averages() if e.key == name] == [3]

    both(pair, train_one)


@by_pair
def test_optimizers_in_hooks_behind_each_gradient(pair):
    def train_one(made, arguments):
        model = network()
        optimizers = {p: made([p], **arguments) for p in model.parameters()}

        def update(p):
            optimizers[p].step()
            p.grad = None

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(update)
        for k in range(6):
            backward(model, k)
        return model

    assert distance(*both(pair, train_one)) < 1e-6


@by_pair
def test_optimizers_in_backward(pair):
    def train_one(made, arguments):
        model = network()
        distributed_optim._apply_optimizer_in_backward(made, model.parameters(), arguments)
        for k in range(6):
            backward(model, k)
        return model

    assert distance(*both(pair, train_one)) < 1e-6


@by_pair
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_training_resumes_bitwise_from_a_distributed_checkpoint(pair, tmp_path):
    make, _, arguments = PAIRS[pair]
    models = network(), network(seed=3)
    whole, again = (make(model.parameters(), **arguments) for model in models)
    train(models[0], whole, 4)
    parts = get_state_dict(models[0], whole)
    checkpoint.save(dict(zip(("model", "optimizer"), parts, strict=True)), checkpoint_id=tmp_path)
    parts = get_state_dict(models[1], again)
    found = dict(zip(("model", "optimizer"), parts, strict=True))
    checkpoint.load(found, checkpoint_id=tmp_path)
    set_state_dict(
        models[1], again, model_state_dict=found["model"], optim_state_dict=found["optimizer"]
    )
    train(models[0], whole, 4, 4)
    train(models[1], again, 4, 4)
    assert torch.equal(weights(models[0]), weights(models[1]))
