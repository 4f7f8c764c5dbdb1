"""Recognizer: the weights' own preprocessing, and uncertain answers."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from htnet.engine.errors import DependencyError, UsageError
from htnet.engine.face.alignment import as_crop, canonical_landmarks
from htnet.engine.face.regions import region_centres
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, network_input
from htnet.engine.motion.region_motion import PairMotion
from htnet.engine.recognition.recognizer import Recognizer, torch_device
from htnet.engine.runtimes.graph import pair_graph
from htnet.engine.runtimes.pytorch import PyTorch
from htnet.engine.types import UNCERTAIN, Pair


class Fixed(nn.Module):
    """Network with constant logits that records its inputs."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.register_buffer("logits", torch.tensor(logits))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.logits.expand(len(x), -1)


def loaded(*logits: float, **spec: object) -> Loaded:
    return Loaded(Fixed(*logits), "fixed", None, PreprocessSpec(**spec), {})


def flow() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(170, 140, 2)).astype(np.float32)
    return 8 * cv2.GaussianBlur(noise, (0, 0), 8)


def moved() -> PairMotion:
    return PairMotion(flow(), np.zeros(4), {})


def some_pair() -> Pair:
    noise = np.random.default_rng(1).normal(size=(170, 140))
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    gray = np.rint(128 + 40 * texture / texture.std()).clip(0, 255).astype(np.uint8)
    return Pair(as_crop(gray), as_crop(np.roll(gray, 1, axis=0)))


def test_probabilities_are_the_softmax_in_the_weights_own_classes() -> None:
    recognizer = Recognizer(loaded(0.5, 2.0, -1.0, classes=("a", "b", "c")))
    prediction = recognizer.predict(moved(), canonical_landmarks())
    expected = np.exp([0.5, 2, -1]) / np.exp([0.5, 2, -1]).sum()
    assert prediction.label == "b"
    assert list(prediction.probabilities) == ["a", "b", "c"]
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, rtol=1e-5)
    with pytest.raises(TypeError):
        prediction.probabilities["a"] = 1  # type: ignore[index]


def test_temperature_divides_the_logits() -> None:
    recognizer = Recognizer(loaded(0.5, 2.0, -1.0, temperature=2.5))
    found = recognizer.predict(moved(), canonical_landmarks()).probabilities
    expected = np.exp([0.2, 0.8, -0.4]) / np.exp([0.2, 0.8, -0.4]).sum()
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-5)


def test_the_network_is_given_what_the_spec_says() -> None:
    made = loaded(1, 0, 0, channels=("strain", "v", "u"), scaling="raw", region=10)
    landmarks = canonical_landmarks()
    Recognizer(made).predict(moved(), landmarks)
    centres = region_centres(landmarks / np.array([140, 170], np.float32))
    expected = network_input(flow_map(flow()), centres, made.spec)
    (seen,) = made.network.seen
    assert seen.shape == (1, 3, 20, 20) and not seen.requires_grad
    np.testing.assert_array_equal(seen[0].numpy(), expected)


@pytest.mark.parametrize(
    "logits, below, label",
    [
        ((0.1, 0.0, 0.0), 0.4, UNCERTAIN),
        ((0.1, 0.0, 0.0), 0.3, "negative"),
        ((0.0, 0.0, 0.5), 0.4, "surprise"),
        ((0.0, 9.0, 0.0), 1.1, UNCERTAIN),
        ((float("nan"), 0.0, 0.0), 0.4, UNCERTAIN),
    ],
)
def test_a_low_best_is_uncertain(logits, below, label) -> None:
    recognizer = Recognizer(loaded(*logits), uncertain_below=below)
    assert recognizer.predict(moved(), canonical_landmarks()).label == label


def test_the_threshold_itself_is_certain() -> None:
    recognizer = Recognizer(loaded(0, 0, 0), uncertain_below=0.4)
    assert recognizer.answer({"a": 0.4, "b": 0.35, "c": 0.25}).label == "a"
    assert recognizer.answer({"a": 0.39, "b": 0.36, "c": 0.25}).label == UNCERTAIN


def test_the_solver_is_the_weights_first_or_one_of_theirs() -> None:
    made = loaded(1, 0, 0, flows=("farneback", "dis"))
    assert Recognizer(made).solver.name == "farneback"
    assert Recognizer(made, flow="dis").solver.name == "dis"
    for other in ("tvl1", "raft"):
        with pytest.raises(UsageError, match=rf"trained for \(farneback, dis\); got '{other}'"):
            Recognizer(made, flow=other)


def test_a_solver_that_only_the_weights_know_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="a flow solver among dis, farneback, tvl1; got 'raft'"):
        Recognizer(loaded(1, 0, 0, flows=("raft",)))


@pytest.mark.parametrize("name", ["banana", "", "meta", "vulkan", "privateuseone", "cuda:4711"])
def test_an_impossible_device_is_a_sentence(name: str) -> None:
    with pytest.raises(DependencyError, match=r"^expected a device .*: use --device cpu\.$") as e:
        Recognizer(loaded(1, 0, 0), device=name)
    assert repr(name) in str(e.value) and len(str(e.value)) < 400


def test_the_cpu_is_a_device() -> None:
    assert torch_device("cpu").type == "cpu"


def test_the_shipped_weights_answer_the_same_to_the_same_pair() -> None:
    recognizer = Recognizer(load(default_weights()))
    pair = some_pair()

    def answers(by: Recognizer) -> list[float]:
        measured = by.measure(pair)
        return list(by.predict(measured, pair.apex.landmarks).probabilities.values())

    first = answers(recognizer)
    recognizer.predict(moved(), canonical_landmarks())  # nothing is kept from one to the next
    assert answers(recognizer) == first
    assert answers(Recognizer(load(default_weights()))) == first
    assert sum(first) == pytest.approx(1, abs=1e-5)


def test_measuring_obeys_registered() -> None:
    recognizer, pair = Recognizer(loaded(1, 0, 0)), some_pair()
    assert float(np.hypot(*recognizer.measure(pair).head[:2])) == pytest.approx(1, abs=0.15)
    assert recognizer.measure(pair, registered=True).head.any() == 0


def test_a_flow_and_its_map_have_the_same_answer() -> None:
    shipped = load(default_weights())
    recognizer = Recognizer(replace(shipped, spec=replace(shipped.spec, temperature=1.7)))
    landmarks = canonical_landmarks()
    of_flow = recognizer.predict(moved(), landmarks)
    fractions = landmarks / np.array([140, 170], np.float32)
    of_map = recognizer.predict_map(flow_map(flow(), shipped.spec.size), fractions)
    assert of_flow.probabilities == of_map.probabilities


def test_a_whole_graph_measures_and_recognises_in_one_piece() -> None:
    shipped = load(default_weights())
    graph = pair_graph(shipped, flow="farneback", with_motion=True)
    both = Recognizer(shipped, flow="farneback", whole=PyTorch(graph))
    apart = Recognizer(shipped, flow="farneback")
    pair = some_pair()
    one, other = both.measure(pair), apart.measure(pair)
    assert one.probabilities is not None and other.probabilities is None
    np.testing.assert_allclose(one.head, other.head, atol=1e-4)
    inner = np.s_[10:-10, 10:-10]
    np.testing.assert_allclose(one.flow[inner], other.flow[inner], atol=2e-3)
    for name, vector in other.regions.items():
        np.testing.assert_allclose(one.regions[name], vector, atol=1e-3)
    landmarks = pair.apex.landmarks
    answers = [r.predict(m, landmarks).probabilities for r, m in ((both, one), (apart, other))]
    np.testing.assert_allclose(*(list(answer.values()) for answer in answers), atol=1e-3)
    registered = both.measure(pair, registered=True)  # which the graph was not made for
    assert registered.probabilities is None and not registered.head.any()
