"""Output paths: nothing that exists is lost unasked."""

import os
from pathlib import Path

import pytest

from htnet.engine.errors import UsageError
from htnet.realtime.sinks.outputs import OutputConfig
from htnet.realtime.sinks.paths import Existing, existing_by, holds_results, require_free, writable


def test_what_holds_results(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.touch()
    assert holds_results(file)
    assert not holds_results(folder)
    (folder / "frames.csv").touch()
    assert holds_results(folder)
    assert not holds_results(tmp_path / "none")
    assert not holds_results(Path(os.devnull))


def test_both_ways_round_at_once_are_refused() -> None:
    assert existing_by(append=False, overwrite=False) is Existing.REFUSE
    assert existing_by(append=True, overwrite=False) is Existing.APPEND
    assert existing_by(append=False, overwrite=True) is Existing.OVERWRITE
    with pytest.raises(UsageError, match="got both"):
        existing_by(append=True, overwrite=True)


def test_an_existing_output_is_refused_with_the_ways_round(tmp_path: Path) -> None:
    events, video, out = tmp_path / "e.csv", tmp_path / "v.mp4", tmp_path / "out"
    for path in (events, video):
        path.write_text("before")
    out.mkdir()
    (out / "session.json").touch()

    def free(option: str, path: Path, existing: Existing) -> None:
        require_free({option: path}, existing, appended=["--events"])

    with pytest.raises(UsageError, match="which exists: choose another, add to it with --append"):
        free("--events", events, Existing.REFUSE)
    with pytest.raises(UsageError, match="which exists: choose another, or replace it"):
        free("--overlay-video", video, Existing.REFUSE)
    with pytest.raises(UsageError, match=r"only \.jsonl and \.csv can be appended"):
        free("--overlay-video", video, Existing.APPEND)
    with pytest.raises(UsageError, match="which exists"):
        free("--out", out, Existing.REFUSE)
    free("--events", events, Existing.APPEND)
    for existing in Existing:
        free("--events", tmp_path / "new.csv", existing)
        free("--events", Path(os.devnull), existing)
    for path in (events, video):
        free("--events", path, Existing.OVERWRITE)
        assert path.read_text() == "before"


def test_two_outputs_and_an_input_are_files_of_their_own(tmp_path: Path) -> None:
    clip, link = tmp_path / "clip.mp4", tmp_path / "link.mp4"
    clip.touch()
    link.symlink_to(clip)
    for path in (clip, link):
        with pytest.raises(UsageError, match="reads or writes already"):
            require_free({"--events": path}, Existing.OVERWRITE, taken=[clip])
    same = tmp_path / "same.csv"
    with pytest.raises(UsageError, match="--explain; got"):
        require_free({"--events": same, "--explain": tmp_path / "." / "same.csv"})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_opened_to_see_if_it_can_be(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert writable(pipe, "--events") == pipe
    OutputConfig(events=pipe).require()


@pytest.mark.parametrize("name", ["e.eaf", "e.vtt", "e.boris", "e.json"])
def test_what_is_written_whole_cannot_be_appended_to(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="written whole"):
        OutputConfig(events=tmp_path / name, existing=Existing.APPEND).require()
    OutputConfig(events=tmp_path / name, existing=Existing.OVERWRITE).require()
    assert not list(tmp_path.iterdir())
