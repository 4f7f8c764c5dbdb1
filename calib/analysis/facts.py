"""Settings and versions of an analysis, for its report and its state file."""

from datetime import datetime

from htnet.calib.analysis.config import AnalysisConfig
from htnet.calib.evaluation.run import file_digest
from htnet.engine.models.weights import default_weights
from htnet.engine.recognition.recognizer import Recognizer
from htnet.realtime.session_record import versions
from htnet.realtime.spotting.config import SpotterConfig


def facts(
    config: AnalysisConfig, recognizer: Recognizer, spotting: SpotterConfig
) -> dict[str, str]:
    """Return what the results depend on beside the video, in words by name."""
    end = "its end" if config.end_s is None else f"{config.end_s:g} s"
    reference = "measured as the video runs"
    if config.neutral is not None:
        reference = "the person's own, at rest from {:g} to {:g} s".format(*config.neutral)
    elif config.profile is not None:
        reference = f"profile {config.profile.name}, made {config.profile.made[:10]}"
    digest = file_digest(config.model or default_weights())
    return {
        "Stretch": f"from {config.start_s:g} s to {end}",
        "Thresholds": reference,
        "Operating point": f"{spotting.score:g} times the least strength that counts",
        **({"Turned": f"{config.rotate} degrees clockwise"} if config.rotate else {}),
        "Model": f"{recognizer}; weights {digest[:12]}",
        "Analysed": f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
        "Versions": ", ".join(f"{name} {own}" for name, own in versions().items() if own),
    }
