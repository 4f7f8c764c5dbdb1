"""Batches, the loop, leave-one-subject-out and the file that comes out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from htnet.engine.errors import DataError, UsageError
from htnet.engine.models.htnet import HTNetConfig
from htnet.engine.preprocess import PreprocessSpec, network_input
from htnet.engine.weights import load
from htnet.training.augment import batch, cut, mirror
from htnet.training.config import AugmentConfig, Schedule, TrainConfig
from htnet.training.kernel import teach
from htnet.training.loop import fit, predict
from htnet.training.loso import evaluate_loso, held_out_logits, temperature
from htnet.training.reanimate import face_crop, field, pair
from htnet.training.samples import Samples, read_samples
from htnet.training.train import train

PLAIN = AugmentConfig(flip=0, shift=0, spread=0, gain=0, noise=0, view=0)
SMALL = HTNetConfig(dim=8, heads=2, repeats=(1, 1, 1), mirror=True)


@pytest.fixture
def config(composite: Path) -> TrainConfig:
    return TrainConfig(
        data=composite,
        landmarks=composite / "landmarks.npy",
        model=SMALL,
        schedule=Schedule(epochs=15, batch=16, lr=3e-3),
        views=1,
    )


@pytest.fixture
def samples(config: TrainConfig) -> Samples:
    return read_samples(config)


def test_a_plain_batch_is_what_serving_sees(samples: Samples) -> None:
    rows = torch.arange(36)
    plain = batch(samples, rows, PLAIN, torch.Generator())
    torch.testing.assert_close(plain, samples.inputs, atol=1e-5, rtol=0)
    for _ in range(2):  # once inside the map, once beyond its border
        samples.centres.sub_(0.2)
        tiled = cut(samples.pictures[:, 0], samples.centres, torch.zeros(36, 1, 2), 14)
        served = [
            network_input(map_, place.numpy(), samples.spec)
            for map_, place in zip(samples.maps, samples.centres, strict=True)
        ]
        torch.testing.assert_close(tiled, torch.from_numpy(np.stack(served)), atol=1e-5, rtol=0)


def test_mirroring_is_mirroring_the_face(samples: Samples) -> None:
    """The mirror of the tiled input is the input of the mirrored map: u changes its sign."""
    spec = PreprocessSpec()
    centres = np.array([[8, 8], [9, 20], [20, 8], [19, 20]], np.float32) / 28
    mirrored_map = samples.maps[0][:, ::-1].copy()
    mirrored_map[..., 0] = 255 - mirrored_map[..., 0]
    swapped = centres[[2, 3, 0, 1]] * [-1, 1] + [1, 0]
    ours = mirror(torch.from_numpy(network_input(samples.maps[0], centres, spec)), 0)
    theirs = network_input(mirrored_map, swapped.astype(np.float32), spec)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)


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
    config = replace(config, model=replace(SMALL, dropout=dropout, drop_path=dropout))
    schedule = replace(config.schedule, epochs=2, mixup=0.2)
    rows = [torch.arange(36)]
    torch.manual_seed(1)
    first = fit(config.make, samples, rows, schedule, [3])
    torch.manual_seed(2)
    second = fit(config.make, samples, rows, schedule, [3])
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_held_out_subject_is_never_learnt_from(config: TrainConfig, samples: Samples) -> None:
    """Lies about a subject's labels, and noise for its maps, change nothing said of it."""
    held = [torch.from_numpy(np.flatnonzero(samples.subjects == "smic-1"))]
    config = replace(config, schedule=replace(config.schedule, epochs=2))
    [true] = held_out_logits(config, samples, held, [samples.inputs])
    labels, pictures = samples.labels.clone(), samples.pictures.clone()
    labels[held[0]] = (labels[held[0]] + 1) % 3
    pictures[held[0]] = torch.randn(pictures[held[0]].shape)
    liar = replace(samples, labels=labels, pictures=pictures)
    [lied] = held_out_logits(config, liar, held, [samples.inputs])
    assert np.array_equal(true, lied)


def test_a_loss_that_is_no_number(config: TrainConfig, samples: Samples) -> None:
    samples.pictures[0] = float("nan")
    with pytest.raises(DataError, match="finite loss"):
        fit(config.make, samples, [torch.arange(36)], config.schedule, [0])


def test_loso_and_training(config: TrainConfig, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = evaluate_loso(config, lambda done, of: calls.append((done, of)))
    assert report.folds == 6
    assert calls[-1][0] == calls[-1][1]
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert report.published["full"].uf1 > 0.9  # the classes are plain to see
    assert set(report.published) == {"full", "casme2", "smic", "samm"}
    assert report.confusion.sum() == 36
    made = train(config, tmp_path / "run", [report])
    assert made.fit.uf1 > 0.9
    loaded = load(made.weights)
    assert loaded.name == "htnet-s"
    assert loaded.card["loso"]["published_uf1"]["mean"] == round(report.published["full"].uf1, 4)
    assert loaded.spec == replace(config.spec, temperature=loaded.spec.temperature)
    assert json.loads(made.metrics.read_text())["clips"] == 36
    samples = read_samples(config)
    guess = loaded.network(samples.inputs).argmax(dim=1)
    assert (guess == samples.labels).float().mean() > 0.9
    again = train(config, tmp_path / "again", [report])
    twin = load(again.weights)
    assert torch.equal(twin.network(samples.inputs), loaded.network(samples.inputs))
    assert (twin.card, twin.spec) == (loaded.card, loaded.spec)
    assert sorted(p.name for p in made.weights.parent.iterdir()) == [
        "metrics.json",
        "weights.safetensors",
    ]


def test_a_run_folder_that_cannot_be(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    short = replace(config, schedule=replace(config.schedule, epochs=1))
    with pytest.raises(Exception, match="writable"):
        train(short, tmp_path / "file" / "run")


def test_networks_that_are_not_trained_here(composite: Path) -> None:
    with pytest.raises(UsageError, match="ststnet"):
        TrainConfig(data=composite, network="ststnet")


def test_the_teacher_knows_its_clips_and_their_mirrors(samples: Samples) -> None:
    rows = torch.arange(0, 36, 2)
    teacher = teach(samples, rows)
    others = samples.inputs[1::2]
    straight, mirrored = teacher(others), teacher(mirror(others, 0))
    assert (straight.argmax(dim=1) == samples.labels[1::2]).float().mean() > 0.9
    assert (mirrored.argmax(dim=1) == samples.labels[1::2]).float().mean() > 0.9
    torch.testing.assert_close(straight.sum(dim=1), torch.zeros(18), atol=1e-4, rtol=0)


@pytest.mark.parametrize("distill", [0.0, 0.5, 1.0])
def test_every_kind_of_loss_learns(config: TrainConfig, samples: Samples, distill: float) -> None:
    schedule = replace(config.schedule, distill=distill, mixup=0.2)
    weights = fit(config.make, samples, [torch.arange(36)], schedule, [0])
    [logits] = predict(config.make, weights, [samples.inputs])
    assert (logits.argmax(dim=1) == samples.labels).float().mean() > 0.9


def test_temperature_recovers_the_scale() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (4000, 3)).astype(np.float32)
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (odds.cumsum(axis=1) > draw.random((4000, 1))).argmax(axis=1)
    assert temperature(logits * 2.5, labels) == pytest.approx(2.5, rel=0.1)


def test_predictions_come_fold_by_fold(config: TrainConfig, samples: Samples) -> None:
    schedule = replace(config.schedule, epochs=1)
    weights = fit(config.make, samples, [torch.arange(36)] * 2, schedule, [0, 1])
    first, second = predict(config.make, weights, [samples.inputs[:2], samples.inputs[:5]])
    assert (first.shape, second.shape) == ((2, 3), (5, 3))


def test_reanimation_gives_the_published_field_back(published: Path) -> None:
    """On SAMM's public clip and its neighbours the solver finds the field that moved the face."""
    from htnet.training.datasets.composite import read_apex, read_clips, read_map
    from htnet.training.reanimate import reanimated

    clips = read_clips(published)[::40]
    maps = np.stack([read_map(clip.flow) for clip in clips])
    made = reanimated(clips, maps, 0, (2.0, 2.0), (2.0, 2.0))
    for channel, least in ((0, 0.8), (1, 0.8), (2, 0.5)):
        found = [
            np.corrcoef(a[..., channel].ravel(), b[..., channel].ravel())[0, 1]
            for a, b in zip(maps, made, strict=True)
        ]
        assert np.mean(found) > least
    crop = face_crop(read_apex(clips[0].apex), clips[0].to_map)
    assert crop.shape == (170, 140)
    flow = field(maps[0], 3.0)
    assert np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99) == pytest.approx(3.0)
    onset, apex = pair(crop, np.zeros_like(flow), 0.0, np.random.default_rng(0))
    assert np.array_equal(onset, apex)
