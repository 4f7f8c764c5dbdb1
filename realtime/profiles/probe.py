"""Probe of a profile: recall on movements injected into the pictures of its calibration."""

from dataclasses import dataclass

from htnet.engine.errors import UsageError

_MOST = 10_000
_AGAIN = "htnet calibrate --probe again."


@dataclass(frozen=True, slots=True)
class ProbedSize:
    """Injected movements of one size, ``px`` of the crop: ``found`` of ``of``."""

    px: float
    found: int
    of: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Recall and false alarms on micro-expressions injected into a calibration's own pictures.

    ``false_alarms``: believed events beside the movements, in ``minutes`` without any. ``worst``:
    what most stands in the way, "" where nothing does. Raises `UsageError` for values that make no
    sense.
    """

    sizes: tuple[ProbedSize, ...]
    false_alarms: int
    minutes: float
    worst: str = ""

    def __post_init__(self) -> None:
        for each in self.sizes:
            if not (0 < each.px <= 10 and 0 <= each.found <= each.of <= _MOST):
                raise UsageError(
                    "expected sizes above 0 and up to 10 px in a probe, and no more found than "
                    f"there were; got {each.found} of {each.of} at {each.px:g} px: {_AGAIN}"
                )
        if not (self.sizes and 0 <= self.false_alarms <= _MOST and 0 <= self.minutes <= _MOST):
            raise UsageError(
                f"expected a probe of one size or more, with up to {_MOST} false alarms in up to "
                f"{_MOST} minutes; got {len(self.sizes)} sizes, {self.false_alarms} in "
                f"{self.minutes:g}: {_AGAIN}"
            )

    def sentence(self) -> str:
        """Return the probe in words, for the person in front of the camera."""
        first, *others = self.sizes
        found = [f"{first.px:g} px found {first.found} of {first.of} times"]
        found += [f"{own.px:g} px {own.found} of {own.of}" for own in others]
        alarms = (
            _counted(self.false_alarms, "false alarm") if self.false_alarms else "no false alarm"
        )
        minutes = _counted(round(self.minutes, 1), "minute")
        told = f"On your face, camera and light: {', '.join(found)}, {alarms} in {minutes}"
        return f"{told}; worst: {self.worst}." if self.worst else f"{told}."


def _counted(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
