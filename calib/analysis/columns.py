"""Columns of frames.csv: one row a frame, muscles by their FACS action units."""

from collections.abc import Sequence
from typing import Final

from htnet.engine.anatomy.head_pose import head_pose
from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import Motion, Tick

Cell = str | int | float | None
"""A value of a row; None is an empty cell."""

SIDES: Final = ("left", "right", "both")
_BEFORE: Final[dict[str, type]] = {
    "frame": int,
    "time_s": float,
    "face_found": int,
    "person": int,
    "face_x_px": float,
    "face_y_px": float,
    "face_width_px": float,
    "face_height_px": float,
    "head_yaw_deg": float,
    "head_pitch_deg": float,
    "head_roll_deg": float,
    "eye_openness": float,
    "blink": int,
    "motion_px": float,
    "motion_threshold_px": float,
    "motion_muscle": str,
}


def unit_name(muscle: str) -> str:
    """Return the name of a muscle by its action units, such as AU12_lip_corner_pull."""
    units = MUSCLES[muscle].units.replace("+", "_")
    return f"{units}_{muscle.replace(' ', '_')}"


def columns(classes: Sequence[str]) -> dict[str, type]:
    """Return the columns, in order, with the type of their values.

    ``classes``: names of the network's classes. For each muscle and side: activation in px of the
    crop, and as a share of the muscle's threshold.
    """
    muscles = {
        f"{unit_name(muscle)}_{side}_{unit}": float
        for muscle in MUSCLE_NAMES
        for side in SIDES
        for unit in ("px", "share")
    }
    answers = {f"probability_{name}": float for name in classes}
    return {**_BEFORE, **muscles, "state": str, "label": str, **answers}


def cells(tick: Tick, classes: Sequence[str], person: int = 1) -> list[Cell]:
    """Return the row of a Tick, a cell for each of `columns`; ``person``: number of the person."""
    face, motion, prediction = tick.face, tick.motion, tick.prediction
    row: list[Cell] = [tick.frame.index, round(tick.frame.t_ns / 1e9, 6), int(face is not None)]
    if face is None or motion is None or prediction is None:
        row.append(person)
        empty = len(_BEFORE) - len(row) + 2 * len(SIDES) * len(MUSCLE_NAMES)
        return row + [None] * empty + [tick.state.value, None] + [None] * len(classes)
    x, y = face.landmarks.min(axis=0).tolist()
    right, bottom = face.landmarks.max(axis=0).tolist()
    pose = head_pose(face.landmarks)
    row += [person, round(x, 1), round(y, 1), round(right - x, 1), round(bottom - y, 1)]
    row += [round(angle, 2) for angle in (pose.yaw, pose.pitch, pose.roll)]
    row += [round(face.openness, 4), int(motion.blinking)]
    row += [round(motion.magnitude, 4), round(motion.threshold, 4), unit_name(motion.leading)]
    row += _muscles(motion)
    row += [tick.state.value, prediction.label]
    return row + [round(prediction.probabilities[name], 4) for name in classes]


def _muscles(motion: Motion) -> list[Cell]:
    sides = (motion.left, motion.right, motion.activations)
    thresholds = motion.thresholds
    row: list[Cell] = []
    for muscle in MUSCLE_NAMES:
        threshold = thresholds.get(muscle)
        for side in sides:
            px = side.get(muscle)
            row.append(None if px is None else round(px, 4))
            row.append(None if px is None or not threshold else round(px / threshold, 4))
    return row
