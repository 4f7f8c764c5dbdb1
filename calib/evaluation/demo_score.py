"""`htnet evaluate demo`: events found in demo clips against their ground truth."""

from collections.abc import Callable, Iterable

from htnet.engine.event_matching import match_events
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.synth.demo import DemoConfig, render_demo
from htnet.engine.synth.schedule.ground_truth import SimulatedEvent
from htnet.engine.types import NS_PER_MS, Event
from htnet.realtime.pipeline import Pipeline

TOLERANCE_MS = 50.0


def score_demo(
    recognizer: Recognizer,
    seeds: Iterable[int],
    still: bool,
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, object]:
    """Run the demo clip of every seed and return the counts.

    An event is right if its class is, and its onset and apex are within 50 ms. Rejected events do
    not count as false.
    """
    there = found = classed = right = false = rejected = clips = 0
    for seed in seeds:
        clips += 1
        clip = render_demo(DemoConfig(seed=seed, seconds=seconds, still=still))
        pipeline = Pipeline(MeshTracker(), recognizer)
        events: list[Event] = []
        for frame in clip:
            events += [e for e in pipeline.step(frame).events if e.stage == "final"]
        events += pipeline.finish()
        pipeline.close()
        rejected += sum(e.rejected is not None for e in events)
        lines = []
        for truth, event in match_events(clip.truth, events):
            there += truth is not None
            false += truth is None
            if truth is None or event is None:
                lines.append("false event" if truth is None else f"{truth.label} missed")
                continue
            found += 1
            classed += event.label == truth.label
            right += event.label == truth.label and _in_time(truth, event)
            lines.append(_line(truth, event))
        say(f"seed {seed}: {'; '.join(lines) or 'nothing there, nothing found'}")
    return {
        "v": 1,
        "clips": clips,
        "seconds": clips * seconds,
        "events": there,
        "found": found,
        "right_class": classed,
        "right": right,
        "false": false,
        "rejected": rejected,
    }


def _in_time(truth: SimulatedEvent, event: Event) -> bool:
    return all(abs(error) <= TOLERANCE_MS for error in _errors(truth, event))


def _errors(truth: SimulatedEvent, event: Event) -> tuple[float, float]:
    return (
        (event.onset_ns - truth.onset_ns) / NS_PER_MS,
        (event.apex_ns - truth.apex_ns) / NS_PER_MS,
    )


def _line(truth: SimulatedEvent, event: Event) -> str:
    onset, apex = _errors(truth, event)
    said = "" if event.label == truth.label else f" taken for {event.label}"
    return f"{truth.label} {truth.amplitude_px:.1f} px{said}, onset {onset:+.0f}, apex {apex:+.0f}"
