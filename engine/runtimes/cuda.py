"""CUDA checks shared by the two TensorRT runtimes."""

import torch

from htnet.engine.errors import EngineError
from htnet.engine.runtimes import Availability


def gpu_availability(name: str, version: str, without_gpu: str) -> Availability:
    """Availability of an installed runtime that needs a GPU.

    ``version``: reported where torch finds a GPU; ``without_gpu``: reported where it finds none.
    """
    if torch.cuda.is_available():
        return Availability(name, True, version)
    remedy = "run on a machine with an NVIDIA GPU and its driver"
    return Availability(name, False, without_gpu, remedy)


def require_cuda(device: str, library: str) -> None:
    """Raise `EngineError` unless ``device`` is CUDA and torch finds a GPU for ``library``."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise EngineError(
            f"expected a CUDA GPU for {library}; torch finds none as {device!r}: install "
            "NVIDIA's driver and a torch for CUDA, or use --runtime torch."
        )
