"""The arbiter: one stream of spots from small and large movements.

While a large movement (by landmarks) is under way, the final answers of the fit of small movements
are held back. If it ends as an expression or as speech, it explains the spots that lie in it.
Otherwise they are emitted unchanged.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from htnet.engine.anatomy.measures import MEASURES
from htnet.engine.types import F32, NS_PER_MS, Decision
from htnet.realtime.spotting.large import LargeMovement
from htnet.realtime.spotting.spot import Spot

PART = "part of a larger movement"
_INSIDE = 0.5  # fraction of a spot's time in a large movement, from which on that explains it
_BROW = ("inner brow", "outer brow")
_HEIGHTS = {
    "lip corner pull": (("lip corner y",), -1),
    "lip corner depress": (("lip corner y",), 1),
    "brow raise": (_BROW, -1),
    "brow lower": (_BROW, 1),
}
"""Measures of height that a muscle moves on each side, and its direction, 1 down."""
_UNMEASURED = ("lid tighten", "nose wrinkle", "lip press")  # muscles that move no landmark measure


@dataclass(frozen=True, slots=True)
class ArbiterConfig:
    """Settings of the arbiter.

    ``score``: operating point; a large movement has to reach this multiple of its threshold.
    ``speech_turns_per_s``: reversals of the mouth a second, above which it speaks.
    ``visible_px``: activation from which on landmarks have to show the movement.
    ``seen_fraction``: least fraction of the activation that landmarks have to move by.
    ``seen_fraction_macro``: the same for a macro-expression, in whose time a head moves far.
    ``before_ms``, ``restless_px``: landmarks that move further, from so long before a short
    movement on, explain it.
    """

    score: float = 1.0
    speech_turns_per_s: float = 3.0
    visible_px: float = 2.5
    seen_fraction: float = 0.4
    seen_fraction_macro: float = 0.8
    before_ms: float = 700.0
    restless_px: float = 10.0


Reach = Callable[[int, int], float]
"""(since_ns, until_ns) -> largest distance in px that the landmark measures went in between."""


class Arbiter:
    """Merges the spots of one face.

    Its ids are numbered in the order in which movements are first emitted.
    """

    def __init__(self, config: ArbiterConfig | None = None) -> None:
        self._config = config or ArbiterConfig()
        self._next_id = 1
        self._ids: dict[int, int] = {}  # small movements told provisionally: spotter id -> own id
        self._held: list[Spot] = []
        self._large: Spot | None = None  # its provisional spot
        self._lately: deque[tuple[LargeMovement, str]] = deque(maxlen=4)

    def step(
        self,
        t_ns: int,
        spots: tuple[Spot, ...],
        large: LargeMovement | None,
        moving: bool,
        reach: Reach,
    ) -> tuple[Spot, ...]:
        """Return the spots that are emitted at ``t_ns``.

        ``spots``: of small movements. ``large``: the large movement that peaked or ended.
        ``moving``: True while one is under way. ``reach``: motion of the landmarks.
        """
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
        """End everything: return what waits, and what is under way as rejected."""
        self._held += [spot for spot in spots if spot.stage == "final"]
        told = (*self._given_up(t_ns, reason), *self._released())
        self._ids.clear()
        self._lately.clear()
        return told

    def _judged(self, t_ns: int, spot: Spot, reach: Reach) -> Spot:
        """Return the spot with the decisions of the landmarks; rejected where they explain it."""
        if spot.rejected is not None:
            return spot
        stay = _unseen_by_landmarks(spot, reach, self._config)
        beside = restless_landmarks(t_ns, spot, reach, self._config)
        return spot.judged(beside) if stay is None else spot.judged(stay, beside)

    def _settle(self, large: LargeMovement) -> list[Spot]:
        """End a large movement; return it and the spots that were held back."""
        first = self._large
        if first is None:  # a small movement in it may have a provisional answer
            first = next((s for s in self._held if s.id in self._ids and _within(s, large)), None)
            number = self._new() if first is None else self._ids.pop(first.id)
        else:
            number = first.id
        self._large = None
        final = self._spot(large, number)
        self._lately.append((large, final.rejected or PART))
        return [*self._released(), final]

    def _given_up(self, t_ns: int, reason: str) -> list[Spot]:
        """End a large movement that was told provisionally and never returned."""
        spot, self._large = self._large, None
        if spot is None or spot.rejected is not None:
            return []
        return [replace(spot, stage="final", offset_ns=max(t_ns, spot.apex_ns), rejected=reason)]

    def _released(self) -> list[Spot]:
        """Return the spots held back; those in a large movement are rejected as its part."""
        held, self._held = self._held, []
        return [self._explained(replace(spot, id=self._own(spot.id))) for spot in held]

    def _explained(self, spot: Spot) -> Spot:
        """Return the spot, rejected if a recent large movement holds most of it."""
        for large, reason in self._lately:
            if _within(spot, large):
                share = Decision(reason, _share(spot, large), _INSIDE, "of its time", True)
                return spot.overruled(share)
        return spot

    def _known(self, number: int) -> int:
        """Return the id of a spot that is told provisionally."""
        if number not in self._ids:
            self._ids[number] = self._new()
        return self._ids[number]

    def _own(self, number: int) -> int:
        """Return the id for the final answer of a spot and forget it."""
        return self._ids.pop(number) if number in self._ids else self._new()

    def _new(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _spot(self, large: LargeMovement, number: int) -> Spot:
        config = self._config
        score, turns = large.distance / large.threshold, large.turns_a_second
        muscle = leading_muscle(large.peak)
        left, right = both_sides(large.peak, muscle)
        spot = Spot(
            id=number,
            stage="final" if large.over else "provisional",
            kind="macro",
            onset_ns=large.onset_ns,
            apex_ns=large.apex_ns,
            offset_ns=large.offset_ns,
            magnitude_px=float(abs(large.peak).max()),
            muscle=muscle,
            score=score,
            rejected=None,
            left_px=left,
            right_px=right,
        )
        return spot.judged(
            Decision(
                "speech",
                turns,
                config.speech_turns_per_s,
                "a second",
                turns > config.speech_turns_per_s,
            ),
            Decision("weak", score, config.score, "", score < config.score),
        )


def _unseen_by_landmarks(spot: Spot, reach: Reach, config: ArbiterConfig) -> Decision | None:
    """Return the decision on a large activation that moves no landmark: "head turn".

    The depth and perspective of a moving head leak into the muscle fit. None for a movement that
    landmarks need not show.
    """
    if spot.magnitude_px < config.visible_px or spot.muscle in _UNMEASURED:
        return None
    share = config.seen_fraction if spot.kind == "micro" else config.seen_fraction_macro
    seen, limit = reach(spot.onset_ns, spot.offset_ns), share * spot.magnitude_px
    return Decision("head turn", seen, limit, "px of the landmarks", seen < limit)


def restless_landmarks(t_ns: int, spot: Spot, reach: Reach, config: ArbiterConfig) -> Decision:
    """Return the decision on landmarks that move much further than the spotted movement.

    Beside a short movement that is speech, a fast head or the flank of an expression. Under a long
    one it is a head that takes another pose: an expression would have been a large movement.
    """
    if spot.kind == "micro":
        rule, moved = PART, reach(spot.onset_ns - int(config.before_ms * NS_PER_MS), t_ns)
    else:
        rule, moved = "head turn", reach(spot.onset_ns, spot.offset_ns)
    limit = config.restless_px
    return Decision(rule, moved, limit, "px of the landmarks", moved > limit)


def _within(spot: Spot, large: LargeMovement) -> bool:
    return _share(spot, large) >= _INSIDE


def _share(spot: Spot, large: LargeMovement) -> float:
    """Return the fraction of the spot's time that lies in the large movement."""
    shared = min(spot.offset_ns, large.offset_ns) - max(spot.onset_ns, large.onset_ns)
    return shared / max(spot.offset_ns - spot.onset_ns, 1)


def leading_muscle(peak: F32) -> str:
    """Return the muscle that a displacement (9,) of the measures stands for most."""
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


def both_sides(peak: F32, muscle: str) -> tuple[float, float]:
    """Return the part of a large movement on the person's left and on the person's right, px.

    ``peak``: displacement (9,) of the measures, which name the sides of the picture. The sides
    share as the heights of lip corners or brows do, which a turning head shifts least; the larger
    has the length of the movement. A muscle that moves no height moves both sides alike.
    """
    at = dict(zip(MEASURES, map(float, peak), strict=True))
    parts, direction = _HEIGHTS.get(muscle, ((), 0))
    moved = [
        max(direction * sum(at[f"{side} {part}"] for part in parts), 0.0)
        for side in ("right", "left")
    ]
    largest, most = float(abs(peak).max()), max(moved)
    left, right = (each / most if most > 0 else 1.0 for each in moved)
    return largest * left, largest * right
