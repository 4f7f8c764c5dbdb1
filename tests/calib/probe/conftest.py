"""What a probe is made of, without a camera: a portrait at rest that an observer watches."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import numpy as np
import pytest

from htnet.calib.probe.keeper import FaceKeeper
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.injection.footage import Footage
from htnet.engine.types import F32, U8, Face, Frame, State, Tick
from htnet.realtime.profile import Profile, Rest

Filmed = Callable[..., Iterator[Tick]]
PORTRAIT = load_portrait()


class Watching:
    """An observer that is content from the third frame on, until ``trouble`` is set."""

    def __init__(self) -> None:
        self.seen = 0
        self.trouble: str | None = None

    @property
    def progress(self) -> float:
        return min(1.0, max(self.seen - 2, 0) / 1000)

    def take(self, tick: Tick) -> None:
        self.seen += 1

    def again(self) -> None:
        self.seen, self.trouble = 0, None

    def advice(self) -> str:
        return "get ready"

    def spoiled(self) -> str | None:
        return self.trouble

    def result(self, name: str, camera: str, made: datetime, locked: tuple[str, ...]) -> Profile:
        rest = dict.fromkeys(MUSCLE_NAMES, Rest(0.02, 0.05))
        return Profile(
            name, made.isoformat(), camera, (9, 9), 30.0, 0.0, 2.0, None, rest, 1.5, 0.12, locked
        )


def portrait(light: float = 1.0) -> Iterator[U8]:
    """The portrait that ships, with a camera's noise; the same twenty pictures again and again."""
    rng = np.random.default_rng(0)
    clean = PORTRAIT.bgr * np.float32(light)
    noisy = [clean + rng.normal(0, 1.5, (*clean.shape[:2], 1)) for _ in range(20)]
    pictures = [np.clip(np.rint(each), 0, 255).astype(np.uint8) for each in noisy]
    while True:
        yield from pictures


@pytest.fixture
def observer() -> Watching:
    return Watching()


@pytest.fixture
def filmed() -> Filmed:
    """Ticks of the portrait. ``faces``: landmarks of each, None for those without a face."""

    def film(
        count: int,
        fps: float = 30.0,
        light: float = 1.0,
        faces: Sequence[F32 | None] | None = None,
    ) -> Iterator[Tick]:
        given = faces or [PORTRAIT.landmarks] * count
        for index, (bgr, points) in enumerate(zip(portrait(light), given, strict=False)):
            face = None if points is None else Face(points, 0.3)
            frame = Frame(index, round(index * 1e9 / fps), bgr)
            yield Tick(frame, face, None, None, State.NO_FACE, None, None, ())

    return film


@pytest.fixture
def profile(observer: Watching) -> Profile:
    return observer.result("desk", "camera 0", datetime(2026, 3, 1), ())


@pytest.fixture
def footage(filmed: Filmed, observer: Watching) -> Footage:
    """Two seconds of a face at rest."""
    keeper = FaceKeeper(observer)
    for tick in filmed(63):
        keeper.take(tick)
    return keeper.footage("camera 0")
