"""File formats of events: rows of JSON and CSV, and documents of annotation programs.

`realtime.formats.suffixes` finds the format of a file's name. The input of all is `Event.row`,
described in ``schema/event.schema.json``.
"""
