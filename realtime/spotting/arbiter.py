"""The arbiter: one stream of spots from what small and large movements tell.

A large movement (by landmarks) holds the final answers back that the fit of small movements gives
while it lasts. Where it ends as an expression or as speech, it explains what lies in it; where it
comes to nothing, they are told as they were.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from htnet.engine.anatomy.measures import MEASURES
from htnet.engine.types import F32, NS_PER_MS, Decision
from htnet.realtime.spotting.large import LargeMovement
from htnet.realtime.spotting.spot import Spot

MICRO_MS = 500.0
PART = "part of a larger movement"
_UNMEASURED = ("lid tighten", "nose wrinkle", "lip press")  # no measure stands where these pull


@dataclass(frozen=True, slots=True)
class ArbiterConfig:
    """``speech_turns``: a mouth that turns back more often in a second speaks. ``visible_px``: a
    pull from which on landmarks have to show it, by the share ``borne_out`` of it at least, and
    ``borne_out_macro`` where it lasts: the head has time to go far then.
    ``restless_px``: landmarks that go further, from ``beside_ms`` before a short movement on, explain
    it."""

    speech_turns: float = 3.0
    visible_px: float = 2.5
    borne_out: float = 0.4
    borne_out_macro: float = 0.8
    beside_ms: float = 700.0
    restless_px: float = 10.0


Reach = Callable[[int, int], float]
"""From and until when, ns, to how far the landmark measures went in between, px."""


class Arbiter:
    """Merges the spots of one face; ids are its own, in the order in which movements are told."""

    def __init__(self, config: ArbiterConfig | None = None) -> None:
        self._config = config or ArbiterConfig()
        self._next_id = 1
        self._ids: dict[int, int] = {}  # of small movements that were told provisionally
        self._held: list[Spot] = []
        self._large: Spot | None = None  # told provisionally
        self._lately: deque[tuple[LargeMovement, str]] = deque(maxlen=4)

    def step(
        self,
        t_ns: int,
        spots: tuple[Spot, ...],
        large: LargeMovement | None,
        moving: bool,
        reach: Reach,
    ) -> tuple[Spot, ...]:
        """What is told at ``t_ns``. ``spots``: of small movements; ``large``: the large movement
        that peaked or ended; ``moving``: whether one is under way; ``reach``: how far the
        landmarks went between two times, px."""
        told: list[Spot] = []
        for spot in spots:
            if spot.stage == "final":
                self._held.append(self._judged(t_ns, spot, reach))
            elif not moving:
                told.append(replace(spot, id=self._known(spot.id)))
        if large is not None and not large.over:
            if self._large is None:
                self._large = self._spot(large, self._new())
                if self._large.rejected is None:
                    told.append(self._large)
        elif large is not None:
            told += self._settle(large)
        elif not moving:
            told += self._given_up(t_ns, "no return")
            told += self._released()
        return tuple(told)

    def cut_off(self, t_ns: int, spots: tuple[Spot, ...], reason: str) -> tuple[Spot, ...]:
        """The end of everything: what waits is told, and what is under way rejected."""
        self._held += [spot for spot in spots if spot.stage == "final"]
        told = (*self._given_up(t_ns, reason), *self._released())
        self._ids.clear()
        return told

    def _judged(self, t_ns: int, spot: Spot, reach: Reach) -> Spot:
        """A spot with what the landmarks say of it; rejected where they explain it."""
        if spot.rejected is not None:
            return spot
        rules = (
            landmarks_stay(spot, reach, self._config),
            restless(t_ns, spot, reach, self._config),
        )
        told = tuple(decision for decision in rules if decision is not None)
        rejected = next((decision.rule for decision in told if decision.rejects), None)
        return replace(spot, rejected=rejected, decisions=(*spot.decisions, *told))

    def _settle(self, large: LargeMovement) -> list[Spot]:
        """A large movement is over: it is told, and explains what lies in it."""
        number = self._large.id if self._large is not None else None
        self._large = None
        inside = [spot for spot in self._held if _within(spot, large)]
        self._held = [spot for spot in self._held if not _within(spot, large)]
        if number is None:
            number = next((self._ids.pop(s.id) for s in inside if s.id in self._ids), None)
        final = self._spot(large, self._new() if number is None else number)
        told = self._released()
        self._lately.append((large, final.rejected or PART))
        for spot in inside:
            reason = final.rejected or PART
            told.append(replace(spot, id=self._own(spot.id), rejected=reason))
        return [*told, final]

    def _given_up(self, t_ns: int, reason: str) -> list[Spot]:
        """A large movement that was told and never went back."""
        spot, self._large = self._large, None
        if spot is None or spot.rejected is not None:
            return []
        return [replace(spot, stage="final", offset_ns=max(t_ns, spot.apex_ns), rejected=reason)]

    def _released(self) -> list[Spot]:
        held, self._held = self._held, []
        told = []
        for spot in held:
            near = next((r for m, r in self._lately if _within(spot, m)), None)
            number = self._own(spot.id)
            told.append(replace(spot, id=number, rejected=near or spot.rejected))
        return told

    def _known(self, number: int) -> int:
        if number not in self._ids:
            self._ids[number] = self._new()
        return self._ids[number]

    def _own(self, number: int) -> int:
        """The id under which a spot is told for the last time."""
        return self._ids.pop(number) if number in self._ids else self._new()

    def _new(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _spot(self, large: LargeMovement, number: int) -> Spot:
        lasted_ms = (large.offset_ns - large.onset_ns) / NS_PER_MS
        turns, limit = large.turns_a_second, self._config.speech_turns
        spoken = Decision("speech", turns, limit, "turns a second", turns > limit)
        return Spot(
            id=number,
            stage="final" if large.over else "provisional",
            kind="macro" if lasted_ms > MICRO_MS or not large.over else "micro",
            onset_ns=large.onset_ns,
            apex_ns=large.apex_ns,
            offset_ns=large.offset_ns,
            magnitude_px=float(abs(large.peak).max()),
            muscle=leading_muscle(large.peak),
            score=large.distance / large.threshold,
            rejected="speech" if spoken.rejects else None,
            decisions=(
                Decision("weak", large.distance, large.threshold, "px of the landmarks", False),
                spoken,
            ),
        )


def landmarks_stay(spot: Spot, reach: Reach, config: ArbiterConfig) -> Decision | None:
    """What is large for the fit and moves no landmark is the head, whose depth and perspective leak
    into the muscles; None for a movement that landmarks need not show."""
    if spot.magnitude_px < config.visible_px or spot.muscle in _UNMEASURED:
        return None
    share = config.borne_out if spot.kind == "micro" else config.borne_out_macro
    seen, limit = reach(spot.onset_ns, spot.offset_ns), share * spot.magnitude_px
    return Decision("head turn", seen, limit, "px of the landmarks", seen < limit)


def restless(t_ns: int, spot: Spot, reach: Reach, config: ArbiterConfig) -> Decision:
    """Landmarks that go many times further than what was spotted.

    Beside a short movement that is a mouth that speaks, a head that is thrown about or the flank of
    an expression. Under a long one it is a head that takes another pose: were it an expression, it
    would have been told as a large movement.
    """
    if spot.kind == "micro":
        rule, moved = PART, reach(spot.onset_ns - int(config.beside_ms * NS_PER_MS), t_ns)
    else:
        rule, moved = "head turn", reach(spot.onset_ns, spot.offset_ns)
    limit = config.restless_px
    return Decision(rule, moved, limit, "px of the landmarks", moved > limit)


def _within(spot: Spot, large: LargeMovement) -> bool:
    """Whether half of the spot lies in the large movement."""
    shared = min(spot.offset_ns, large.offset_ns) - max(spot.onset_ns, large.onset_ns)
    return 2 * shared >= spot.offset_ns - spot.onset_ns


def leading_muscle(peak: F32) -> str:
    """The muscle that a displacement (9,) of the measures stands for most."""
    at = dict(zip(MEASURES, map(float, peak), strict=True))
    lips_up = -(at["left lip corner y"] + at["right lip corner y"]) / 2
    wider = (at["right lip corner x"] - at["left lip corner x"]) / 2
    brows = -sum(
        at[f"{side} {part} brow"] for side in ("left", "right") for part in ("inner", "outer")
    )
    pulls = {
        "lip corner pull": max(lips_up, 0.0) + max(wider, 0.0),
        "lip corner depress": max(-lips_up, 0.0),
        "lip press": max(-wider, 0.0),
        "jaw drop": max(at["mouth opening"], 0.0) / 2,
        "brow raise": max(brows / 4, 0.0),
        "brow lower": max(-brows / 4, 0.0),
    }
    return max(pulls, key=pulls.__getitem__)
