"""Pairs of faces as graphs take them."""

import numpy as np
import pytest

from htnet.calib.engines.graph_inputs import FacePair, feeds, pictures
from htnet.engine.face.alignment import as_crop, canonical_landmarks
from htnet.engine.face.regions import region_centres
from htnet.engine.models.weights import default_weights, load
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.runtimes.graph import network_graph, pair_graph
from htnet.engine.types import Pair

FRACTIONS = (canonical_landmarks() / np.array([140, 170])).astype(np.float32)


def pairs(count: int) -> list[FacePair]:
    """Textures that have moved by a pixel or two."""
    import cv2

    made = []
    for seed in range(count):
        noise = np.random.default_rng(seed).normal(size=(200, 170))
        smooth = cv2.GaussianBlur(noise, (0, 0), 2)
        sheet = np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)
        apex = sheet[11 : 11 + 170, 11 + seed % 2 : 151 + seed % 2]
        made.append((sheet[10:180, 10:150].copy(), apex.copy(), region_centres(FRACTIONS)))
    return made


@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize("flow", ["dis", "farneback"])
def test_the_network_gets_what_the_recognizer_gives_it(flow: str, registered: bool) -> None:
    loaded = load(default_weights())
    recognizer = Recognizer(loaded, flow=flow)
    shown = pictures(loaded.spec, pairs(3), flow, registered=registered)
    found = recognizer.network(shown[:1])[0][0]
    onset, apex, _ = pairs(1)[0]
    crops = Pair(as_crop(onset), as_crop(apex))
    measured = recognizer.measure(crops, registered=registered)
    wanted = recognizer.predict(measured, canonical_landmarks()).probabilities
    np.testing.assert_allclose(found, list(wanted.values()), atol=1e-6)


def test_whole_batches_whatever_comes() -> None:
    loaded = load(default_weights())
    graph = pair_graph(loaded, flow="farneback", batch=2)
    given = pairs(3)
    first, last = feeds(graph, given)
    for feed in (first, last):
        assert {name: each.shape for name, each in feed.items()} == dict(graph.inputs)
        assert all(each.dtype == np.float32 for each in feed.values())
    assert np.array_equal(first["onset"][1, 0], given[1][0])
    assert np.array_equal(last["apex"][0, 0], given[2][1])
    assert np.array_equal(last["apex"][1], last["apex"][0])  # filled up
    network = network_graph(loaded, batch=2)
    (feed,) = feeds(network, given[:2])
    assert feed["pictures"].shape == network.inputs["pictures"]
    assert np.array_equal(feed["pictures"], pictures(loaded.spec, given[:2], loaded.spec.flows[0]))
    assert not list(feeds(network, []))
