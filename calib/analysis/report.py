"""The pages report.html of a video and index.html of a folder, whole in themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from htnet.calib.analysis.config import Row, VideoResult
from htnet.calib.analysis.curve import COLOURS, MotionCourse, clock, motion_svg
from htnet.calib.analysis.pictures import MOST, EventPictures, MuscleBar
from htnet.engine.anatomy.muscles import facs_name
from htnet.engine.files import write_text
from htnet.realtime.overlay.reasons import in_words

_MOST_REJECTED = 500  # rows of the table; the counts by reason are of all
_SHOWN_MUSCLES = 3


def write_report(
    path: Path, result: VideoResult, course: MotionCourse, pictures: Mapping[int, EventPictures]
) -> None:
    """Write the report of a video; raises `OutputError`.

    ``pictures``: of the believed events by id.
    """
    believed = [event | {"number": n} for n, event in enumerate(result.believed, 1)]
    rejected = [event for event in result.events if event["rejected"] is not None]
    reasons = Counter(in_words(event["rejected"]) for event in rejected)
    page = _environment().get_template("report.html")
    write_text(
        path,
        page.render(
            result=result,
            found=found_in_words(result),
            cards=[_card(event, pictures.get(event["id"])) for event in believed],
            most=MOST,
            rejected=[_rejected(event) for event in rejected[:_MOST_REJECTED]],
            reasons=reasons.most_common(),
            left_out=max(0, len(rejected) - _MOST_REJECTED),
            curve=_safe(motion_svg(course, [*rejected, *believed])),
            labels=Counter(event["label"] for event in believed),
            colours=COLOURS,
        ),
    )


def write_index(path: Path, results: Sequence[VideoResult], people_of: str = "") -> None:
    """Write the page over the videos of a folder, or over the people of one; raises `OutputError`.

    ``people_of``: the video whose people the results are of, "" for results of several videos.
    """
    number = len(results)
    title = f"Expressions in {number} video{'s' if number != 1 else ''}"
    if people_of:
        title = f"Expressions of {number} {'people' if number != 1 else 'person'} in {people_of}"
    rows = [
        {
            "result": own,
            "length": clock(own.seconds),
            "kinds": Counter(event["kind"] for event in own.believed),
            "labels": Counter(event["label"] for event in own.believed),
            "rejected": len(own.events) - len(own.believed),
            "report": _page_of(path.parent / own.name),
        }
        for own in results
    ]
    page = _environment().get_template("index.html")
    what = "person" if people_of else "video"
    labels = list(COLOURS)
    write_text(path, page.render(title=title, what=what, rows=rows, labels=labels, colours=COLOURS))


def _page_of(folder: Path) -> str:
    """Return the name of a video's page: its report, or the index of its people; "" without."""
    pages = (name for name in ("report.html", "index.html") if (folder / name).is_file())
    return next(pages, "")


def found_in_words(result: VideoResult) -> str:
    """Return in one sentence how many expressions were found."""
    kinds = Counter(event["kind"] for event in result.believed)
    micro, macro = kinds["micro"], kinds["macro"]
    length = f"{result.seconds:.1f} seconds" if result.seconds < 120 else clock(result.seconds)
    if not micro + macro:
        return f"In {length} of video no expression was found."
    return (
        f"In {length} of video {_counted(micro + macro, 'expression was', 'expressions were')} "
        f"found: {_counted(micro, 'micro-expression', 'micro-expressions')} (of at most half a "
        f"second) and {_counted(macro, 'longer one', 'longer ones')}."
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"


def _card(event: Row, pictures: EventPictures | None) -> dict[str, Any]:
    times = {name: clock(event[f"{name}_ms"] / 1e3, 2) for name in ("onset", "apex", "offset")}
    answers = sorted(event["probabilities"].items(), key=lambda answer: -answer[1])
    muscles = () if pictures is None else pictures.muscles
    bars = [bar for bar in muscles if _largest(bar) > 0][:_SHOWN_MUSCLES]
    most = max((_largest(bar) for bar in bars), default=1.0)
    side = event.get("side", "both")
    return {
        "event": event,
        "side": "" if side == "both" else f", on the person's {side}",
        "muscle": facs_name(event["muscle"]),
        "answers": answers,
        "pictures": pictures,
        "bars": [_bar(bar, most) for bar in bars],
        "sided": any(bar.left is not None for bar in bars),
        "other_way": any(px is not None and px < 0 for bar in bars for px in (bar.left, bar.right)),
        **times,
    }


def _bar(bar: MuscleBar, most: float) -> dict[str, Any]:
    sides = {"left": bar.left, "right": bar.right}
    if bar.left is None:
        sides = {"": bar.both}
    rows = [(side, px, 100 * max(px, 0.0) / most) for side, px in sides.items() if px is not None]
    return {"name": facs_name(bar.muscle), "sides": rows}


def _largest(bar: MuscleBar) -> float:
    return max(px for px in (bar.left, bar.right, bar.both) if px is not None)


def _rejected(event: Row) -> dict[str, Any]:
    return {
        "onset": clock(event["onset_ms"] / 1e3, 2),
        "ms": round(event["duration_ms"]),
        "muscle": facs_name(event["muscle"]),
        "score": event["score"],
        "reason": in_words(event["rejected"]),
    }


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("htnet.calib.analysis", "templates")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _safe(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)
