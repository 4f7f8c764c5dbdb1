"""Where Ticks go: context managers with ``write(tick)``.

Each says what it cannot do when it is made, in a `UsageError`, before a camera is opened; what it
has begun stays whole and readable, whatever ends the run.
"""
