import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from htnet import cli
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.realtime.signals import signals_restored

Said = tuple[int, str, str]
Htnet = Callable[..., Said]

# The same examples in every run, so that a failure is one of the change under test.
# HYPOTHESIS_PROFILE=default draws new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# The command sets both before its first capture and its first pair; a test may come before it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
torch.set_num_threads(1)
# A shell's background job ignores Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The signals' handlers are those of before once a test has ended."""
    with signals_restored():
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; it is licensed, so it is not part of the repository."""
    folder = os.environ.get("HTNET_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HTNET_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def served() -> None:
    """The shipped weights' engine lies in the cache, so that no command says that it builds it."""
    open_recognizer(say=lambda sentence: None)


@pytest.fixture
def htnet(
    served: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Htnet:
    """Runs a command in this process; gives its exit code, stdout and stderr."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["htnet", *map(str, arguments)])
        code = 0
        with signals_restored():
            try:
                cli.main()
            except SystemExit as leaving:
                code = leaving.code if isinstance(leaving.code, int) else 1
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run
