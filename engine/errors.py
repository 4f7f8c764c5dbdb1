"""Exceptions of htnet; the CLI prints their sentence and exits with their code.

    HTNetError
    |-- UsageError        the request cannot be understood (exit 2)
    |-- SourceError       a camera, file or address gives no pictures
    |-- FaceError         no face where one is needed, or its tracker cannot start
    |-- WeightsError      a weights file is corrupt, of another shape, or holds more than tensors
    |-- DataError         a dataset is incomplete or contradicts itself
    |-- EngineError       a compiled graph cannot be built, read or run here
    |-- OutputError       a result cannot be written, or not to its end
    `-- DependencyError   a required library is missing or broken

Every message has the form: expected ...; got ...: do ....
"""


class HTNetError(Exception):
    """Base of every error that a user can cause or mend; ``exit_code``: of the process."""

    exit_code = 1


class UsageError(HTNetError):
    """The request cannot be understood."""

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
    """A required library is missing or broken."""
