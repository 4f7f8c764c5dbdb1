"""A tiny made-up composite: three datasets, six subjects, flow that tells the class."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.engine.models.htnet import HTNetConfig
from htnet.training.config import Schedule, TrainConfig

CLASSES = ("negative", "positive", "surprise")
# Where each class moves, as centre (x, y) in fractions and direction (u, v).
SIGNATURES = (
    (((0.3, 0.2), (0.3, 1.0)), ((0.7, 0.2), (-0.3, 1.0))),
    (((0.3, 0.7), (-1.0, -0.5)), ((0.7, 0.7), (1.0, -0.5))),
    (((0.3, 0.2), (0.0, -1.0)), ((0.7, 0.2), (0.0, -1.0))),
)


def made_map(label: int, draw: np.random.Generator) -> np.ndarray:
    """(28, 28, 3) uint8, u, v and strain of a class's signature with noise."""
    y, x = (np.mgrid[0:28, 0:28] + 0.5) / 28
    flow = 0.05 * draw.normal(size=(28, 28, 2))
    for (cx, cy), direction in SIGNATURES[label]:
        bump = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.02)
        flow += bump[..., None] * np.array(direction) * draw.uniform(0.7, 1.3)
    channels = [flow[..., 0], flow[..., 1], np.hypot(*np.gradient(flow[..., 1]))]
    scaled = [(c - c.min()) / (c.max() - c.min()) * 255 for c in channels]
    return np.rint(np.dstack(scaled)).astype(np.uint8)


@pytest.fixture
def composite(tmp_path: Path) -> Path:
    """A composite with ``landmarks.npy`` beside its labels."""
    root = tmp_path / "composite"
    (root / "flow").mkdir(parents=True)
    (root / "apex").mkdir()
    draw = np.random.default_rng(0)
    rows = []
    for number in range(36):
        dataset = ("casme2", "smic", "samm")[number % 3]
        subject, label = f"{dataset}-{number % 6}", number // 6 % 3
        flow, apex = f"flow/{number}.png", f"apex/{number}.jpg"
        cv2.imwrite(str(root / flow), made_map(label, draw)[..., ::-1])
        face = cv2.GaussianBlur(draw.integers(0, 255, (224, 224, 3)).astype(np.uint8), (0, 0), 2)
        cv2.imwrite(str(root / apex), face)
        rows.append([dataset, subject, f"c{number}", label, CLASSES[label], flow, apex])
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "subject", "clip", "label", "class", "flow", "apex"])
        writer.writerows(rows)
    points = np.full((36, 478, 2), 0.5, np.float32)
    points[:, [33, 133]], points[:, [362, 263]] = (0.23, 0.28), (0.76, 0.28)
    points[:, 61], points[:, 291] = (0.29, 0.72), (0.71, 0.72)
    np.save(root / "landmarks.npy", points)
    return root


@pytest.fixture
def published() -> Path:
    """The real composite; skips where there is none."""
    root = Path(os.environ.get("HTNET_DATA", "")) / "composite"
    if "HTNET_DATA" not in os.environ or not root.is_dir():
        pytest.skip("HTNET_DATA is not set or holds no composite")
    return root


@pytest.fixture
def config(composite: Path) -> TrainConfig:
    """A recipe of which a network is trained in a second."""
    return TrainConfig(
        data=composite,
        landmarks=composite / "landmarks.npy",
        model=HTNetConfig(dim=8, heads=2, repeats=(1, 1, 1), mirror=True),
        schedule=Schedule(epochs=15, batch=16, lr=3e-3),
        views=1,
    )
