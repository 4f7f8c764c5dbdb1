"""Atomic files: complete or absent, however the writing ends."""

import errno
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.errors import OutputError
from htnet.engine.files import (
    require_folder,
    write_array,
    write_atomic,
    write_json,
    write_text,
)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "x.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_private_file_and_the_advice_of_its_caller(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    write_atomic(path, b"mine", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    path.mkdir()
    with pytest.raises(OutputError, match=r"^expected to write .*x\.toml; got .*: make room\.$"):
        write_atomic(path, b"", remedy="make room")


@pytest.mark.parametrize("step", ["chmod", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(OutputError, match=r"x\.txt; got No space left on device: choose"):
        write_text(path, "new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_end_from_outside_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    during: list[str] = []

    def stop(part: str, _: Path) -> None:
        during.append(Path(part).name)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new")
    (part,) = during
    assert part.startswith(".x.txt.") and part.endswith(".part")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="expected to write"):
        write_json(tmp_path / "file" / "x.json", {})
    with pytest.raises(OutputError, match="expected a folder"):
        require_folder(tmp_path / "file" / "out")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="expected to write"):
        write_atomic(tmp_path / "folder", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@given(st.text())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    write_text(folder / "x.txt", text)
    assert (folder / "x.txt").read_bytes().decode() == text
    write_json(folder / "x.json", {"text": text})
    assert json.loads((folder / "x.json").read_text(encoding="utf-8")) == {"text": text}


def test_arrays(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    write_array(tmp_path / "x.npy", array)
    found = np.load(tmp_path / "x.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array)
