"""Module from a pair of faces to probabilities: flow, map, regions and network in one graph."""

import torch
from torch import Tensor, nn

from htnet.engine.errors import UsageError
from htnet.engine.flow.device import TENSOR_SOLVERS, tensor_solver
from htnet.engine.models.weights import Loaded
from htnet.engine.motion.preprocess_torch import flow_map, network_input, remove_rigid, rigid_motion


class PairRecognizer(nn.Module):
    """Path of `htnet.engine.recognition.recognizer.Recognizer` on tensors of static shapes.

    `torch.export` and ONNX can export it as one graph.

    ``flow``: a solver among the weights' own that runs on tensors, by default the first such.
    ``registered``: the crops are registered already; otherwise the head's motion is measured and
    removed, as in `measure_motion`.
    ``with_motion``: also return the flow without head motion and the head motion.
    Raises `UsageError` for another solver.

    With Farneback it agrees with OpenCV's CPU path to 1e-3, except on two identical pictures, whose
    flow is rounding at the border. TV-L1 has no such counterpart, since OpenCV's is not
    reproducible to that accuracy (see `htnet.engine.flow.tvl1`).
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        flow: str | None = None,
        registered: bool = False,
        with_motion: bool = False,
    ) -> None:
        super().__init__()
        able = [name for name in loaded.spec.flows if name in TENSOR_SOLVERS]
        name = flow or next(iter(able), None)
        if name not in able:
            raise UsageError(
                "expected a flow solver that these weights were trained for and that runs on "
                f"tensors ({', '.join(able) or 'they have none'}); got {name!r}."
            )
        self.flow = name
        self.spec = loaded.spec
        self.registered = registered
        self.with_motion = with_motion
        self.solver = tensor_solver(name)
        self.network = loaded.network
        self.eval()

    def forward(
        self, onset: Tensor, apex: Tensor, centres: Tensor
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Return probabilities (B, classes) in the order of the spec's ``classes``.

        With motion also the flow (B, 2, 170, 140) in px and the head's (tx, ty, s, r) (B, 4).
        ``onset``, ``apex``: gray crops (B, 1, 170, 140) in 0..255. ``centres``: (B, 4, 2),
        `region_centres` as fractions of the crop's width and height.
        """
        flow = self.solver(onset.float(), apex.float())
        if self.registered:
            head = flow.new_zeros(len(flow), 4)
        else:
            head = rigid_motion(flow)
            flow = remove_rigid(flow, head)
        pictures = network_input(flow_map(flow, self.spec.size), centres, self.spec)
        answer = torch.softmax(self.network(pictures) / self.spec.temperature, dim=-1)
        return (answer, flow, head) if self.with_motion else answer
