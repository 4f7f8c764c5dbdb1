"""Replays of whole videos: with a pipeline that is stood in for, and with the real one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from htnet.calib.evaluation.replay import replay
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.models.weights import default_weights, load
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.synth.demo import DemoConfig, render_demo
from htnet.engine.types import Event, Frame, State, Tick
from htnet.realtime.pipeline import Pipeline

PICTURE = np.zeros((4, 4, 3), np.uint8)


def frames(count: int, fps: float) -> Iterator[Frame]:
    return (Frame(i, round(i * 1e9 / fps), PICTURE) for i in range(count))


def event(number: int, stage: str, rejected: str | None = None) -> Event:
    return Event(number, stage, "micro", "surprise", {}, 0, 1, 2, 1.0, rejected)


class Script:
    """A pipeline that tells what it is given for a frame, and has never seen a face."""

    def __init__(self, told: dict[int, tuple[Event, ...]], last: tuple[Event, ...] = ()) -> None:
        self._told = told
        self._last = last

    def step(self, frame: Frame) -> Tick:
        told = self._told.get(frame.index, ())
        return Tick(frame, None, None, None, State.NO_FACE, None, None, told)

    def finish(self) -> tuple[Event, ...]:
        return self._last


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 200.0])
def test_every_report_has_the_time_of_its_frame(fps: float) -> None:
    told = {3: (event(1, "provisional"),), 7: (event(1, "final"), event(2, "final", "blink"))}
    script = Script(told, (event(3, "final", "source ended"),))
    own = replay(frames(11, fps), script)  # type: ignore[arg-type]
    at = [(r.event.id, r.event.stage, r.told_ns) for r in own.reports]
    assert at == [
        (1, "provisional", round(3e9 / fps)),
        (1, "final", round(7e9 / fps)),
        (2, "final", round(7e9 / fps)),
        (3, "final", round(10e9 / fps)),
    ]
    assert own.reports[2].event.rejected == "blink"
    assert (own.frames, own.faceless) == (11, 11)
    assert own.fps == pytest.approx(fps)
    assert own.seconds == pytest.approx(11 / fps)


def test_lost_frames_do_not_change_the_rate_but_the_time() -> None:
    kept = [frame for frame in frames(100, 30) if frame.index not in (20, 21, 22, 50)]
    own = replay(kept, Script({}))  # type: ignore[arg-type]
    assert own.frames == 96
    assert own.fps == pytest.approx(30, rel=1e-6)
    assert own.seconds == pytest.approx(100 / 30)


def test_no_frames_and_one() -> None:
    assert replay([], Script({})).frames == 0  # type: ignore[arg-type]
    one = replay(frames(1, 30), Script({}))  # type: ignore[arg-type]
    assert (one.frames, one.seconds, one.fps) == (1, 0, 0)


def test_whoever_asks_sees_every_tick() -> None:
    seen: list[int] = []
    script: Any = Script({})
    replay(frames(5, 30), script, lambda tick: seen.append(tick.frame.index))
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_a_replay_tells_what_live_tells() -> None:
    recognizer = Recognizer(load(default_weights()))
    clip = render_demo(DemoConfig(seed=0))
    shown = [clip.frame(i) for i in range(150)]
    pipeline = Pipeline(MeshTracker(), recognizer)
    expected = [(e.row(), frame.t_ns) for frame in shown for e in pipeline.step(frame).events]
    expected += [(e.row(), shown[-1].t_ns) for e in pipeline.finish()]
    pipeline.close()
    pipeline = Pipeline(MeshTracker(), recognizer)
    own = replay(shown, pipeline)
    pipeline.close()
    assert [(r.event.row(), r.told_ns) for r in own.reports] == expected
    assert any(r.event.stage == "provisional" for r in own.reports)
    assert own.faceless == 0
