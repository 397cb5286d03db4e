"""Which documents stood in which step: recomputed from data and config, nothing was recorded."""

from collections.abc import Iterator
from dataclasses import dataclass

from trainer.errors import RefusedError
from trainer.setup import Prepared


@dataclass(frozen=True)
class Seen:
    """A run of tokens of a document in a row of a step."""

    step: int  # from 1, as in metrics.jsonl
    row: int  # of the run, from 0
    id: str
    source: str
    start: int  # tokens of the document, half open
    end: int


def trace_step(prepared: Prepared, step: int) -> list[Seen]:
    """Everything that was trained on in a step."""
    budget = prepared.budget
    if not 1 <= step <= budget.steps:
        raise RefusedError(f"there is no step {step}", "trace", f"The run has steps 1 to {budget.steps}.")
    first = (step - 1) * budget.batch_rows
    rows = range(first, min(first + budget.batch_rows, budget.rows))
    return list(_seen(prepared, rows))


def trace_document(prepared: Prepared, name: str) -> list[Seen]:
    """Every place in the run where a document stood."""
    shards = prepared.shards
    numbers = {n for n, known in enumerate(shards.ids(list(range(shards.n_documents)))) if known == name}
    if not numbers:
        raise RefusedError(
            f'no document "{name}" in the training data', "trace", "Give an id as in the ledger."
        )
    found = _seen(prepared, range(prepared.budget.rows), numbers)
    return list(found)


def _seen(prepared: Prepared, rows: range, only: set[int] | None = None) -> Iterator[Seen]:
    shards, budget = prepared.shards, prepared.budget
    for row in rows:
        held = [piece for piece in prepared.plan.pieces_of(row) if only is None or piece[0] in only]
        names = shards.ids([document for document, _, _ in held])
        for (document, start, end), name in zip(held, names, strict=True):
            source = shards.source_names[int(shards.sources[document])]
            yield Seen(row // budget.batch_rows + 1, row, name, source, start, end)
