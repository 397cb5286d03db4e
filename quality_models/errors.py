"""The package's one error."""

from dataflow.errors import DataflowError


class QualityError(DataflowError):
    """A quality model that cannot be trained, read or trusted, and what to do about it."""
