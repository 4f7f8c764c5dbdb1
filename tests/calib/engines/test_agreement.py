"""One pair, one answer: figures of known answers, and the real ways to them."""

from pathlib import Path

import numpy as np
import pytest

from htnet.calib.engines.agreement import BOUNDS, Agreement, Row, agree, agreement_page, agreements
from htnet.calib.engines.graph_inputs import FacePair
from htnet.engine.errors import DependencyError, UsageError
from htnet.engine.face.alignment import canonical_landmarks
from htnet.engine.face.regions import region_centres
from htnet.engine.models.weights import default_weights, load
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.pytorch import PyTorch


def test_figures_of_known_answers() -> None:
    reference = np.array([[0.5, 0.3, 0.2], [0.4005, 0.3995, 0.2], [0.1, 0.2, 0.7]], np.float32)
    other = np.array([[0.45, 0.35, 0.2], [0.39, 0.41, 0.2], [0.1, 0.2, 0.7]], np.float32)
    found = agree(reference, other)
    assert (found.pairs, found.clear, found.agreement_where_clear) == (3, 2, 1.0)
    assert found.label_agreement == pytest.approx(2 / 3)
    assert found.max_difference == pytest.approx(0.05, abs=1e-6)
    assert found.mean_difference == pytest.approx((0.1 + 0.021) / 9, abs=1e-6)
    assert agree(reference, reference) == Agreement(3, 0.0, 0.0, 1.0, 2, 1.0)
    undecided = np.full((2, 3), 1 / 3, np.float32)
    assert agree(undecided, reference[:2]).agreement_where_clear == 1.0
    with pytest.raises(UsageError, match="same pairs"):
        agree(reference, other[:2])
    with pytest.raises(UsageError, match="same pairs"):
        agree(reference[:0], other[:0])


@pytest.mark.parametrize(
    ("precision", "solver", "off", "labels", "clear", "holds"),
    [
        ("fp32", "dis", 9e-4, 0.99, 1.0, True),
        ("fp32", "dis", 9e-4, 0.99, 0.99, False),
        ("fp32", "dis", 2e-3, 1.0, 1.0, False),
        ("fp16", "dis", 2e-3, 1.0, 1.0, True),
        ("int8", "dis", 2e-2, 0.996, 0.996, True),
        ("int8", "dis", 2e-2, 0.99, 0.996, False),
        ("fp32", "tvl1", 0.5, 0.5, 0.5, None),
    ],
)
def test_what_is_asked(
    precision: str, solver: str, off: float, labels: float, clear: float, holds: bool | None
) -> None:
    found = Agreement(1000, off, off / 10, labels, 990, clear)
    row = Row("network", solver, "onnx", precision, "dis", found)
    assert row.holds is holds
    assert row.as_json()["holds"] is holds
    assert {True: "| yes |", False: "| NO |", None: "| - |"}[holds] in agreement_page([row])


def moved(count: int) -> list[FacePair]:
    import cv2

    fractions = (canonical_landmarks() / np.array([140, 170])).astype(np.float32)
    made = []
    for seed in range(count):
        noise = np.random.default_rng(seed).normal(size=(190, 160))
        smooth = cv2.GaussianBlur(noise, (0, 0), 2)
        sheet = np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)
        x, y = np.meshgrid(np.arange(140, dtype=np.float32), np.arange(170, dtype=np.float32))
        lift = 2 * np.exp(-((x - 40) ** 2 + (y - 40 - 20 * seed) ** 2) / 400)
        onset = cv2.remap(sheet, x + 10, y + 10 + lift, cv2.INTER_CUBIC)
        faces = np.stack([onset, sheet[10:180, 10:150]])
        # Without noise they are identical but for the lift, and there Farneback's border is
        # rounding.
        faces = faces + np.random.default_rng((seed, 1)).normal(0, 1, faces.shape)
        first, second = np.rint(faces).clip(0, 255).astype(np.uint8)
        made.append((first, second, region_centres(fractions)))
    return made


def opened(name: str, graph: Graph) -> Runtime:
    if name == "absent":
        raise DependencyError("expected a library; there is none: install it.")
    return PyTorch(graph)


def test_every_way_beside_its_reference() -> None:
    path = default_weights()
    ways = [("torch", "fp32"), ("torch", "fp16"), ("torch", "bf16"), ("absent", "fp32")]
    found = agreements(
        load(path, folded=False), load(path), moved(4), ways, opened, flows=("dis", "farneback")
    )
    rows = {(r.part, r.solver, r.runtime, r.precision, r.against): r for r in found}
    own = [row for row in rows.values() if row.against == row.solver]
    assert len(own) == 3 * len(ways)  # DIS does not run on tensors
    assert len(rows) == len(own) + 1
    for row in own:
        assert (row.holds is None) == (row.runtime == "absent")
        assert row.holds is not False, row
    plain = rows["pair", "farneback", "torch", "fp32", "farneback"].agreement
    assert plain is not None and plain.pairs == 4 and plain.max_difference < BOUNDS["fp32"]
    between = rows["network", "farneback", "torch", "fp32", "dis"]
    assert between.agreement is not None and between.agreement.max_difference > 1e-4
    absent = rows["network", "dis", "absent", "fp32", "dis"]
    assert absent.agreement is None and "install it" in absent.said
    assert agreement_page(list(rows.values())).count("not run here") == 3


@pytest.mark.slow
def test_on_real_faces_one_solver_gives_one_answer(data: Path) -> None:
    from htnet.training.augmentation.reanimated_pairs import reanimated_pairs
    from htnet.training.augmentation.samples import read_composite
    from htnet.training.views import CAMERA

    clips, maps, centres = read_composite(data / "composite")
    some = slice(None, None, 18)
    pairs = list(reanimated_pairs(clips[some], maps[some], centres[some], 0, CAMERA))
    path = default_weights()
    ways = [("torch", "fp32"), ("torch", "fp16")]
    for row in agreements(
        load(path, folded=False), load(path), pairs, ways, opened, flows=("farneback",)
    ):
        assert row.holds, row
