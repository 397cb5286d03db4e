"""The one error a user is meant to read: what was wrong, where, and what to do.

The command line prints it as one line and exits with ``exit_status``; anything else that escapes is a bug
and keeps its traceback.
"""


class DataflowError(Exception):
    """A failure explained to the user in three parts.

    Args:
        what: what was wrong, with the value that was found.
        where: file, record, field or recipe key; may be empty.
        fix: what to do about it; may be empty.
    """

    exit_status = 1

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)  # all three, so that the error survives pickling between processes
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.what}" if self.where else self.what
        return f"{sentence}. {self.fix}" if self.fix else sentence


class RecipeError(DataflowError):
    """The call or the recipe is wrong: nothing was run."""

    exit_status = 2
