"""Pictures that processes share: seen whole, dropped in the end, refused where there is no room."""

import shutil
from collections import namedtuple
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest

from htnet.calib.probe import shared_footage
from htnet.calib.probe.shared_footage import shared
from htnet.engine.errors import EngineError
from htnet.engine.synth.injection.footage import Footage

Usage = namedtuple("Usage", "total used free")


def test_the_same_pictures_are_seen_and_dropped(footage: Footage) -> None:
    with shared(footage) as lent:
        assert lent.footage.pictures == ()
        seen, memory = lent.open()
        np.testing.assert_array_equal(np.stack(seen.pictures), np.stack(footage.pictures))
        assert seen.name == footage.name and seen.noise == footage.noise
        del seen
        memory.close()
    with pytest.raises(FileNotFoundError):
        SharedMemory(lent.memory)


def test_they_are_dropped_where_something_fails(footage: Footage) -> None:
    with pytest.raises(KeyboardInterrupt), shared(footage) as lent:
        raise KeyboardInterrupt
    with pytest.raises(FileNotFoundError):
        SharedMemory(lent.memory)


def test_no_room_is_a_sentence(
    footage: Footage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shared_footage, "_LINUX", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 0, 10**6))
    with (
        pytest.raises(EngineError, match=r"MB of shared memory .*; got 1 in .*: enlarge it"),
        shared(footage),
    ):
        pass
