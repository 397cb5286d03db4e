"""What may go wrong in training and how it is told: one error type, and one for "stopped, run again"."""

from dataflow.errors import DataflowError


class TrainerError(DataflowError):
    """Training cannot start or go on."""


class RefusedError(TrainerError):
    """The call is wrong: nothing was run."""

    exit_status = 2


class InterruptedRunError(TrainerError):
    """A signal stopped the run after its checkpoint was saved; the same command continues it."""

    exit_status = 3
