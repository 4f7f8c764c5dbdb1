"""Footage in shared memory: several processes read its pictures without copying them."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np

from htnet.engine.errors import EngineError
from htnet.engine.synth.injection.footage import Footage
from htnet.engine.types import U8

_LINUX = Path("/dev/shm")  # containers often have little of it, and writing past its end kills


@dataclass(frozen=True, slots=True)
class SharedFootage:
    """``footage`` without its pictures; these are the ``shape`` (N, H, W, 3) in ``memory``."""

    footage: Footage
    shape: tuple[int, ...]
    memory: str

    def open(self) -> tuple[Footage, SharedMemory]:
        """Return the footage and its memory, which the caller holds while the footage is used."""
        memory = SharedMemory(self.memory)
        pictures: U8 = np.ndarray(self.shape, np.uint8, memory.buf)
        return replace(self.footage, pictures=list(pictures)), memory


@contextmanager
def shared(footage: Footage) -> Iterator[SharedFootage]:
    """Copy the pictures into shared memory; it is freed in the end.

    Raises `EngineError` where the system has no room for them.
    """
    shape = (len(footage.pictures), *footage.pictures[0].shape)
    size = math.prod(shape)
    if _LINUX.is_dir() and (free := shutil.disk_usage(_LINUX).free) < size:
        raise EngineError(
            f"expected {size / 1e6:.0f} MB of shared memory for the probe; got {free / 1e6:.0f} in "
            f"{_LINUX}: enlarge it, in a container with --shm-size 1g."
        )
    memory = SharedMemory(create=True, size=size)
    try:
        np.stack(footage.pictures, out=np.ndarray(shape, np.uint8, memory.buf))
        lent = SharedFootage(replace(footage, pictures=()), shape, memory.name)
        del footage  # whoever has no other use for the pictures lets them go
        yield lent
    finally:
        memory.close()
        memory.unlink()
