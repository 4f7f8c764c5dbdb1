"""Sinks of Ticks: context managers with ``write(tick)``.

A sink raises `UsageError` in its constructor for what it cannot do, before a camera is opened. What
it has begun stays whole and readable, whatever ends the run.
"""
