"""Passes through a footage, judged by several processes until their time is over."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

import cv2
import torch

from htnet.calib.evaluation.injected import judge_played
from htnet.calib.probe.shared_footage import SharedFootage
from htnet.engine.errors import EngineError, HTNetError
from htnet.engine.face.tracker import open_tracker
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.injection.footage import Pass, PassConfig
from htnet.engine.synth.injection.movement import Injected
from htnet.engine.types import F32
from htnet.realtime.signals import outlive_signals
from htnet.training.spotting.records import Video

_GRACE_S: Final = 3.0  # for what was played of a pass to be judged
_TOLD_EVERY_NS: Final = 1_000_000_000
_LISTEN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class DrawnPass:
    """A pass without its footage; ``kinds`` of its movements."""

    config: PassConfig
    movements: tuple[Injected, ...]
    blinks: tuple[TimeCourse, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Configuration of the judging live path. ``least``: (8,) px, thresholds of the profile."""

    least: F32
    model: Path | None = None
    flow: str | None = None
    landmarker: Path | None = None


@dataclass(frozen=True, slots=True)
class _Played:
    """Progress of pass ``number``."""

    number: int
    seconds: float


def judge_passes(
    footage: SharedFootage,
    passes: Sequence[DrawnPass],
    config: LiveConfig,
    *,
    workers: int,
    until: float,
    progress: Callable[[float], None],
) -> list[Video]:
    """Judge passes until `time.monotonic` reaches ``until``, and return what is judged by then.

    ``progress``: receives the share that is done, 0 to 1. Raises the error of a process,
    and `EngineError` where processes have ended before anything was judged.
    """
    context = get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // workers)
    processes: list[SpawnProcess] = []
    pipes: list[Connection] = []
    try:
        for first in range(workers):
            ours, theirs = context.Pipe()
            pipes.append(ours)
            own = tuple(enumerate(passes))[first::workers]
            processes.append(
                context.Process(
                    target=_judge,
                    args=(theirs, footage, own, config, threads),
                    name="htnet-probe",
                    daemon=True,
                )
            )
            processes[-1].start()
            theirs.close()
        videos = _hear(pipes, [each.config.seconds for each in passes], until, progress)
        if not videos:
            _require_running(processes)
        return videos
    finally:
        for process in processes:
            process.kill()
            process.join()
        for pipe in pipes:
            pipe.close()


def _hear(
    pipes: Sequence[Connection],
    lengths_s: Sequence[float],
    until: float,
    progress: Callable[[float], None],
) -> list[Video]:
    """Collect the videos that the processes send until they end or time is over."""
    videos: list[Video] = []
    played_s = dict.fromkeys(range(len(lengths_s)), 0.0)
    began, open_pipes, stopped = time.monotonic(), list(pipes), False
    grace_s = min(_GRACE_S, (until - began) / 4)
    while open_pipes and (left_s := until - time.monotonic()) > 0:
        if left_s <= grace_s and not stopped:
            stopped = True
            for pipe in open_pipes:
                with contextlib.suppress(OSError):
                    pipe.send("stop")
        ready = wait(open_pipes, timeout=min(left_s, _LISTEN_S))
        for pipe in [each for each in open_pipes if each in ready]:
            try:
                message: Any = pipe.recv()
            except (EOFError, ConnectionError):
                open_pipes.remove(pipe)
                continue
            if isinstance(message, HTNetError):
                raise message
            if isinstance(message, Video):
                videos.append(message)
            else:
                played_s[message.number] = message.seconds
        spent = (time.monotonic() - began) / (until - began)
        progress(min(1.0, max(spent, sum(played_s.values()) / sum(lengths_s))))
    return videos


def _require_running(processes: Sequence[SpawnProcess]) -> None:
    """Raise `EngineError` where one has ended by itself."""
    wait([process.sentinel for process in processes], timeout=_LISTEN_S)
    for process in processes:
        if process.exitcode:
            raise EngineError(
                "expected the processes that judge injected movements to run; got one that ended "
                f"(exit code {process.exitcode}): close other programs, since memory may be short, "
                "and calibrate again."
            )


def _judge(
    pipe: Connection,
    shared: SharedFootage,
    passes: Sequence[tuple[int, DrawnPass]],
    config: LiveConfig,
    threads: int,
) -> None:
    """Judge numbered passes in turn; send progress, each `Video`, or the error."""
    outlive_signals()
    # MediaPipe writes to stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    footage, _memory = shared.open()
    with contextlib.suppress(ConnectionError):
        try:
            recognizer = open_recognizer(config.model, flow=config.flow, runtime="torch")
            for number, drawn in passes:
                if pipe.poll():
                    break
                video, _, _ = judge_played(
                    Pass(footage, drawn.config, drawn.movements, drawn.blinks),
                    drawn.kinds,
                    open_tracker(config.landmarker),
                    recognizer,
                    least=config.least,
                    go_on=_Teller(pipe, number),
                )
                pipe.send(video)
        except HTNetError as error:
            pipe.send(error)


class _Teller:
    """Reports the progress of a pass once a second; any message from the parent stops the pass."""

    def __init__(self, pipe: Connection, number: int) -> None:
        self._pipe = pipe
        self._number = number
        self._told_ns = 0

    def __call__(self, t_ns: int) -> bool:
        """Return True while the pass is to go on."""
        if t_ns - self._told_ns >= _TOLD_EVERY_NS:
            self._told_ns = t_ns
            self._pipe.send(_Played(self._number, t_ns / 1e9))
        return not self._pipe.poll()
