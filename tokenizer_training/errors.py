"""The package's one error."""

from dataflow.errors import DataflowError


class TokenizerError(DataflowError):
    """A tokenizer that cannot be trained, read or trusted, and what to do about it."""
