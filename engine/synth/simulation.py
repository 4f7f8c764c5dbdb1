"""Simulation: a plan and a portrait to frames with ground truth."""

from collections.abc import Iterator

import numpy as np

from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.synth.camera.codec import Codec, Format, compressed
from htnet.engine.synth.camera.frame_timing import Timing
from htnet.engine.synth.camera.sensor import Glare, LampFlicker, Sensor
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import Portrait
from htnet.engine.synth.schedule.ground_truth import Truth
from htnet.engine.synth.schedule.plan import Plan
from htnet.engine.synth.schedule.sampler import draw_schedule
from htnet.engine.types import F32, U8, Frame


class Simulation:
    """Simulated video of a plan, with its ground truth and its clean frames.

    Everything random is drawn at construction from the plan and ``seed``, by default the plan's.
    Equal plan, portrait and seed give the same bytes; another frame rate or codec shows the same
    events. No rendered frame is kept, so a video may have any length.
    """

    def __init__(self, plan: Plan, portrait: Portrait, seed: int | None = None) -> None:
        """Raises `UsageError` where the plan's events do not fit."""
        self.plan = plan
        self.seed = plan.seed if seed is None else seed
        self.animator = Animator(portrait, plan.size, plan.eyes_px or None, quick=True)
        self.schedule = draw_schedule(plan, self.seed, self.animator.face.crop_px)
        self.timing = Timing(plan.fps, plan.seconds, plan.timing, self.seed)
        rng = np.random.default_rng([self.seed, 103])
        camera, light = plan.camera, plan.light
        self.noise = float(rng.uniform(*camera.noise))
        self.codec = Codec(camera.codec, round(rng.uniform(*camera.quality)), camera.crf)
        self.format = Format(plan.size, plan.fps, plan.seconds)
        flicker = LampFlicker.draw(rng, light.flicker_percent / 100, light.mains_hz, plan.fps)
        self._sensor = Sensor(plan.size, self.seed, self.noise, flicker)

    @property
    def truth(self) -> Truth:
        """Events and disturbances of the video."""
        return self.schedule.truth

    def __len__(self) -> int:
        """Number of frames that arrive."""
        return len(self.timing)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames as a reader of the compressed video sees them."""
        return compressed(self.sensed(), self.codec, self.format)

    def sensed(self) -> Iterator[Frame]:
        """Yield the frames before compression."""
        picture = None
        for index, shot in enumerate(self.timing):
            if picture is None or not shot.again:
                picture = self._sensor.expose(
                    self.clean(shot.taken_ns),
                    shot.taken_ns,
                    shot.number,
                    self.schedule.brightness(shot.taken_ns),
                    self._glares(shot.taken_ns),
                )
            yield Frame(index, shot.t_ns, picture)

    def clean(self, t_ns: int) -> U8:
        """Render the picture at a time without light, noise or compression: (H, W, 3) uint8 BGR."""
        state = self.schedule
        return self.animator.render(
            state.pose(t_ns), state.activations(t_ns), state.closure(t_ns), state.gaze(t_ns)
        )

    def landmarks(self, t_ns: int) -> F32:
        """Return the true landmarks at a time, (478, 2) float32 px of the frame."""
        return self.animator.landmarks(self.schedule.pose(t_ns), self.schedule.activations(t_ns))

    def _glares(self, t_ns: int) -> list[Glare]:
        """Return the glints at a time, placed on the moved head."""
        glints = self.schedule.glints(t_ns)
        if not glints:
            return []
        face = FaceFrame.of(self.landmarks(t_ns))
        glares = []
        for intensity, glint in glints:
            x = glint.x + glint.slide * (t_ns - glint.pulse.onset_ns) * 1e-9
            at = face.origin + face.to_picture(np.array([x, glint.y]) * face.unit)
            glares.append(
                Glare(
                    float(at[0]), float(at[1]), glint.radius * face.unit, intensity * glint.levels
                )
            )
        return glares
