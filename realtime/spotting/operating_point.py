"""The operating point as a rate of false alarms a minute.

``assets/operating.json`` holds what `htnet evaluate live --simulate standard --neutral` measured:
for each score the believed events a minute on disturbed neutral faces, where every one is false.
The faces are simulated, so a rate is an order of magnitude.
"""

import json
from typing import Final

from htnet.engine.assets import asset
from htnet.engine.errors import UsageError

FILE: Final = asset("operating.json")


def score_for(false_alarms_per_minute: float) -> float:
    """Return the least score (`SpotterConfig.score`) with at most this rate of false alarms.

    Raises `UsageError` for fewer than any score had.
    """
    points = measured()
    for score, rate in points:
        if rate <= false_alarms_per_minute:
            return score
    raise UsageError(
        f"expected at least {points[-1][1]:.2g} false alarms a minute, the fewest that were "
        f"measured; got {false_alarms_per_minute:g}: ask for that."
    )


def measured() -> list[tuple[float, float]]:
    """Return (score, false alarms a minute), by rising score."""
    read = json.loads(FILE.read_text(encoding="utf-8"))
    return sorted((float(score), float(rate)) for score, rate in read["points"])
