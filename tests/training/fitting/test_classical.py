"""Machines fitted by scikit-learn answer in torch as they do there."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from htnet.engine.errors import DataError, DependencyError, UsageError
from htnet.engine.models.registry import NETWORKS
from htnet.engine.models.svm import KernelConfig, KernelMachine
from htnet.engine.models.weights import load, save
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.training.augmentation.batches import mirror
from htnet.training.augmentation.samples import Samples, make_samples
from htnet.training.datasets.composite import read_clips, read_map
from htnet.training.evaluation.metrics import scores
from htnet.training.fitting.classical import fit_closed

svm = pytest.importorskip("sklearn.svm")
CLOSED = [name for name, entry in NETWORKS.items() if entry.fits == "closed"]


def _samples(root: Path, spec: PreprocessSpec) -> Samples:
    clips = read_clips(root)
    maps = np.stack([read_map(clip.flow) for clip in clips])
    return make_samples(clips, [maps], np.full((len(clips), 4, 2), 0.5, np.float32), spec)


def _fitted(name: str, samples: Samples, config: KernelConfig | None = None) -> KernelMachine:
    rows = torch.arange(0, len(samples.labels), 2)
    machine = fit_closed(name, config or NETWORKS[name].config, samples, rows, seed=0)
    assert isinstance(machine, KernelMachine)
    return machine


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("classes", [3, 4])
@torch.no_grad()
def test_decisions_are_those_of_scikit_learn(
    composite: Path, kernel: str, standardise: bool, classes: int
) -> None:
    spec = NETWORKS["svm"].spec
    samples = _samples(composite, spec)
    rows = torch.arange(0, 36, 2)
    if classes == 4:
        samples = replace(samples, labels=torch.arange(36) // 3 % 4)
    config = KernelConfig(
        kernel=kernel, standardise=standardise, classes=classes, size=4, mirror=False
    )
    machine = _fitted("svm", samples, config)
    own = samples.inputs[rows]
    x = machine.features(torch.cat([own, mirror(own, spec)])).double().numpy()
    mean, deviation = (x.mean(axis=0), x.std(axis=0)) if standardise else (0, 1)
    svc = svm.SVC(kernel=kernel, class_weight="balanced", break_ties=True)  # gamma "scale"
    svc.fit((x - mean) / deviation, samples.labels[rows].repeat(2).numpy())
    everything = (machine.features(samples.inputs).double().numpy() - mean) / deviation
    logits = machine(samples.inputs)
    expected = torch.from_numpy(svc.decision_function(everything)).float()
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
    assert logits.argmax(dim=1).tolist() == svc.predict(everything).tolist()
    assert machine.config.supports == len(svc.support_)


@pytest.mark.parametrize("name", CLOSED)
@torch.no_grad()
def test_a_fitted_machine_is_served_from_its_file(
    name: str, composite: Path, tmp_path: Path
) -> None:
    samples = _samples(composite, NETWORKS[name].spec)
    machine = _fitted(name, samples)
    logits = machine(samples.inputs)
    held = torch.arange(1, 36, 2)
    assert (logits[held].argmax(dim=1) == samples.labels[held]).float().mean() > 0.9
    path = tmp_path / "machine.safetensors"
    save(path, machine, name=name, config=machine.config, spec=samples.spec, card={})
    loaded = load(path)
    assert loaded.config == machine.config
    assert torch.equal(loaded.network(samples.inputs), logits)


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("scaling", ["raw", "unit", "median", "robust"])
@pytest.mark.parametrize("regions", ["whole", "tiled"])
@torch.no_grad()
def test_left_and_right_are_one_to_it(
    name: str, scaling: str, regions: str, composite: Path
) -> None:
    if name == "bi-woof" and scaling in ("raw", "unit"):
        pytest.skip("it needs flow that is 0 at rest")
    spec = PreprocessSpec(regions=regions, scaling=scaling, channels=("strain", "v", "u"))
    samples = _samples(composite, spec)
    config = NETWORKS[name].config
    if name == "bi-woof":
        config = replace(config, streams=(2, 1, 0))
    machine = _fitted(name, samples, config)
    turned = machine(mirror(samples.inputs, spec))
    torch.testing.assert_close(machine(samples.inputs), turned, atol=1e-4, rtol=0)


def test_what_cannot_be_fitted(composite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = _samples(composite, NETWORKS["svm"].spec)
    rows = torch.arange(36)
    with pytest.raises(UsageError, match="ststnet"):
        fit_closed("ststnet", NETWORKS["ststnet"].config, samples, rows, 0)
    with pytest.raises(UsageError, match="0 at rest"):
        fit_closed("bi-woof", NETWORKS["bi-woof"].config, samples, rows, 0)
    published = _samples(composite, PreprocessSpec(regions="published"))
    with pytest.raises(UsageError, match="published"):
        fit_closed("svm", KernelConfig(), published, rows, 0)
    with pytest.raises(DataError, match="all 3 classes"):
        fit_closed("svm", KernelConfig(), samples, torch.where(samples.labels < 2)[0], 0)
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(DependencyError, match="pip install"):
        fit_closed("svm", KernelConfig(), samples, rows, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "uf1"), [("svm", 0.7308), ("bi-woof", 0.7028)])
@torch.no_grad()
def test_leave_one_subject_out(name: str, uf1: float, published: Path) -> None:
    samples = _samples(published, NETWORKS[name].spec)
    logits = torch.zeros(len(samples.labels), 3)
    for subject in dict.fromkeys(samples.subjects):
        held = torch.from_numpy(samples.subjects == subject)
        machine = fit_closed(name, NETWORKS[name].config, samples, torch.where(~held)[0], 0)
        logits[held] = machine(samples.inputs[held])
    own = scores(samples.labels.numpy(), logits.argmax(dim=1).numpy())
    assert own.uf1 == pytest.approx(uf1, abs=0.005)
