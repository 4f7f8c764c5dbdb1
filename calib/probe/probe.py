"""`htnet calibrate --probe`: movements injected into what the camera has just seen, and judged.

The same is done to a video by ``htnet evaluate live --inject``. The movements are skin patches, so
that the muscle fit is not tested on its own muscles.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from htnet.calib.evaluation.injected import JudgedPass, draw_injection
from htnet.calib.evaluation.injected_scores import score_injected
from htnet.calib.evaluation.run import nothing
from htnet.calib.probe.judging import DrawnPass, LiveConfig, judge_passes
from htnet.calib.probe.obstacle import worst_obstacle
from htnet.calib.probe.shared_footage import shared
from htnet.engine.errors import EngineError, UsageError
from htnet.engine.synth.injection.footage import Footage
from htnet.engine.synth.injection.footage_motion import NEUTRAL_S, still
from htnet.engine.synth.injection.patch_movement import patch_movement
from htnet.engine.synth.injection.schedule import InjectionPlan
from htnet.realtime.profiles.probe import Probe, ProbedSize
from htnet.realtime.profiles.profile import Profile
from htnet.training.spotting.records import KINDS, Video

_PERCENT: Final = 100


def _plan() -> InjectionPlan:
    """Plan half a minute with a movement every four seconds: 28 in four passes."""
    return InjectionPlan(seconds=30.0, amplitudes_px=(1.0, 2.0), per_minute=(14.0, 14.0))


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """``passes`` of ``plan`` through the footage, at most ``workers`` at a time, judged within
    ``most_s`` of wall time. ``model``, ``flow``, ``landmarker``: as of ``live``."""

    plan: InjectionPlan = field(default_factory=_plan)
    passes: int = 4
    most_s: float = 55.0
    workers: int | None = None
    model: Path | None = None
    flow: str | None = None
    landmarker: Path | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """``probe``, for which ``judged`` of ``drawn`` movements were judged in ``seconds``."""

    probe: Probe
    judged: int
    drawn: int
    seconds: float

    def sentence(self) -> str:
        """Return the number of movements judged, and the remedy where that is not all of them."""
        more = ": close other programs for more" if self.judged < self.drawn else ""
        return f"{self.judged} of {self.drawn} movements judged in {self.seconds:.0f} s{more}."


def probe(
    profile: Profile,
    footage: Footage,
    config: ProbeConfig | None = None,
    progress: Callable[[int, int], None] = nothing,
) -> Probed:
    """Inject into ``footage``, the quiet seconds that ``profile`` was made of, and judge.

    ``progress``: receives per cent done, of 100. What is judged when time is over counts.
    Raises `UsageError` for a face that is nowhere at rest, and `EngineError` where nothing could be
    judged.
    """
    config = config or ProbeConfig()
    began = time.monotonic()
    if not still(footage).any():
        raise UsageError(
            f"expected {NEUTRAL_S:g} s of a neutral face from {footage.name}; got a mouth or brows "
            "that move throughout: calibrate again with your face at rest."
        )
    passes = [_draw(number, footage, config.plan) for number in range(config.passes)]
    drawn = sum(len(each.movements) for each in passes)
    live = LiveConfig(
        np.fromiter(profile.thresholds().values(), np.float32),
        config.model,
        config.flow,
        config.landmarker,
    )
    with shared(footage) as lent:
        del footage  # its pictures now lie in shared memory
        videos = judge_passes(
            lent,
            passes,
            live,
            workers=min(config.workers or os.cpu_count() or 1, config.passes),
            until=began + config.most_s,
            progress=lambda share: progress(round(_PERCENT * share), _PERCENT),
        )
    judged = sum(len(video.truth) for video in videos)
    if not judged:
        raise EngineError(
            f"expected movements to be judged within {config.most_s:g} s; got none so far: close "
            "other programs and calibrate again."
        )
    return Probed(probe_of(profile, videos), judged, drawn, time.monotonic() - began)


def probe_of(profile: Profile, videos: Sequence[Video]) -> Probe:
    """Sum up judged passes: recall by size, false alarms, the worst obstacle."""
    own = score_injected(
        [JudgedPass(profile.camera, False, number, video) for number, video in enumerate(videos)]
    ).neutral
    alarms = sum(own.alarms_a_minute[kind] for kind in KINDS) * own.minutes
    sizes = tuple(ProbedSize(px, share.found, share.count) for px, share in own.recall.items())
    return Probe(sizes, round(alarms), round(own.minutes, 2), worst_obstacle(profile, videos))


def _draw(number: int, footage: Footage, plan: InjectionPlan) -> DrawnPass:
    played, kinds = draw_injection(np.random.default_rng(number), footage, plan, patch_movement)
    return DrawnPass(played.config, played.movements, played.blinks, kinds)
