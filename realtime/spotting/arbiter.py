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

PART = "part of a larger movement"
_INSIDE = 0.5  # of a spot's time, from which on a large movement explains it
_UNMEASURED = ("lid tighten", "nose wrinkle", "lip press")  # no measure stands where these pull


@dataclass(frozen=True, slots=True)
class ArbiterConfig:
    """``score``: the operating point; a large movement reaches so many times its threshold.
    ``speech_turns``: a mouth that turns back more often in a second speaks. ``visible_px``: a
    pull from which on landmarks have to show it, by the share ``borne_out`` of it at least, and
    ``borne_out_macro`` where it lasts: the head has time to go far then.
    ``restless_px``: landmarks that go further, from ``beside_ms`` before a short movement on, explain
    it."""

    score: float = 1.0
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
        self._lately.clear()
        return told

    def _judged(self, t_ns: int, spot: Spot, reach: Reach) -> Spot:
        """A spot with what the landmarks say of it; rejected where they explain it."""
        if spot.rejected is not None:
            return spot
        stay = _landmarks_stay(spot, reach, self._config)
        beside = _restless(t_ns, spot, reach, self._config)
        return spot.judged(beside) if stay is None else spot.judged(stay, beside)

    def _settle(self, large: LargeMovement) -> list[Spot]:
        """A large movement is over: it is told, and explains what lies in it."""
        first = self._large
        if first is None:  # a small movement in it may have been told provisionally
            first = next((s for s in self._held if s.id in self._ids and _within(s, large)), None)
            number = self._new() if first is None else self._ids.pop(first.id)
        else:
            number = first.id
        self._large = None
        final = self._spot(large, number)
        self._lately.append((large, final.rejected or PART))
        return [*self._released(), final]

    def _given_up(self, t_ns: int, reason: str) -> list[Spot]:
        """A large movement that was told and never went back."""
        spot, self._large = self._large, None
        if spot is None or spot.rejected is not None:
            return []
        return [replace(spot, stage="final", offset_ns=max(t_ns, spot.apex_ns), rejected=reason)]

    def _released(self) -> list[Spot]:
        """What was held back; what lies in a large movement is explained by it."""
        held, self._held = self._held, []
        return [self._explained(replace(spot, id=self._own(spot.id))) for spot in held]

    def _explained(self, spot: Spot) -> Spot:
        for large, reason in self._lately:
            if _within(spot, large):
                share = Decision(reason, _share(spot, large), _INSIDE, "of its time", True)
                return spot.overruled(share)
        return spot

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
        config = self._config
        score, turns = large.distance / large.threshold, large.turns_a_second
        spot = Spot(
            id=number,
            stage="final" if large.over else "provisional",
            kind="macro",
            onset_ns=large.onset_ns,
            apex_ns=large.apex_ns,
            offset_ns=large.offset_ns,
            magnitude_px=float(abs(large.peak).max()),
            muscle=leading_muscle(large.peak),
            score=score,
            rejected=None,
        )
        return spot.judged(
            Decision("speech", turns, config.speech_turns, "a second", turns > config.speech_turns),
            Decision("weak", score, config.score, "", score < config.score),
        )


def _landmarks_stay(spot: Spot, reach: Reach, config: ArbiterConfig) -> Decision | None:
    """What is large for the fit and moves no landmark is the head, whose depth and perspective leak
    into the muscles; None for a movement that landmarks need not show."""
    if spot.magnitude_px < config.visible_px or spot.muscle in _UNMEASURED:
        return None
    share = config.borne_out if spot.kind == "micro" else config.borne_out_macro
    seen, limit = reach(spot.onset_ns, spot.offset_ns), share * spot.magnitude_px
    return Decision("head turn", seen, limit, "px of the landmarks", seen < limit)


def _restless(t_ns: int, spot: Spot, reach: Reach, config: ArbiterConfig) -> Decision:
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
    return _share(spot, large) >= _INSIDE


def _share(spot: Spot, large: LargeMovement) -> float:
    """The share of the spot that lies in the large movement."""
    shared = min(spot.offset_ns, large.offset_ns) - max(spot.onset_ns, large.onset_ns)
    return shared / max(spot.offset_ns - spot.onset_ns, 1)


def leading_muscle(peak: F32) -> str:
    """The muscle that a displacement (9,) of the measures stands for most."""
    at = dict(zip(MEASURES, map(float, peak), strict=True))
    lips_up = -(at["left lip corner y"] + at["right lip corner y"]) / 2
    wider = (at["right lip corner x"] - at["left lip corner x"]) / 2
    brows = -sum(
        at[f"{side} {part} brow"] for side in ("left", "right") for part in ("inner", "outer")
    )
    activations = {
        "lip corner pull": max(lips_up, 0.0) + max(wider, 0.0),
        "lip corner depress": max(-lips_up, 0.0),
        "lip press": max(-wider, 0.0),
        "jaw drop": max(at["mouth opening"], 0.0) / 2,
        "brow raise": max(brows / 4, 0.0),
        "brow lower": max(-brows / 4, 0.0),
    }
    return max(activations, key=activations.__getitem__)
