"""The person's own thresholds, measured in a neutral stretch of the video."""

from datetime import datetime
from pathlib import Path

from htnet.calib.analysis.config import AnalysisConfig, Span
from htnet.calib.analysis.tracking_process import TrackingConfig, TrackingProcess
from htnet.calib.calibration.calibrate import InfiniteThreshold
from htnet.calib.calibration.recorder import CalibrationRecorder, RecorderConfig
from htnet.engine.errors import DataError, UsageError
from htnet.engine.recognition.recognizer import Recognizer
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.profiles.profile import Profile
from htnet.realtime.spotting.spotter import Spotter

LEAST_S = 3.0
_SETTLE_S = 0.5  # the running onset is 0.3 s old, and activations are smoothed over 66 ms
_SLACK_S = 0.15  # of a stretch, whose last frame lies before its end


def neutral_profile(
    video: Path, span: Span, config: AnalysisConfig, recognizer: Recognizer
) -> Profile:
    """Return the profile of the face in a stretch of ``video``, measured as `calibrate` does.

    Raises `UsageError` for a stretch under 3 s and `DataError` where the face is not at rest in it.
    """
    require_long_enough(span)
    start_s, end_s = span
    seconds = end_s - start_s - _SETTLE_S - _SLACK_S
    recorder = CalibrationRecorder(
        RecorderConfig(seconds=seconds, settle_s=_SETTLE_S, wait_s=_SLACK_S)
    )
    stretch = TrackingConfig(video, start_s, end_s, config.rotate, config.landmarker, pictures=True)
    pipeline = Pipeline(None, recognizer, spotter=Spotter(threshold=InfiniteThreshold()))
    with TrackingProcess(stretch) as tracking:
        tracking.open()
        for tracked in tracking:
            recorder.take(pipeline.judge(tracked))
            if (trouble := recorder.spoiled()) is not None:
                raise _unfit(video, span, trouble)
            if recorder.progress >= 1.0:
                break
    if recorder.progress < 1.0:
        raise _unfit(video, span, "the video or its face ended before")
    return recorder.result("neutral", tracking.name, datetime.now().astimezone(), ())


def require_long_enough(span: Span) -> None:
    """Raise `UsageError` for a stretch under 3 s."""
    start_s, end_s = span
    if end_s - start_s < LEAST_S:
        raise UsageError(
            f"expected a neutral stretch of at least {LEAST_S:g} s; got {start_s:g} to "
            f"{end_s:g} s: choose a longer one."
        )


def _unfit(video: Path, span: Span, trouble: str) -> DataError:
    # The recorder speaks to the person: "your head moved: hold it still".
    said = trouble.partition(":")[0].replace("your ", "the ").replace("you ", "the person ")
    return DataError(
        f"expected a face at rest in {video.name} from {span[0]:g} to {span[1]:g} s; got another: "
        f"{said}. Choose another stretch for --neutral, or leave it out."
    )
