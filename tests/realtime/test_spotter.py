"""The state machine, fed with the vectors that known movements would give."""

from collections.abc import Callable

import numpy as np
import pytest

from htnet.engine.motion import REGION_NAMES, PairMotion
from htnet.engine.preprocess import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.types import AlignedFace, State
from htnet.realtime.ring import Ring
from htnet.realtime.spotter import Spot, Spotter

MS = 1_000_000
FLOW = np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)
GRAY = np.zeros((CROP_HEIGHT, CROP_WIDTH), np.uint8)
POINTS = np.zeros((478, 2), np.float32)
Where = Callable[[float], dict[str, float]]


def bump(t: float, onset: float, apex: float, offset: float) -> float:
    if not onset < t < offset:
        return 0.0
    share = (t - onset) / (apex - onset) if t <= apex else (offset - t) / (offset - apex)
    return float((1 - np.cos(np.pi * share)) / 2)


class Run:
    """A face whose regions are displaced vertically by ``where(ms)``, seen at ``fps``."""

    def __init__(
        self,
        where: Where,
        *,
        seconds: float = 5.0,
        fps: float = 30.0,
        noise: float = 0.03,
        openness: Callable[[float], float] = lambda _: 0.31,
    ) -> None:
        draw = np.random.default_rng(3)
        self.spotter, self.ring = Spotter(), Ring()
        self.spots: list[Spot] = []
        self.states: list[State] = []
        self.onsets: list[float] = []
        for i in range(int(seconds * fps)):
            ms = i * 1000 / fps
            t_ns = round(ms * MS)
            face = AlignedFace(i, t_ns, GRAY, POINTS, np.eye(2, 3), openness(ms))
            blinking = self.spotter.keep(self.ring, face)
            onset = self.spotter.onset(self.ring, t_ns)
            now, then = where(ms), where(onset.t_ns / MS)
            regions = {
                name: np.array([0, now.get(name, 0) - then.get(name, 0)], np.float32)
                + draw.normal(0, noise, 2).astype(np.float32)
                for name in REGION_NAMES
            }
            motion = PairMotion(FLOW, np.zeros(4), regions)
            _, state, spot = self.spotter.step(onset, t_ns, motion, blinking)
            self.states.append(state)
            self.onsets.append(onset.t_ns / MS)
            if spot is not None:
                self.spots.append(spot)

    @property
    def finals(self) -> list[Spot]:
        return [spot for spot in self.spots if spot.stage == "final"]


@pytest.mark.parametrize("fps", [24, 30, 60, 100, 200])
@pytest.mark.parametrize("duration", [120, 250, 400])
def test_a_micro_movement_is_found_at_every_frame_rate(fps: float, duration: float) -> None:
    truth = (3000.0, 3000 + 0.42 * duration, 3000.0 + duration)
    run = Run(lambda t: {"lip corners": 0.7 * bump(t, *truth)}, fps=fps)
    [spot] = run.finals
    assert spot.kind == "micro"
    assert spot.rejected is None
    assert spot.onset_ns / MS == pytest.approx(truth[0], abs=50)
    assert spot.apex_ns / MS == pytest.approx(truth[1], abs=30)
    assert spot.offset_ns / MS == pytest.approx(truth[2], abs=70)
    assert 0.4 < spot.magnitude_px < 0.9


def test_a_long_movement_is_macro() -> None:
    run = Run(lambda t: {"lip corners": 2.0 * bump(t, 2000, 2600, 3200)})
    [spot] = run.finals
    assert spot.kind == "macro"
    assert spot.onset_ns / MS == pytest.approx(2000, abs=200)


def test_states_go_round_in_order() -> None:
    run = Run(lambda t: {"inner brows": bump(t, 3000, 3200, 3400)})
    seen = [run.states[0]]
    for state in run.states:
        if state is not seen[-1]:
            seen.append(state)
    assert seen in (
        [State.NEUTRAL, State.RISING, State.APEX, State.FALLING, State.NEUTRAL],
        [State.NEUTRAL, State.RISING, State.FALLING, State.NEUTRAL],
    )


def test_a_provisional_spot_comes_first_with_the_same_id() -> None:
    run = Run(lambda t: {"inner brows": bump(t, 3000, 3200, 3400)})
    assert [spot.stage for spot in run.spots] == ["provisional", "final"]
    assert run.spots[0].id == run.spots[1].id


def test_the_onset_is_frozen_while_the_face_moves_and_runs_on_at_rest() -> None:
    run = Run(lambda t: {"inner brows": bump(t, 3000, 3200, 3400)}, fps=50)
    busy = {o for o, s in zip(run.onsets, run.states, strict=True) if s is not State.NEUTRAL}
    assert len(busy) == 1
    assert max(busy) < 3100
    assert run.onsets[-1] == pytest.approx(4980 - 300, abs=21)


def test_noise_is_no_event() -> None:
    assert Run(lambda _: {}, seconds=60, noise=0.08).spots == []


def test_slow_drift_is_no_event() -> None:
    # 2 px in 20 s: far above the threshold if it added up against a fixed onset
    assert Run(lambda t: {"upper lip": t / 10_000}, seconds=20).spots == []


def blink_at(start: float) -> Callable[[float], float]:
    return lambda t: 0.31 - 0.27 * bump(t, start, start + 90, start + 240)


def test_a_blink_that_drags_the_brows_is_no_event() -> None:
    def lids(t: float) -> dict[str, float]:
        shut = bump(t, 3000, 3090, 3240)
        return {"eyes": 3 * shut, "inner brows": 0.6 * shut, "outer brows": 0.5 * shut}

    run = Run(lids, openness=blink_at(3000))
    assert [spot for spot in run.finals if spot.rejected is None] == []


def test_a_mouth_that_moves_during_a_blink_is_found() -> None:
    run = Run(
        lambda t: {
            "eyes": 3 * bump(t, 3000, 3090, 3240),
            "lip corners": 0.8 * bump(t, 2950, 3100, 3300),
        },
        openness=blink_at(3000),
    )
    [spot] = run.finals
    assert spot.rejected is None
    assert spot.apex_ns / MS == pytest.approx(3100, abs=40)


def test_the_running_onset_is_never_taken_from_a_blink() -> None:
    run = Run(lambda _: {}, openness=blink_at(2000), fps=60)
    assert not [onset for onset in run.onsets if 2000 <= onset <= 2240]


def test_two_movements_are_two_events() -> None:
    run = Run(
        lambda t: {
            "inner brows": 0.8 * bump(t, 2000, 2120, 2300),
            "lip corners": 0.8 * bump(t, 3300, 3420, 3600),
        }
    )
    assert [round(spot.apex_ns / MS, -2) for spot in run.finals] == [2100, 3400]
    assert [spot.id for spot in run.finals] == [1, 2]


def test_what_is_cut_off_says_so_and_is_rejected() -> None:
    run = Run(lambda t: {"lip corners": bump(t, 2700, 3100, 3500)}, seconds=3.1)
    spot = run.spotter.cut_off("face lost")
    assert spot is not None
    assert (spot.stage, spot.rejected) == ("final", "face lost")
    assert run.spotter.cut_off("face lost") is None


def test_a_new_face_that_stays_is_the_new_rest() -> None:
    # An expression put on for good is closed as macro, and then the face is quiet again.
    run = Run(lambda t: {"lip corners": min(max(t - 2000, 0) / 200, 1.0)}, seconds=9)
    assert [spot.kind for spot in run.finals] == ["macro"]
    assert run.states[-1] is State.NEUTRAL
