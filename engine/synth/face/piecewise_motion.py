"""Values that rest, move on to another and rest again: a head's direction, a gaze, a brightness."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from htnet.engine.synth.face.time_course import min_jerk


@dataclass(frozen=True, slots=True)
class Move:
    """From ``start_ns`` to ``end_ns`` the value goes ``to`` its next rest."""

    start_ns: int
    end_ns: int
    to: tuple[float, ...]


class PiecewiseMotion:
    """``rest`` until the first of ``moves``, which follow each other without overlap. Each runs
    along the minimum-jerk curve of `htnet.engine.synth.face.time_course`."""

    def __init__(self, rest: tuple[float, ...], moves: Sequence[Move] = ()) -> None:
        if any(one.end_ns > other.start_ns for one, other in pairwise(moves)):
            raise ValueError("the moves of a glide must follow each other")
        if any(move.start_ns >= move.end_ns or len(move.to) != len(rest) for move in moves):
            raise ValueError("a move needs some time and as many values as the rest")
        self.rest = rest
        self.moves = tuple(moves)
        self._starts = [move.start_ns for move in moves]

    def at(self, t_ns: int) -> tuple[float, ...]:
        """The values at a time."""
        i = bisect_right(self._starts, t_ns) - 1
        if i < 0:
            return self.rest
        move = self.moves[i]
        if t_ns >= move.end_ns:
            return move.to
        way = min_jerk((t_ns - move.start_ns) / (move.end_ns - move.start_ns))
        before = self.moves[i - 1].to if i else self.rest
        return tuple(a + way * (b - a) for a, b in zip(before, move.to, strict=True))
