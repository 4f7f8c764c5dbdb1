"""One exception tree; the CLI turns any of them into one sentence and an exit code.

    HTNetError
    |-- UsageError        what was asked for cannot be understood (exit 2)
    |-- SourceError       a camera, file or address gives no pictures
    |-- FaceError         no face where one is needed, or its tracker cannot start
    |-- WeightsError      a weights file is corrupt, of another shape, or holds more than tensors
    |-- DataError         a dataset is incomplete or contradicts itself
    |-- EngineError       a compiled graph cannot be built, read or run here
    |-- OutputError       a result cannot be written, or not to its end
    `-- DependencyError   a library this part needs is missing or broken

Every message says what was expected, what came, and what to do.
"""


class HTNetError(Exception):
    """Base of every error a user can cause or mend; ``exit_code`` is the process's."""

    exit_code = 1


class UsageError(HTNetError):
    """What was asked for cannot be understood."""

    exit_code = 2


class SourceError(HTNetError):
    """A camera, file or address gives no pictures."""


class FaceError(HTNetError):
    """No face where one is needed, or the face tracker cannot start."""


class WeightsError(HTNetError):
    """A weights file is corrupt, of another shape, or holds more than tensors."""


class DataError(HTNetError):
    """A dataset is incomplete or contradicts itself."""


class EngineError(HTNetError):
    """A compiled graph cannot be built, read or run here."""


class OutputError(HTNetError):
    """A result cannot be written, or not to its end."""


class DependencyError(HTNetError):
    """A library that this part needs is missing or broken."""
