"""What a run says: lines for a person, which stand on the terminal and in the log of the flow run in the UI.

Prefect's console handler is silent on the command line and speaks where ``dataflow serve`` runs flows; a line is
printed by one of the two, never by both.
"""

import logging

from prefect import get_run_logger
from prefect.exceptions import MissingContextError
from rich.console import Console

from dataflow.catalog.render import render
from dataflow.catalog.table import Table
from dataflow.errors import DataflowError
from flows.progress import console

_WIDE = 200  # characters of a line of a table


def say(line: str) -> None:
    """Print a line and keep it in the log of the flow or task run."""
    try:
        logger = get_run_logger()
    except MissingContextError:
        console.print(line, markup=False)
        return
    logger.info("%s", line)
    if not any(handler.level <= logging.INFO for handler in logging.getLogger().handlers):
        console.print(line, markup=False)


def say_table(table: Table) -> None:
    """A table, line by line; nothing where it has no rows."""
    if table.rows:
        drawn = Console(width=_WIDE, color_system=None)
        with drawn.capture() as captured:
            drawn.print(render(table))
        for line in captured.get().splitlines():
            say(line.rstrip())


class _OneLine(logging.Filter):
    """An error that a user may meet is one line in the log; a traceback is for faults of the program."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, DataflowError):
            record.msg, record.args = str(error), ()
            record.exc_info = record.exc_text = None
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):  # records of runs pass here first, then the console
    for _handler in logging.getLogger(_name).handlers:
        _handler.addFilter(_OneLine())
