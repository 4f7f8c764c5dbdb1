"""Batches and the loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from htnet.engine.errors import UsageError
from htnet.engine.motion.preprocess import PreprocessSpec, network_input
from htnet.training.augmentation.batches import batch, mirror, tile_batch
from htnet.training.augmentation.samples import Samples, read_samples
from htnet.training.config import NO_AUGMENT, AugmentConfig, Schedule, TrainConfig
from htnet.training.fitting.kernel_teacher import fit_teacher
from htnet.training.fitting.loop import Epoch, NotANumber, _require_numbers, fit, predict
from htnet.training.fitting.step import TrainingStep


@pytest.fixture
def samples(config: TrainConfig) -> Samples:
    return read_samples(config)


def test_a_plain_batch_is_what_serving_sees(samples: Samples) -> None:
    rows = torch.arange(36)
    plain = batch(samples, rows, NO_AUGMENT, torch.Generator())
    torch.testing.assert_close(plain, samples.inputs, atol=1e-5, rtol=0)
    for _ in range(2):  # once inside the map, once beyond its border
        samples.centres.sub_(0.2)
        tiled = tile_batch(samples.pictures[:, 0], samples.centres, torch.zeros(36, 1, 2), 14)
        served = [
            network_input(map_, place.numpy(), samples.spec)
            for map_, place in zip(samples.maps, samples.centres, strict=True)
        ]
        torch.testing.assert_close(tiled, torch.from_numpy(np.stack(served)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("regions", ["tiled", "whole", "published"])
@pytest.mark.parametrize("scaling", ["raw", "unit", "median", "robust"])
def test_mirroring_is_mirroring_the_face(
    samples: Samples, regions: str, scaling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mirror of the input is the input of the mirrored map, whose u is counted from the other
    end of 0..255."""
    spec = PreprocessSpec(regions=regions, scaling=scaling)
    centres = np.array([[8, 8], [9, 20], [20, 8], [19, 20]], np.float32) / 28
    # The published places are not each other's mirror images: these are.
    even = np.array([[10, 9], [10, 20], [18, 9], [18, 20]], np.float32) / 28
    monkeypatch.setattr("htnet.engine.motion.preprocess.PUBLISHED_CENTRES", even)
    mirrored_map = samples.maps[0][:, ::-1].copy()
    mirrored_map[..., 0] = 255 - mirrored_map[..., 0]
    swapped = centres[[2, 3, 0, 1]] * [-1, 1] + [1, 0]
    ours = mirror(torch.from_numpy(network_input(samples.maps[0], centres, spec)), spec)
    theirs = network_input(mirrored_map, swapped.astype(np.float32), spec)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_published_crops_are_what_serving_sees(config: TrainConfig) -> None:
    spec = PreprocessSpec(regions="published", scaling="raw", channels=("strain", "v", "u"))
    plain = replace(config.model, mirror=False)
    samples = read_samples(replace(config, spec=spec, model=plain))
    rows = torch.arange(36)
    plain = batch(samples, rows, NO_AUGMENT, torch.Generator())
    torch.testing.assert_close(plain, samples.inputs, atol=1e-3, rtol=0)


def test_batches_are_fixed_by_the_seed(samples: Samples) -> None:
    config = AugmentConfig(view=0.5)

    def drawn(seed: int) -> torch.Tensor:
        return batch(samples, torch.arange(36), config, torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert drawn(1).isfinite().all()


def test_folds_do_not_touch_each_other(config: TrainConfig, samples: Samples) -> None:
    """What one fold trains on changes nothing in another that is trained in the same step."""
    schedule = replace(config.schedule, epochs=2)
    own = torch.arange(12, 36)
    beside = [fit(config.make, samples, [torch.arange(n), own], schedule, [5, 6]) for n in (24, 20)]
    for name in beside[0]:
        assert torch.equal(beside[0][name][1], beside[1][name][1])
        assert not torch.equal(beside[0][name][0], beside[0][name][1])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_fit_is_fixed_by_the_seed(config: TrainConfig, samples: Samples, dropout: float) -> None:
    config = replace(config, model=replace(config.model, dropout=dropout, drop_path=dropout))
    schedule = replace(config.schedule, epochs=2, mixup=0.2)
    rows = [torch.arange(36)]
    torch.manual_seed(1)
    first = fit(config.make, samples, rows, schedule, [3])
    torch.manual_seed(2)
    second = fit(config.make, samples, rows, schedule, [3])
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_teacher_knows_its_clips_and_their_mirrors(samples: Samples) -> None:
    rows = torch.arange(0, 36, 2)
    teacher = fit_teacher(samples, rows)
    others = samples.inputs[1::2]
    straight, mirrored = teacher(others), teacher(mirror(others, samples.spec))
    assert (straight.argmax(dim=1) == samples.labels[1::2]).float().mean() > 0.9
    assert (mirrored.argmax(dim=1) == samples.labels[1::2]).float().mean() > 0.9
    torch.testing.assert_close(straight.sum(dim=1), torch.zeros(18), atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("distill", [0.0, 0.5, 1.0])
def test_every_kind_of_loss_learns(config: TrainConfig, samples: Samples, distill: float) -> None:
    schedule = replace(config.schedule, distill=distill, mixup=0.2)
    weights = fit(config.make, samples, [torch.arange(36)], schedule, [0])
    [logits] = predict(config.make, weights, [samples.inputs])
    assert (logits.argmax(dim=1) == samples.labels).float().mean() > 0.9


def test_predictions_come_fold_by_fold(config: TrainConfig, samples: Samples) -> None:
    schedule = replace(config.schedule, epochs=1)
    weights = fit(config.make, samples, [torch.arange(36)] * 2, schedule, [0, 1])
    first, second = predict(config.make, weights, [samples.inputs[:2], samples.inputs[:5]])
    assert (first.shape, second.shape) == ((2, 3), (5, 3))


def test_the_losing_epoch_is_named(config: TrainConfig, samples: Samples) -> None:
    samples.pictures[0] = float("nan")
    rows = [torch.arange(12, 36), torch.arange(36)]
    with pytest.raises(NotANumber, match="epoch 1 of 15") as caught:
        fit(config.make, samples, rows, config.schedule, [0, 1])
    assert caught.value.fold == 1  # the other never meets the clip


def test_a_last_update_that_breaks_the_weights() -> None:
    """The loss of a step is from before its update."""
    weights = {"a": torch.tensor([[1.0], [torch.inf]]), "n": torch.tensor([3, 3])}
    with pytest.raises(NotANumber, match="finite weights") as caught:
        _require_numbers([0.5, 0.5], weights, 1, Schedule())
    assert caught.value.fold == 1
    _require_numbers([0.5], {name: own[:1] for name, own in weights.items()}, 1, Schedule())


def test_every_epoch_is_shown(config: TrainConfig, samples: Samples) -> None:
    seen: list[Epoch] = []
    schedule = replace(config.schedule, epochs=4, distill=0.0)
    rows = [torch.arange(36), torch.arange(30)]
    kept = fit(config.make, samples, rows, schedule, [0, 1], watch=seen.append)
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4]
    assert sum(seen[-1].losses) < sum(seen[0].losses)
    assert seen[-1].lr < schedule.lr
    assert all(torch.equal(seen[-1].weights[name], kept[name]) for name in kept)


def test_it_begins_where_it_is_told(config: TrainConfig, samples: Samples) -> None:
    schedule = replace(config.schedule, epochs=1, lr=1e-9, ema=0.0)
    torch.manual_seed(7)
    start = config.make().state_dict()
    kept = fit(config.make, samples, [torch.arange(36)], schedule, [0], start=start)
    for name, tensor in start.items():
        torch.testing.assert_close(kept[name][0], tensor, atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["shuffled", "balanced", "ordered"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_every_way_of_training_learns(
    config: TrainConfig, samples: Samples, sampling: str, optimizer: str
) -> None:
    schedule = replace(
        config.schedule,
        sampling=sampling,
        optimizer=optimizer,
        shape="constant" if sampling == "ordered" else "cosine",
        distill=0.0,
        mixup=0.0,
        ema=0.0,
    )
    weights = fit(config.make, samples, [torch.arange(36)], schedule, [0])
    [logits] = predict(config.make, weights, [samples.inputs])
    assert (logits.argmax(dim=1) == samples.labels).float().mean() > 0.9


def test_batch_norm_keeps_each_folds_own_statistics(config: TrainConfig, samples: Samples) -> None:
    """Two stacked folds end with the weights and the running statistics of two alone."""
    own = replace(config, network="ststnet", model=None, spec=PreprocessSpec(regions="whole"))
    whole = read_samples(own)
    schedule = replace(config.schedule, epochs=2, distill=0.0, mixup=0.0)
    rows = [torch.arange(30), torch.arange(6, 36)]

    def quiet() -> nn.Module:
        network = own.make()
        network.config = replace(network.config, dropout=0.0)
        return network

    both = fit(quiet, whole, rows, schedule, [3, 4])
    for number in range(2):
        alone = fit(quiet, whole, rows[number : number + 1], schedule, [3 + number])
        for name, tensor in alone.items():
            torch.testing.assert_close(both[name][number], tensor[0], atol=1e-5, rtol=1e-4)
    assert not torch.equal(both["bn1.running_mean"][0], both["bn1.running_mean"][1])
    assert both["bn1.num_batches_tracked"].tolist() == [6, 6]


def test_one_step_is_the_optimizers(config: TrainConfig) -> None:
    """Against the same step written out for one plain network."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    stacked = {name: tensor[None].clone() for name, tensor in network.state_dict().items()}
    schedule = Schedule(distill=0.0, label_smoothing=0.0, weight_decay=0.1)
    x, y = torch.randn(1, 5, 3, 2, 2), torch.eye(3)[[0, 1, 2, 0, 1]][None]
    loss = TrainingStep(network, stacked, schedule)(x, y, None, 1e-2)
    plain = torch.optim.AdamW(
        [
            {"params": [network[1].weight], "weight_decay": 0.1},
            {"params": [network[1].bias], "weight_decay": 0.0},
        ],
        lr=1e-2,
    )
    expected = nn.functional.cross_entropy(network(x[0]), y[0])
    expected.backward()
    plain.step()
    torch.testing.assert_close(loss[0], expected.detach())
    torch.testing.assert_close(stacked["1.weight"][0].detach(), network[1].weight.detach())
    torch.testing.assert_close(stacked["1.bias"][0].detach(), network[1].bias.detach())


def test_half_precision_learns_too(config: TrainConfig, samples: Samples) -> None:
    schedule = replace(config.schedule, precision="bfloat16", distill=0.0)
    weights = fit(config.make, samples, [torch.arange(36)], schedule, [0])
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights.values())
    [logits] = predict(config.make, weights, [samples.inputs])
    assert (logits.argmax(dim=1) == samples.labels).float().mean() > 0.9


@pytest.mark.parametrize(
    "wrong", [{"optimizer": "sgd"}, {"epochs": 0}, {"ema": 1.5}, {"lr": -1.0}, {"mixup": -1.0}]
)
def test_schedules_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="correct the schedule"):
        Schedule(**wrong)
