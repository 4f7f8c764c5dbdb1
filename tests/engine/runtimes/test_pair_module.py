"""Pair graph: the CPU path's answers, also exported and in ONNX Runtime."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.export import ExportedProgram

from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import as_crop, canonical_landmarks
from htnet.engine.face.regions import region_centres
from htnet.engine.flow.tvl1 import TensorTVL1
from htnet.engine.models.registry import build, entry
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.runtimes.pair_module import PairRecognizer
from htnet.engine.types import F32, U8, Pair
from htnet.training.augmentation.reanimate import face_crop, published_field, render_pair
from htnet.training.datasets.composite import read_apex, read_clips, read_map

Faces = tuple[U8, U8]


def texture(seed: int) -> F32:
    """Texture larger than the crop, so that it can move."""
    noise = np.random.default_rng(seed).normal(size=(230, 200))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(128 + 40 * smooth / smooth.std(), np.float32)


def made_up(seed: int) -> Faces:
    """Pairs with rising brows, parting lip corners and a small head motion."""
    y, x = np.mgrid[0:170, 0:140].astype(np.float32)
    draw = np.random.default_rng(seed)
    u, v = np.full_like(x, draw.normal(0, 0.5)), np.full_like(x, draw.normal(0, 0.5))
    for (cx, cy), (du, dv) in (
        ((33, 30), (0, -2)),
        ((107, 30), (0, -2)),
        ((38, 124), (-2, -1)),
        ((101, 124), (2, -1)),
    ):
        bump = draw.uniform(0.3, 1) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 300)
        u, v = u + du * bump, v + dv * bump
    sheet = texture(seed)
    pictures = (
        cv2.remap(sheet, x + 30 + u, y + 30 + v, cv2.INTER_CUBIC),
        cv2.remap(sheet, x + 30, y + 30, cv2.INTER_CUBIC),
    )
    noise = draw.normal(0, 1, (2, 170, 140))
    onset, apex = np.rint(np.stack(pictures) + noise).clip(0, 255).astype(np.uint8)
    return onset, apex


def centres() -> F32:
    fractions = canonical_landmarks() / np.array([140, 170], np.float32)
    return region_centres(fractions.astype(np.float32))


def inputs(*faces: Faces) -> tuple[Tensor, Tensor, Tensor]:
    onsets, apexes = (
        torch.from_numpy(np.stack(pictures)[:, None].astype(np.float32))
        for pictures in zip(*faces, strict=True)
    )
    return onsets, apexes, torch.from_numpy(centres()).expand(len(faces), 4, 2).contiguous()


def on_cpu(loaded: Loaded, faces: Faces, registered: bool) -> list[float]:
    recognizer = Recognizer(loaded, flow="farneback")
    crops = Pair(*(as_crop(face) for face in faces))
    measured = recognizer.measure(crops, registered=registered)
    return list(recognizer.predict(measured, canonical_landmarks()).probabilities.values())


def on_tensors(loaded: Loaded, *faces: Faces, registered: bool = False) -> F32:
    module = PairRecognizer(loaded, flow="farneback", registered=registered)
    with torch.inference_mode():
        return module(*inputs(*faces)).numpy()


@pytest.mark.parametrize("registered", [False, True])
def test_it_answers_as_the_cpu_path_does(registered) -> None:
    loaded = load(default_weights())
    faces = [made_up(seed) for seed in range(6)]
    expected = [on_cpu(loaded, pair, registered) for pair in faces]
    found = on_tensors(loaded, *faces, registered=registered)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.ptp(found, axis=0).max() > 0.02  # pairs that the network tells apart


@pytest.mark.parametrize("name", ["htnet", "ststnet"])
def test_every_weights_own_preprocessing(name) -> None:
    torch.manual_seed(0)
    config = entry(name).config
    if name == "htnet":
        config = type(config)(dim=12, repeats=(1, 1, 1))
    network = build(name, config).eval().requires_grad_(False)
    spec = entry(name).spec
    loaded = Loaded(network, name, config, spec, {})
    faces = [made_up(seed) for seed in range(3)]
    expected = [on_cpu(loaded, pair, True) for pair in faces]
    np.testing.assert_allclose(on_tensors(loaded, *faces, registered=True), expected, atol=1e-3)


def test_a_real_pair(data: Path) -> None:
    onset, apex = (
        np.asarray(
            cv2.imread(str(data / f"pairs/006_006_1_2_{which}.png"), cv2.IMREAD_GRAYSCALE), np.uint8
        )
        for which in ("onset", "apex")
    )
    loaded = load(default_weights())
    for registered in (False, True):
        expected = on_cpu(loaded, (onset, apex), registered)
        found = on_tensors(loaded, (onset, apex), registered=registered)
        np.testing.assert_allclose(found[0], expected, atol=1e-3)


def test_real_faces_that_move(data: Path) -> None:
    if not (data / "composite").is_dir():
        pytest.skip("HTNET_DATA holds no composite")
    loaded = load(default_weights())
    faces = []
    for number, clip in enumerate(read_clips(data / "composite")[::30]):
        draw = np.random.default_rng(number)
        flow = published_field(read_map(clip.flow), draw.uniform(1, 4))
        crop = face_crop(read_apex(clip.apex), clip.to_map)
        faces.append(render_pair(crop, flow, draw.uniform(0, 4), draw))
    expected = [on_cpu(loaded, own, False) for own in faces]
    np.testing.assert_allclose(on_tensors(loaded, *faces), expected, atol=1e-3)


def test_the_solver_is_one_that_runs_on_tensors() -> None:
    loaded = load(default_weights())
    assert loaded.spec.flows[0] == "dis"
    assert PairRecognizer(loaded).flow == "farneback"
    assert PairRecognizer(loaded, flow="tvl1").flow == "tvl1"
    with pytest.raises(UsageError, match=r"on tensors \(farneback, tvl1\); got 'dis'"):
        PairRecognizer(loaded, flow="dis")
    spec = PreprocessSpec(flows=("dis",))
    alone = Loaded(loaded.network, loaded.name, loaded.config, spec, {})
    with pytest.raises(UsageError, match="they have none"):
        PairRecognizer(alone)


@pytest.fixture(scope="module")
def exported() -> ExportedProgram:
    module = PairRecognizer(load(default_weights()), flow="farneback")
    return torch.export.export(module, inputs(made_up(0)))


@pytest.fixture
def quiet() -> Iterator[None]:
    """Ignore the exporter's warnings of missing packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.slow
def test_an_exported_graph_is_the_module(exported: ExportedProgram) -> None:
    for seed in (0, 1):
        found = exported.module()(*inputs(made_up(seed))).detach().numpy()
        np.testing.assert_allclose(
            found, on_tensors(load(default_weights()), made_up(seed)), atol=1e-6
        )


@pytest.mark.slow
def test_it_runs_in_onnx_runtime(exported: ExportedProgram, quiet: None) -> None:
    answers_as(exported, [on_tensors(load(default_weights()), made_up(seed)) for seed in (0, 1)])


@pytest.mark.slow
def test_tv_l1_runs_in_onnx_runtime(quiet: None) -> None:
    """Loops are exported as loops; few iterations, since each costs the exporter a second."""
    module = PairRecognizer(load(default_weights()), flow="tvl1")
    module.solver = TensorTVL1(scales=1, warps=2, first=6, iterations=4).eval()
    with torch.inference_mode():
        expected = [module(*inputs(made_up(seed))).numpy() for seed in (0, 1)]
    answers_as(torch.export.export(module, inputs(made_up(0))), expected)


def answers_as(exported: ExportedProgram, expected: list[F32]) -> None:
    """Check that the graph gives ``expected`` for the first pairs in ONNX Runtime."""
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    # Unoptimised: ONNX Runtime does that too, and in a second.
    program = torch.onnx.export(
        exported,
        inputs(made_up(0)),
        dynamo=True,
        opset_version=20,
        optimize=False,
        verbose=False,
        input_names=["onset", "apex", "centres"],
        output_names=["probabilities"],
    )
    assert program is not None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for seed, wanted in enumerate(expected):
        feed = zip(("onset", "apex", "centres"), inputs(made_up(seed)), strict=True)
        (found,) = session.run(None, {name: value.numpy() for name, value in feed})
        np.testing.assert_allclose(found, wanted, atol=1e-4)
