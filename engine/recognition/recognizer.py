"""Recognizer: a pair of aligned faces to class probabilities."""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import torch

from htnet.engine.errors import DependencyError, UsageError
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.face.regions import region_centres
from htnet.engine.flow import FlowSolver, solver_named
from htnet.engine.flow.device import TENSOR_SOLVERS
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, network_input
from htnet.engine.motion.region_motion import PairMotion, measure_motion, region_motion
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import network_graph, pair_graph
from htnet.engine.runtimes.pytorch import PyTorch
from htnet.engine.runtimes.select import AUTO, device_for, open_runtime
from htnet.engine.types import F32, UNCERTAIN, Pair, Prediction


class Recognizer:
    """Network with the preprocessing that its weights were trained with.

    ``flow``: a solver among the weights' own, by default the first of them.
    ``device``: of the tensor solvers and of PyTorch.
    ``network``: runtime of the weights' network (`network_graph`), by default PyTorch.
    ``whole``: runtime of the whole path from a pair to probabilities (`pair_graph` with motion); it
    is used for pairs whose ``registered`` is the graph's.
    ``uncertain_below``: probability below which the label is "uncertain".
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        flow: str | None = None,
        device: str = "cpu",
        network: Runtime | None = None,
        whole: Runtime | None = None,
        uncertain_below: float = 0.4,
    ) -> None:
        self.spec = loaded.spec
        self.model = loaded.name
        self.solver: FlowSolver = solver_named(own_flow(loaded.spec, flow), device)
        self.whole = whole
        if network is None and whole is None:
            network = PyTorch(network_graph(loaded), str(torch_device(device)))
        self._network = network
        self._loaded, self._device = loaded, device
        self._uncertain_below = uncertain_below
        self._scale = np.array([CROP_WIDTH, CROP_HEIGHT], np.float32)

    @property
    def network(self) -> Runtime:
        """Runtime of the network alone.

        Beside a whole graph it is made at first use, since a GPU would hold the weights twice.
        """
        if self._network is None:
            self._network = PyTorch(network_graph(self._loaded), str(torch_device(self._device)))
        return self._network

    def __str__(self) -> str:
        """Return network, flow solver and runtime in words."""
        ran = self.whole or self.network
        return (
            f"{self.model}, flow {self.solver.name}, runtime {ran.name} ({ran.precision}, "
            f"{ran.device})"
        )

    def measure(self, pair: Pair, *, registered: bool = False) -> PairMotion:
        """Measure the motion from the pair's onset to its apex; see `measure_motion`."""
        if self.whole is None or self.whole.registered != registered:
            return measure_motion(pair, self.solver, registered=registered)
        faces = (face.gray[None, None] for face in (pair.onset, pair.apex))
        centres = region_centres(pair.apex.landmarks / self._scale)[None]
        answer, flow, head = self.whole(*faces, centres)
        moved = np.ascontiguousarray(flow[0].transpose(1, 2, 0))
        regions = region_motion(moved, pair.apex.landmarks)
        return PairMotion(moved, head[0].astype(np.float64), regions, answer[0])

    def predict(self, measured: PairMotion, landmarks: F32) -> Prediction:
        """Classify a measured motion; ``landmarks``: (478, 2) of the apex, crop px."""
        if measured.probabilities is not None:
            return self._named(measured.probabilities)
        return self.predict_map(flow_map(measured.flow, self.spec.size), landmarks / self._scale)

    def predict_map(self, map_: F32, landmarks: F32) -> Prediction:
        """Classify a map (size, size, 3) = u, v, strain; ``landmarks``: fractions of the crop."""
        x = network_input(map_, region_centres(landmarks), self.spec)
        (answer,) = self.network(x[None])
        return self._named(answer[0])

    def answer(self, probabilities: dict[str, float]) -> Prediction:
        """Return the most probable label, or "uncertain" below the threshold."""
        best = max(probabilities, key=probabilities.__getitem__)
        label = best if probabilities[best] >= self._uncertain_below else UNCERTAIN
        return Prediction(label, MappingProxyType(probabilities))

    def _named(self, probabilities: F32) -> Prediction:
        return self.answer(dict(zip(self.spec.classes, probabilities.tolist(), strict=True)))


def own_flow(spec: PreprocessSpec, name: str | None) -> str:
    """Return the name of the flow solver: ``name``, by default the spec's first.

    Raises `UsageError` for one that the weights were not trained for.
    """
    if name is not None and name not in spec.flows:
        raise UsageError(
            f"expected a flow solver these weights were trained for "
            f"({', '.join(spec.flows)}); got {name!r}."
        )
    return name or spec.flows[0]


def torch_device(name: str) -> torch.device:
    """Return the torch device called ``name``; raises `DependencyError` where torch has none."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # a tensor on "meta" has no value to read
    except (RuntimeError, AssertionError, ImportError) as error:
        # After the first sentence torch lists every backend.
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise DependencyError(
            f"expected a device that torch can use; {name!r} is not one here ({reason}): "
            "use --device cpu."
        ) from None
    return device


def open_recognizer(
    model: Path | None = None,
    *,
    flow: str | None = None,
    device: str = "cpu",
    runtime: str = AUTO,
    precision: str = "fp32",
    say: Callable[[str], None] = print,
) -> Recognizer:
    """Open the recognizer of a weights file, by default the one that ships.

    On a CPU, OpenCV computes the flow and the runtime runs the network. On another device, one
    graph does both where a solver of the weights runs on tensors; that solver is preferred unless
    ``flow`` names another. ``say`` is given notices. Raises `UsageError`, `WeightsError`,
    `DependencyError` or `EngineError`.
    """
    # One thread each: the pictures are small, and the face tracker needs the other cores.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    loaded = load(model or default_weights(), say=say)
    device = str(torch_device(device_for(runtime, device)))
    on_cpu = torch.device(device).type == "cpu"
    name = own_flow(loaded.spec, flow)
    if flow is None and not on_cpu:
        name = next((each for each in loaded.spec.flows if each in TENSOR_SOLVERS), name)
    if on_cpu or name not in TENSOR_SOLVERS:
        graph = network_graph(loaded, precision=precision)
        network = open_runtime(runtime, graph, device, say)
        return Recognizer(loaded, flow=name, device=device, network=network)
    graph = pair_graph(loaded, flow=name, precision=precision, with_motion=True)
    whole = open_runtime(runtime, graph, device, say)
    return Recognizer(loaded, flow=name, device=device, whole=whole)
