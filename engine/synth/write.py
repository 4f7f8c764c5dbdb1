"""Writing a simulation: the video, its ground truth, and its plan."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from htnet.engine.errors import OutputError, UsageError
from htnet.engine.synth.camera.codec import write_video
from htnet.engine.synth.face.portrait import Portrait
from htnet.engine.synth.schedule.ground_truth import write_truth
from htnet.engine.synth.schedule.plan import Plan, plan_toml
from htnet.engine.synth.simulation import Simulation
from htnet.engine.types import Frame

PLAN_FILE = "plan.toml"


def simulate(
    plan: Plan,
    portrait: Portrait,
    out: Path,
    on_frame: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Write a simulation into the new or empty folder ``out``, all of its files or none.

    The files are ``video.mov`` (H.264: ``video.mp4``), ``truth.csv``, ``events.csv`` and
    ``plan.toml``. ``on_frame``: called with the number of frames done and their total.

    Raises `UsageError` where the plan's events do not fit or ``out`` is not empty, `OutputError`
    where it cannot be written.
    """
    simulation = Simulation(plan, portrait)
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(
                f"expected a new or empty folder for the simulation; {str(out)!r} holds something: "
                "choose another."
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            _write(simulation, draft, on_frame)
            if out.exists():
                out.rmdir()
            draft.chmod(0o755)  # mkdtemp makes it private
            os.replace(draft, out)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"expected to write the simulation to {str(out)!r}; {error.strerror or error}: see "
            "that the disk has room, or choose another place."
        ) from error
    return simulation


def _write(
    simulation: Simulation, folder: Path, on_frame: Callable[[int, int], None] | None
) -> None:
    def counted() -> Iterator[Frame]:
        for frame in simulation.sensed():
            yield frame
            if on_frame is not None:
                on_frame(frame.index + 1, len(simulation))

    codec = simulation.codec
    write_video(folder / f"video{codec.suffix}", counted(), codec, simulation.format)
    shots = ((shot.t_ns, shot.taken_ns) for shot in simulation.timing)
    write_truth(folder, simulation.truth, shots)
    (folder / PLAN_FILE).write_text(plan_toml(simulation.plan), encoding="utf-8")
