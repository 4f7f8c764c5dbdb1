"""From a pair of aligned faces to what HTNet says of it."""

from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from htnet.engine.errors import DependencyError, UsageError
from htnet.engine.flow import FlowSolver, solver_named
from htnet.engine.motion import PairMotion, measure_motion
from htnet.engine.preprocess import CROP_HEIGHT, CROP_WIDTH, flow_map, network_input
from htnet.engine.regions import region_centres
from htnet.engine.types import F32, UNCERTAIN, Pair, Prediction
from htnet.engine.weights import Loaded


class Recognizer:
    """A network behind the preprocessing its weights were trained with.

    ``flow`` names a solver among the weights' own; the first of them where it is None. Below
    ``uncertain_below`` the highest probability is no answer, and the label is "uncertain".
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        flow: str | None = None,
        device: str = "cpu",
        uncertain_below: float = 0.4,
    ) -> None:
        self.spec = loaded.spec
        name = flow or loaded.spec.flows[0]
        if name not in loaded.spec.flows:
            raise UsageError(
                f"expected a flow solver these weights were trained for "
                f"({', '.join(loaded.spec.flows)}); got {name!r}."
            )
        self._device = torch_device(device)
        self.solver: FlowSolver = solver_named(name, device)
        self._network: nn.Module = loaded.network.to(self._device)
        self._uncertain_below = uncertain_below
        self._scale = np.array([CROP_WIDTH, CROP_HEIGHT], np.float32)

    def measure(self, pair: Pair, *, registered: bool = False) -> PairMotion:
        """How the face moved from the pair's onset to its apex."""
        return measure_motion(pair, self.solver, registered=registered)

    def predict(self, flow: F32, landmarks: F32) -> Prediction:
        """The answer for a flow (170, 140, 2) and the apex's landmarks (478, 2), crop px."""
        return self.predict_map(flow_map(flow, self.spec.size), landmarks / self._scale)

    def predict_map(self, map_: F32, landmarks: F32) -> Prediction:
        """The answer for a map (size, size, 3) = u, v, strain; landmarks as fractions of it."""
        x = network_input(map_, region_centres(landmarks), self.spec)
        with torch.inference_mode():
            batch = torch.from_numpy(x)[None].to(self._device)
            logits = self._network(batch)[0].float() / self.spec.temperature
            probabilities = torch.softmax(logits, dim=0).tolist()
        return self.answer(dict(zip(self.spec.classes, probabilities, strict=True)))

    def answer(self, probabilities: dict[str, float]) -> Prediction:
        """The label that ``probabilities`` stand for."""
        best = max(probabilities, key=probabilities.__getitem__)
        label = best if probabilities[best] >= self._uncertain_below else UNCERTAIN
        return Prediction(label, MappingProxyType(probabilities))


def torch_device(name: str) -> torch.device:
    """The torch device called ``name``; raises where there is none such on this machine."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # what is on "meta" has no value to read
    except (RuntimeError, AssertionError, ImportError) as error:
        # Torch goes on to list every backend it has.
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise DependencyError(
            f"expected a device that torch can use; {name!r} is not one here ({reason}): "
            "use --device cpu."
        ) from None
    return device
