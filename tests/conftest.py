import os
from pathlib import Path

import pytest
import torch

# The command sets both before its first capture and its first pair; a test may come before it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; it is licensed, so it is not part of the repository."""
    folder = os.environ.get("HTNET_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HTNET_DATA names no folder of real data")
    return Path(folder)
