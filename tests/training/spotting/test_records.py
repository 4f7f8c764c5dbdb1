"""Records made of an event stream and of a simulation's truth."""

from htnet.engine.synth.schedule.ground_truth import SimulatedEvent, Truth
from htnet.engine.types import Disturbance, Event
from htnet.training.spotting.records import TrueEvent, found_events, true_events

MS = 1_000_000


def event(number: int, stage: str, rejected: str | None = None) -> Event:
    return Event(number, stage, "micro", "surprise", {}, 0, 100, 200, 1.5, rejected)


def test_events_keep_the_time_of_their_first_report() -> None:
    told = [
        (event(1, "provisional"), 150),
        (event(1, "final"), 300),
        (event(2, "provisional"), 900),
        (event(3, "final", "blink"), 950),
    ]
    first, second = found_events(told)
    assert (first.told_ns, first.final_ns, first.rejected) == (150, 300, None)
    assert (second.told_ns, second.final_ns, second.rejected) == (950, 950, "blink")
    assert first.score == 1.5


def test_the_truth_of_a_simulation() -> None:
    event = SimulatedEvent("surprise", "brow raise", 0, 150 * MS, 400 * MS, 1.2)
    truth = Truth((event,), (Disturbance("blink", 500 * MS, 700 * MS),))
    assert true_events(truth) == (TrueEvent("micro", "surprise", 0, 150 * MS, 400 * MS, 1.2),)
