"""Piecewise motion: values constant between moves along a minimum-jerk curve.

Used for the direction of a head, a gaze or a brightness.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from htnet.engine.synth.face.time_course import min_jerk


@dataclass(frozen=True, slots=True)
class Move:
    """A move from ``start_ns`` to ``end_ns``; ``to``: the values at its end."""

    start_ns: int
    end_ns: int
    to: tuple[float, ...]


class PiecewiseMotion:
    """Values that change in ``moves`` and stay constant between them, ``rest`` at first.

    The moves are in order of time without overlap. Each follows the minimum-jerk curve of
    `htnet.engine.synth.face.time_course`.
    """

    def __init__(self, rest: tuple[float, ...], moves: Sequence[Move] = ()) -> None:
        if any(one.end_ns > other.start_ns for one, other in pairwise(moves)):
            raise ValueError("moves must be in order of time without overlap")
        if any(move.start_ns >= move.end_ns or len(move.to) != len(rest) for move in moves):
            raise ValueError("a move needs a positive duration and as many values as the rest")
        self.rest = rest
        self.moves = tuple(moves)
        self._starts = [move.start_ns for move in moves]

    def at(self, t_ns: int) -> tuple[float, ...]:
        """Return the values at a time."""
        i = bisect_right(self._starts, t_ns) - 1
        if i < 0:
            return self.rest
        move = self.moves[i]
        if t_ns >= move.end_ns:
            return move.to
        share = min_jerk((t_ns - move.start_ns) / (move.end_ns - move.start_ns))
        before = self.moves[i - 1].to if i else self.rest
        return tuple(a + share * (b - a) for a, b in zip(before, move.to, strict=True))
