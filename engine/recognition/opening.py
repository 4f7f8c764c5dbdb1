"""A recognizer as it is asked for: weights, flow solver, device, runtime and precision."""

from collections.abc import Callable
from pathlib import Path

import cv2
import torch

from htnet.engine.flow.device import TENSOR_SOLVERS
from htnet.engine.models.weights import default_weights, load
from htnet.engine.recognition.recognizer import Recognizer, own_flow, torch_device
from htnet.engine.runtimes.graph import network_graph, pair_graph
from htnet.engine.runtimes.select import AUTO, device_for, open_runtime


def open_recognizer(
    model: Path | None = None,
    *,
    flow: str | None = None,
    device: str = "cpu",
    runtime: str = AUTO,
    precision: str = "fp32",
    say: Callable[[str], None] = print,
) -> Recognizer:
    """The recognizer of a weights file (default: the one that ships).

    On a CPU OpenCV measures the flow and the runtime runs the network. On another device one graph
    does everything, if a solver that the weights know runs on tensors; it is taken unless ``flow``
    names another. Raises `UsageError`, `WeightsError`, `DependencyError` or `EngineError`.
    """
    # One small pair at a time: more threads mostly wait for each other, and tracking the next face
    # needs the other core.
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
