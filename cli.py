"""The command line: `COMMANDS` maps each name that is typed to its function.

The functions import what is heavy in their bodies, so that ``htnet --help`` answers at once.
"""

import re
import sys
from collections.abc import Callable

import typer

from htnet.calib.commands.analyze import analyze
from htnet.calib.commands.calibrate import calibrate
from htnet.calib.commands.engines import evaluate_runtimes, export_onnx, export_trt
from htnet.calib.commands.evaluate import evaluate_demo, evaluate_live
from htnet.calib.commands.machine import (
    bench_flow,
    bench_live,
    bench_media,
    bench_model,
    bench_pair,
    doctor,
)
from htnet.calib.commands.simulate import simulate
from htnet.engine.errors import HTNetError
from htnet.options import expand_groups
from htnet.realtime.commands import cameras, live, profiles, recognize
from htnet.realtime.signals import stop_on_signals
from htnet.training.commands.data import convert, data_check, data_prepare
from htnet.training.commands.train import evaluate_ablation, evaluate_loso, evaluate_zoo, train

GROUPS = {
    "bench": "Measure what the parts cost on this machine.",
    "evaluate": "Measure how right the answers are.",
    "data": "Look at datasets and prepare them.",
}
COMMANDS: dict[str, Callable[..., None]] = {
    "live": live,
    "analyze": analyze,
    "calibrate": calibrate,
    "profiles": profiles,
    "simulate": simulate,
    "recognize": recognize,
    "cameras": cameras,
    "convert": convert,
    "export-onnx": export_onnx,
    "export-trt": export_trt,
    "train": train,
    "doctor": doctor,
    "bench live": bench_live,
    "bench flow": bench_flow,
    "bench media": bench_media,
    "bench model": bench_model,
    "bench pair": bench_pair,
    "evaluate loso": evaluate_loso,
    "evaluate zoo": evaluate_zoo,
    "evaluate ablation": evaluate_ablation,
    "evaluate runtimes": evaluate_runtimes,
    "evaluate live": evaluate_live,
    "evaluate demo": evaluate_demo,
    "data check": data_check,
    "data prepare": data_prepare,
}


_ADDRESS = re.compile(r"auto|local|(ray://)?[^/\\]+:[0-9]+")


def command_line() -> typer.Typer:
    """Return the Typer application of all `COMMANDS`."""
    app = typer.Typer(
        name="htnet",
        help="Micro-expressions recognised live from an ordinary webcam.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    apps = {"": app}
    for group, told in GROUPS.items():
        apps[group] = typer.Typer(help=told, no_args_is_help=True)
        app.add_typer(apps[group], name=group)
    for typed, command in COMMANDS.items():
        group, _, name = typed.rpartition(" ")
        apps[group].command(name)(expand_groups(command))
    return app


def _ray_address(arguments: list[str]) -> list[str]:
    """Return ``arguments`` with "local" after a ``--ray`` without an address; Typer has no options
    with an optional value. After `analyze --ray` a video may come."""
    made = []
    for place, each in enumerate(arguments):
        made.append(each)
        if each != "--ray":
            continue
        after = (*arguments[place + 1 : place + 2], "--")[0]
        if after.startswith("--") or (arguments[0] == "analyze" and not _ADDRESS.fullmatch(after)):
            made.append("local")
    return made


def _repeated_options(arguments: list[str]) -> list[str]:
    """Return ``arguments`` with ``--inject`` and ``--speaking`` repeated before each of several
    videos; Typer's options take one value each."""
    if arguments[:2] != ["evaluate", "live"]:
        return arguments
    made: list[str] = []
    option = ""
    for each in arguments:
        if each.startswith("-"):
            option = each if each in ("--inject", "--speaking") else ""
        elif option and made[-1] != option:
            made.append(option)
        made.append(each)
    return made


def main() -> None:
    """Run the command that was typed; the one place that turns an `HTNetError` into a sentence on
    stderr and an exit code."""
    stop_on_signals()
    try:
        command_line()(_repeated_options(_ray_address(sys.argv[1:])))
    except HTNetError as error:
        print(f"htnet: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ImportError as error:
        print(
            f"htnet: Expected all its libraries; one cannot be loaded ({error}): install htnet "
            "anew, and on a minimal Linux the system's libgl1 and libglib2.0-0.",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
