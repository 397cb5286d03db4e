"""What a law of the tables is, and how those that do not hold are found.

A law counts what breaks it and names one example, so that a breach says where to look. Which laws there are stands
in ``laws`` and ``laws_of_duplicates``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb

from dataflow.errors import DataflowError

_AGAIN = "Run `dataflow run` with the recipe again: it makes what is missing or wrong."


@dataclass(frozen=True)
class Law:
    """A statement on the tables, and SQL for the ids (or places) that break it."""

    step: str  # that writes what the law is about
    says: str  # of one that breaks it
    where: str
    sql: str
    needs: tuple[str, ...]  # kinds of file without which there is nothing to ask

    def of(self, line: str, folder: str) -> "Law":
        """The law for one line: the corpus or the instructions, whose one step is ``instruct``."""
        return replace(
            self,
            step="instruct" if line else self.step,
            where=self.where.format(folder=folder),
            sql=self.sql.format(line=line),
            needs=tuple(line + kind for kind in self.needs),
        )


def broken(con: duckdb.DuckDBPyConnection, laws: Sequence[Law]) -> Iterator[DataflowError]:
    """An error for each law that does not hold; laws of tables that are not there hold."""
    steps = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    for law in laws:
        if not set(law.needs) <= set(steps):
            continue
        sql = f"SELECT count(*), min(broken) FROM ({law.sql}) AS found(broken)"
        count, example = con.execute(sql).fetchall()[0]
        if count:
            more = f" (and {count - 1:,} more)" if count > 1 else ""
            yield DataflowError(f"{law.says}: {example}{more}", law.where, _AGAIN)
