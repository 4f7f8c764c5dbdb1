"""The live path of every face: one pipeline a person, all fed by one tracker of people."""

from collections.abc import Callable, Mapping

from htnet.engine.face.given import GivenFace
from htnet.engine.face.people import PeopleTracker
from htnet.engine.face.tracker import FaceTracker
from htnet.engine.types import Event, Frame, Tick
from htnet.realtime.pipeline import Pipeline


class PeoplePipeline:
    """Turns Frames into one Tick a person.

    ``open_pipeline``: makes the pipeline of a person, around the tracker that it is given. Each
    person has thresholds, a buffer and events of its own; event ids count per person.
    """

    def __init__(self, open_pipeline: Callable[[FaceTracker], Pipeline]) -> None:
        self._tracker = PeopleTracker()
        self._open_pipeline = open_pipeline
        self._people: dict[int, tuple[GivenFace, Pipeline]] = {}

    def step(self, frame: Frame) -> Mapping[int, Tick]:
        """Return the Ticks of all people known so far by their number; empty without any."""
        faces = self._tracker.find(frame.bgr, frame.t_ns)
        for number in faces.keys() - self._people.keys():
            given = GivenFace()
            self._people[number] = given, self._open_pipeline(given)
        ticks = {}
        for number, (given, pipeline) in sorted(self._people.items()):
            given.face = faces.get(number)
            ticks[number] = pipeline.step(frame)
        return ticks

    def finish(self) -> Mapping[int, tuple[Event, ...]]:
        """Return what is under way when the source ends, by person, as rejected events."""
        return {number: pipeline.finish() for number, (_, pipeline) in sorted(self._people.items())}

    def close(self) -> None:
        """Free the tracker of people."""
        self._tracker.close()
