"""Run by BORIS's own Python: opens a project and takes in a table, and prints what BORIS has.

Arguments: the project, the table, a spreadsheet of it. Nothing of htnet is imported.
"""

import json
import os
import platform
import sys
from importlib.metadata import version

os.environ["QT_QPA_PLATFORM"] = "offscreen"
project_file, table_file, sheet_file = sys.argv[1:]
sys.argv = ["boris", "--nosplashscreen", "--no-first-launch-dialog"]

from PyQt5.QtCore import QT_VERSION_STR
from PyQt5.QtWidgets import QApplication, QMessageBox

application = QApplication(sys.argv)

from boris import config as cfg
from boris import (
    core,
    db_functions,
    event_operations,
    import_observations,
    observation_operations,
    project_functions,
)

said: list[str] = []
for kind in ("critical", "warning", "information"):
    # A message box would wait for a click.
    setattr(QMessageBox, kind, staticmethod(lambda *args: said.append(str(args[2]))))


def aggregated(project: dict, subjects: list[str]) -> list[list[object]]:
    """Events as BORIS pairs them: behaviour, modifier, start, stop, comment."""
    codes = [each[cfg.BEHAVIOR_CODE] for each in project[cfg.ETHOGRAM].values()]
    names = list(project[cfg.OBSERVATIONS])
    done, told, database = db_functions.load_aggregated_events_in_db(
        project, subjects, names, codes
    )
    assert done, told
    rows = database.execute(
        "SELECT behavior, modifiers, start, stop, comment FROM aggregated_events ORDER BY start"
    )
    return [list(row) for row in rows]


def opened(window: core.MainWindow) -> dict[str, object]:
    """Open the project as the menu does."""
    path, changed, project, told = project_functions.open_project_json(project_file)
    assert "error" not in project, project
    window.load_project(path, changed, project)
    integrity = project_functions.check_project_integrity(project, cfg.HHMMSS, path, True)
    (name,) = project[cfg.OBSERVATIONS]
    wrong = observation_operations.load_observation(window, name, cfg.VIEW)
    subjects = [each["name"] for each in project[cfg.SUBJECTS].values()] or [cfg.NO_FOCAL_SUBJECT]
    state = window.tv_events.model().rowCount() if window.tv_events.model() else 0
    return {
        "observation": name,
        "type": project[cfg.OBSERVATIONS][name][cfg.TYPE],
        "converted": [changed, told],
        "integrity": integrity.replace("<br>", "").strip(),
        "wrong": wrong,
        "behaviors": window.twEthogram.rowCount(),
        "subjects": window.twSubjects.rowCount(),
        "shown": state,
        "length": str(
            observation_operations.observation_total_length(project[cfg.OBSERVATIONS][name])
        ),
        "events": aggregated(project, subjects),
    }


def imported(window: core.MainWindow) -> dict[str, object]:
    """Take the table's rows from a spreadsheet, and from the clipboard, into a live observation."""
    found = {}
    for way in ("sheet", "clipboard"):
        path, changed, project, _ = project_functions.open_project_json(project_file)
        (name,) = project[cfg.OBSERVATIONS]
        observation = project[cfg.OBSERVATIONS][name]
        observation[cfg.TYPE], observation[cfg.EVENTS] = cfg.LIVE, []
        window.load_project(path, changed, project)
        window.observationId, window.playerType = name, cfg.LIVE
        if way == "sheet":
            import_observations.load_observations_from_spreadsheet(window, sheet_file)
        else:
            with open(table_file, encoding="utf-8") as file:
                rows = file.read().rstrip("\n").split("\n")[1:]
            QApplication.clipboard().setText("\n".join(rows))
            event_operations.paste_clipboard_to_events(window)
        found[way] = [
            [float(event[0]), *event[1:]] for event in window.pj[cfg.OBSERVATIONS][name][cfg.EVENTS]
        ]
    return found


main = core.MainWindow("ffmpeg")
result = {
    "versions": {
        "boris": version("boris-behav-obs"),
        "python": platform.python_version(),
        "qt": QT_VERSION_STR,
    },
    "opened": opened(main),
    "imported": imported(main),
    "said": said,
}
print("RESULT " + json.dumps(result))
os._exit(0)  # leave without the questions of a closing window
