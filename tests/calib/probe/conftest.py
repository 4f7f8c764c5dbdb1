"""What a probe is made of, without a camera: a portrait at rest."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from htnet.calib.probe.keeper import FaceKeeper
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.injection.footage import Footage
from htnet.engine.types import F32, U8, Face, Frame, State, Tick
from htnet.realtime.profiles.profile import Profile, Rest

Filmed = Callable[..., Iterator[Tick]]
PORTRAIT = load_portrait()


def portrait(light: float = 1.0) -> Iterator[U8]:
    """The portrait that ships, with a camera's noise; the same twenty pictures again and again."""
    rng = np.random.default_rng(0)
    clean = PORTRAIT.bgr * np.float32(light)
    noisy = [clean + rng.normal(0, 1.5, (*clean.shape[:2], 1)) for _ in range(20)]
    pictures = [np.clip(np.rint(each), 0, 255).astype(np.uint8) for each in noisy]
    while True:
        yield from pictures


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
def profile() -> Profile:
    rest = dict.fromkeys(MUSCLE_NAMES, Rest(0.02, 0.05))
    return Profile(
        "desk", "2026-03-01T00:00:00", "camera 0", (9, 9), 30.0, 0.0, 2.0, None, rest, 1.5, 0.12
    )


@pytest.fixture
def footage(filmed: Filmed) -> Footage:
    """Two seconds of a face at rest."""
    keeper = FaceKeeper()
    for index, tick in enumerate(filmed(63)):
        keeper.take(tick, index > 1)
    return keeper.footage("camera 0")
