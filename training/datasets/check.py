"""Check of a data folder: counts, missing files, and the paper's counts to compare with."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from htnet.engine.errors import DataError
from htnet.engine.types import CLASSES
from htnet.training.datasets.clip import Clip
from htnet.training.datasets.composite import read_clips, read_map
from htnet.training.datasets.prepare import read_skipped
from htnet.training.datasets.raw_clip import ReleaseReader
from htnet.training.datasets.releases import READERS, layouts, readers_in, require_unique

PAPER = {
    "casme2": (88, 32, 25),
    "smic": (70, 51, 43),
    "samm": (92, 26, 15),
    "casme3": (508, 64, 201),
}
"""Negative, positive and surprise clips in Table 1 of the HTNet paper, which lacks MMEW."""

LISTED = 20
"""Most lines of each table of `check_tables`."""

_TITLES = {reader.dataset: reader.title for reader in READERS}


@dataclass(frozen=True, slots=True)
class Fault:
    """A missing or invalid file; ``what``: the fault in words."""

    path: Path
    what: str


@dataclass(frozen=True, slots=True)
class DatasetCheck:
    """One dataset in a folder.

    ``counts``: labelled clips by class, faulty ones included. ``paper``: counts of Table 1.
    ``left_out``: reasons, with the number of clips of each.
    """

    dataset: str
    title: str
    clips: int
    subjects: int
    counts: tuple[int, ...]
    paper: tuple[int, ...] | None
    left_out: tuple[tuple[str, int], ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Result of `check`. ``problems``: a sentence for each dataset that cannot be read at all."""

    root: Path
    datasets: tuple[DatasetCheck, ...]
    problems: tuple[str, ...]

    @property
    def faults(self) -> list[Fault]:
        """Faults of all datasets."""
        return [fault for dataset in self.datasets for fault in dataset.faults]

    @property
    def ok(self) -> bool:
        """True for data without faults; counts that differ from the paper's are no fault."""
        return bool(self.datasets) and not self.problems and not self.faults


def check(root: Path) -> CheckReport:
    """Check a folder: a composite or prepared data, in it or one folder down, and raw releases.

    Reads every map, and of raw clips the names of their pictures. Raises `DataError` only where
    ``root`` is no folder; everything else is reported.
    """
    if not root.is_dir():
        raise DataError(f"expected a folder of data at {root}; found none: check the path.")
    datasets: list[DatasetCheck] = []
    problems: list[str] = []
    for folder in [root, *sorted(path for path in root.iterdir() if path.is_dir())]:
        if (folder / "labels.csv").is_file():
            try:
                datasets += _check_maps(folder)
            except DataError as error:
                problems.append(str(error))
    if not (root / "labels.csv").is_file():
        for reader in readers_in(root):
            try:
                datasets.append(_check_raw(reader, root))
            except DataError as error:
                problems.append(str(error))
    if not datasets and not problems:
        problems.append(
            f"expected a labels.csv or a dataset as it was released in {root}; recognised "
            f"nothing: known are {layouts()}."
        )
    return CheckReport(root, tuple(datasets), tuple(problems))


def check_tables(report: CheckReport) -> list[Table]:
    """Return tables of at most 80 columns: counts, clips left out, faults and problems.

    Each table shows the first `LISTED` lines and the number of the others.
    """
    tables = [_counts(report)] if report.datasets else []
    left_out = [(each.title, *pair) for each in report.datasets for pair in each.left_out]
    if left_out:
        rows = [(title, str(count), why) for title, why, count in left_out]
        tables.append(_listing("clips left out", ("dataset", "clips", "why"), rows))
    faults = [(fault.what, _short(fault.path, report.root)) for fault in report.faults]
    if faults:
        tables.append(_listing(f"{len(faults)} files at fault", ("what", "file"), faults))
    if report.problems:
        sentences = [(problem,) for problem in report.problems]
        tables.append(_listing("what cannot be read", ("problem",), sentences))
    return tables


def _check_maps(folder: Path) -> list[DatasetCheck]:
    by_dataset: dict[str, list[Clip]] = {}
    for clip in read_clips(folder):
        by_dataset.setdefault(clip.dataset, []).append(clip)
    skipped = read_skipped(folder)
    return [
        _summary(
            name,
            _TITLES.get(name, name),
            [(clip.subject, clip.label) for clip in clips],
            [skip.reason for skip in skipped if skip.dataset == name],
            [fault for clip in clips for fault in _map_faults(clip)],
        )
        for name, clips in by_dataset.items()
    ]


def _map_faults(clip: Clip) -> list[Fault]:
    faults = []
    if not clip.apex.is_file():
        faults.append(Fault(clip.apex, "missing"))
    try:
        read_map(clip.flow)
    except DataError as error:
        missing = not clip.flow.exists()
        # The middle of "expected ...; got ...: do ...".
        what = str(error).partition("; ")[2].partition(": ")[0]
        faults.append(Fault(clip.flow, "missing" if missing else what))
    return faults


def _check_raw(reader: ReleaseReader, root: Path) -> DatasetCheck:
    clips = reader.read(root)
    require_unique(clips)
    return _summary(
        reader.dataset,
        f"{reader.title} raw",
        [(clip.subject, clip.label) for clip in clips if clip.label is not None],
        [clip.why for clip in clips if clip.label is None],
        [Fault(path, "missing") for clip in clips for path in clip.missing],
    )


def _summary(
    dataset: str,
    title: str,
    labelled: list[tuple[str, int]],
    left_out: list[str],
    faults: list[Fault],
) -> DatasetCheck:
    labels = Counter(label for _, label in labelled)
    return DatasetCheck(
        dataset=dataset,
        title=title,
        clips=len(labelled),
        subjects=len({subject for subject, _ in labelled}),
        counts=tuple(labels[label] for label in range(len(CLASSES))),
        paper=PAPER.get(dataset),
        left_out=tuple(Counter(left_out).most_common()),
        faults=tuple(faults),
    )


def _counts(report: CheckReport) -> Table:
    table = Table(title="clips found / in the paper's Table 1", title_justify="left")
    table.add_column("dataset")
    for name in ("clips", "subjects", *CLASSES, "faults"):
        table.add_column(name, justify="right")
    for each in report.datasets:
        paper = each.paper or ("-",) * len(CLASSES)
        counts = [f"{own}/{other}" for own, other in zip(each.counts, paper, strict=True)]
        numbers = [str(each.clips), str(each.subjects), *counts, str(len(each.faults))]
        table.add_row(escape(each.title), *numbers)
    return table


def _listing(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name == "clips" else "left")
    for row in rows[:LISTED]:
        table.add_row(*(escape(cell) for cell in row))
    if len(rows) > LISTED:
        table.add_row(*[""] * (len(columns) - 1), f"and {len(rows) - LISTED} more")
    return table


def _short(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
