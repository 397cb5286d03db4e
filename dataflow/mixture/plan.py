"""The plan of the corpus: which document stands where, in which phase, in which epoch.

Decisions and signals go in, never a text. Amounts are resolved to documents once (``draw``), put into an
order whose every prefix has the phase's proportions (``order``), and cut into corpus parts. The trade-off:
a few numbers for each kept document are held in memory, which buys an exact plan in seconds; ids and
strings stay in DuckDB, which spills.

    plan/<phase>.parquet, plan/validation.parquet   schema PLAN by position, a row group for each corpus part
    plan/routes/<source>/<shard>.arrow              where the rows of a shard of documents go (for ``scatter``)
    plan/mixture.json                               the mixture as it came out (for ``tree``)
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.config import parse_size
from dataflow.errors import DataflowError
from dataflow.mixture.candidates import Candidates, DocumentPart, load, signals_schema
from dataflow.mixture.config import VALIDATION, Mixture, Phase, Unit, Validation
from dataflow.mixture.draw import Integers, Pool, shuffle
from dataflow.mixture.expressions import check, closed_connection, condition, evaluate, rank
from dataflow.mixture.holdout import held_out
from dataflow.mixture.order import interleave
from dataflow.mixture.rehydrate import copies, readings, repeated
from dataflow.mixture.tree import Branch
from dataflow.store.documents import PLAN
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 2
"""Raise when the bytes of the plan change."""

PART_BYTES = 64_000_000
"""Bytes of text in a corpus part: enough to stream, little enough for a worker to sort in memory."""

_ROWS_AT_ONCE = 50_000

ROUTES = pa.schema(
    {
        "row": pa.int64(),  # of the document in its shard
        "phase": pa.int32(),  # index into the names in the schema's metadata
        "part": pa.int32(),  # corpus part of the phase
        "position": pa.int64(),
        "epoch": pa.int32(),
    }
)


@dataclass(frozen=True)
class _Planned:
    """A phase (or validation) in its order; ``rows`` are indices into the candidates."""

    name: str
    rows: Integers
    epochs: Integers
    parts: Integers  # corpus part of each row, from 0 without gaps


def make_plan(
    store: Storage,
    parts: Sequence[DocumentPart],
    mixture: Mixture,
    validation: Validation,
    seed: int,
    memory_limit: int | str = "2G",
    part_bytes: int = PART_BYTES,
) -> Made:
    """Write the plan of all phases and of validation; ``parts`` are all (source, shard) of the corpus.

    Amounts: a phase takes ``budget * share * weight`` from each source, in tokens where every kept document
    has its count (or, where passages were cut, an estimate from it) and the budget is not in bytes, else in
    bytes. They are met within a document summed over the phases so far, so that no phase inherits the surplus
    of another. Without a budget it is the size of all documents that some phase may draw. How documents are
    drawn: ``dataflow.mixture.draw``; which of them more than once an epoch: ``dataflow.mixture.rehydrate``.

    ``order`` arranges what a phase drew from each source. A document drawn twice by one phase, as the next epoch
    or as a copy, comes the second time after all first ones: the phase then goes through the order again.
    """
    limit = parse_size(memory_limit)
    if not isinstance(limit, int):
        raise ValueError(f"memory_limit is a size like 2G, not {memory_limit!r}")
    parts = sorted(parts)
    if not parts:
        raise DataflowError("there are no documents to mix", store.url, "Run `dataflow curate` first.")
    columns = check(mixture, sorted({source for source, _ in parts}), signals_schema(store, parts))
    with closed_connection(limit) as connection:
        candidates = load(connection, store, parts, columns, seed)
        held = held_out(candidates, validation)
        if held.all():
            raise DataflowError(
                f"no document is left to train on: of {candidates.first_rows[-1]} none was kept",
                "decisions",
                "`dataflow stats` shows which rules drop them.",
            )
        phases, branches = _draw_phases(connection, candidates, np.flatnonzero(~held), mixture)
        planned = [_cut(candidates, name, *drawn, part_bytes) for name, drawn in phases.items()]
        planned.append(_cut(candidates, VALIDATION, *_validation_order(candidates, held), part_bytes))
        outputs = [_write_phase(connection, store, candidates, phase) for phase in planned]
    outputs += _write_routes(store, candidates, planned)
    store.write_json("plan/mixture.json", [asdict(branch) for branch in branches])
    return Made((*outputs, "plan/mixture.json"), _counts(candidates, held, planned))


def _draw_phases(
    connection: duckdb.DuckDBPyConnection, candidates: Candidates, train: Integers, mixture: Mixture
) -> tuple[dict[str, tuple[Integers, Integers]], list[Branch]]:
    """For each phase its rows in order and their epochs, and what came of each source in it."""
    budget = mixture.parsed_budget
    unit: Unit = "tokens" if candidates.tokens_known and not (budget and budget.unit == "bytes") else "bytes"
    sizes = np.maximum(candidates.n_tokens if unit == "tokens" else candidates.n_bytes, 1)
    times = copies(mixture.rehydrate, candidates.stands_for[train])
    documents, keys = repeated(candidates.keys[train], times)
    train = train[documents]
    of = [candidates.source[train] == number for number in range(len(candidates.sources))]
    by_source = [train[mine] for mine in of]
    pools = [
        Pool.of(sizes[rows], keys[mine], mixture.max_epochs) for rows, mine in zip(by_source, of, strict=True)
    ]
    eligibles = [_eligible(connection, by_source, phase) for phase in mixture.phases]
    shares = [
        _weights(*each, candidates.sources, pools) for each in zip(mixture.phases, eligibles, strict=True)
    ]
    if budget is not None:
        amount = budget.amount * (mixture.bytes_per_token if budget.unit != unit else 1.0)
    else:
        amount = _size_of_all(pools, eligibles, shares)
    due = np.zeros(len(pools))  # what all phases so far should have drawn from each source
    whole = sum(phase.share for phase in mixture.phases)
    phases, branches = {}, []
    for phase, eligible, weights in zip(mixture.phases, eligibles, shares, strict=True):
        due += amount * phase.share / whole * weights
        place = f"mixture.phases ({phase.name}), order"
        ranks = evaluate(connection, rank(phase.order), place) if phase.order else None
        drawn = []
        for number, source in enumerate(candidates.sources):
            pool, wanted = pools[number], round(due[number]) - pools[number].drawn
            _check_capacity(pool, eligible[number], wanted, source, phase, mixture, unit)
            chosen, epochs = pool.draw(eligible[number], wanted)
            rows = by_source[number][chosen]
            if ranks is not None:
                order = np.lexsort((ranks[rows], readings([rows])[0]))
                rows, epochs = rows[order], epochs[order]
            drawn.append((rows, epochs))
            branches.append(_branch(candidates, phase.name, number, rows, by_source[number], weights[number]))
        order = interleave([sizes[rows] for rows, _ in drawn])
        phases[phase.name] = (
            np.concatenate([rows for rows, _ in drawn])[order],
            np.concatenate([epochs for _, epochs in drawn])[order],
        )
    if mixture.rehydrate:  # an epoch of the source may read a document more than once
        epochs_of = readings([rows for rows, _ in phases.values()])
        phases = {
            name: (rows, epochs) for (name, (rows, _)), epochs in zip(phases.items(), epochs_of, strict=True)
        }
    return phases, branches


def _eligible(
    connection: duckdb.DuckDBPyConnection, by_source: list[Integers], phase: Phase
) -> list[Integers]:
    """For each source the indices, among its training documents, that the phase's ``where`` lets through."""
    if not phase.where:
        return [np.arange(len(rows)) for rows in by_source]
    passes = evaluate(connection, condition(phase.where), f"mixture.phases ({phase.name}), where")
    return [np.flatnonzero(passes[rows]) for rows in by_source]


def _weights(
    phase: Phase, eligible: list[Integers], sources: Sequence[str], pools: list[Pool]
) -> npt.NDArray[np.float64]:
    """The proportion of each source in the phase, summing to 1."""
    there = np.zeros(len(pools))
    for number, (pool, rows) in enumerate(zip(pools, eligible, strict=True)):
        there[number] = pool.sizes[rows].sum()
    for source, weight in phase.weights.items():
        if weight > 0 and there[sources.index(source)] == 0:
            restricted = phase.where and len(pools[sources.index(source)].sizes) > 0
            lost = " that `where` lets through" if restricted else ""
            raise DataflowError(
                f'source "{source}" has a weight but no kept document{lost}',
                f"mixture.phases ({phase.name})",
                f'Take "{source}" out of the weights, or loosen what drops its documents.',
            )
    if not there.any():
        fix = "Loosen its `where`."
        raise DataflowError("no kept document can be drawn", f"mixture.phases ({phase.name})", fix)
    if phase.weights:
        there = np.array([phase.weights.get(source, 0.0) for source in sources])
    there /= there.sum()
    return there


def _size_of_all(
    pools: list[Pool], eligibles: list[list[Integers]], weights: list[npt.NDArray[np.float64]]
) -> float:
    """The size of the documents that at least one phase may draw."""
    total = 0
    for number, pool in enumerate(pools):
        drawable = np.zeros(len(pool.sizes), dtype=np.bool_)
        for eligible, weight in zip(eligibles, weights, strict=True):
            if weight[number] > 0:
                drawable[eligible[number]] = True
        total += int(pool.sizes[drawable].sum())
    return float(total)


def _check_capacity(
    pool: Pool, eligible: Integers, wanted: int, source: str, phase: Phase, mixture: Mixture, unit: Unit
) -> None:
    """A DataflowError where the source cannot give what the phase wants under the epoch cap."""
    have = pool.capacity(eligible)
    if wanted <= have:
        return
    once = int(pool.sizes[eligible].sum())
    used = int((pool.sizes[eligible] * pool.used[eligible]).sum())
    what = (
        f'source "{source}" holds {once:,} {unit}{" under `where`" if phase.where else ""}; with max_epochs '
        f"{mixture.max_epochs:g} and what earlier phases drew it can give {have:,}, but {wanted:,} are needed"
    )
    feasible = (pool.drawn + have) / (pool.drawn + wanted)
    epochs = -(-(used + wanted) * 10 // once) / 10
    fix = (
        f'Set mixture.budget to about {feasible:.0%} of what it is, lower the weight of "{source}", '
        f"or raise mixture.max_epochs to {epochs:g}."
    )
    raise DataflowError(what, f"mixture.phases ({phase.name})", fix)


def _branch(
    candidates: Candidates, phase: str, source: int, rows: Integers, all_rows: Integers, weight: float
) -> Branch:
    available = int(candidates.n_bytes[all_rows].sum())
    drawn = int(candidates.n_bytes[rows].sum())
    return Branch(
        phase=phase,
        source=candidates.sources[source],
        weight=float(weight),
        documents=len(rows),
        n_bytes=drawn,
        n_tokens=int(candidates.n_tokens[rows].sum()) if candidates.tokens_known else None,
        exact_tokens=candidates.exact_tokens,
        available_bytes=available,
        epochs=drawn / available if available else 0.0,
    )


def _validation_order(candidates: Candidates, held: npt.NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Validation in proportion too: its first documents are a fair sample of all of it."""
    rows = [np.flatnonzero(held & (candidates.source == number)) for number in range(len(candidates.sources))]
    rows = [each[shuffle(candidates.keys[each], 0)] for each in rows]
    order = interleave([np.maximum(candidates.n_bytes[each], 1) for each in rows])
    together = np.concatenate(rows)[order]
    return together, np.zeros(len(together), dtype=np.int64)


def _cut(candidates: Candidates, name: str, rows: Integers, epochs: Integers, part_bytes: int) -> _Planned:
    """The phase cut into corpus parts: a document belongs to the part in which its first byte falls."""
    sizes = candidates.n_bytes[rows]
    _, parts = np.unique((np.cumsum(sizes) - sizes) // part_bytes, return_inverse=True)
    return _Planned(name, rows, epochs, parts.astype(np.int64))


def _write_phase(
    connection: duckdb.DuckDBPyConnection, store: Storage, candidates: Candidates, phase: _Planned
) -> str:
    """``plan/<phase>.parquet``: one row group for each corpus part."""
    path = f"plan/{phase.name}.parquet"
    positions = pa.table(
        {
            "doc": candidates.doc[phase.rows],
            "position": np.arange(len(phase.rows)),
            "epoch": phase.epochs.astype(np.int32),
        }
    )
    connection.register("positions", positions)
    query = """
        SELECT id, source, position, epoch, n_bytes, CASE WHEN NOT cut THEN n_tokens END AS n_tokens
        FROM positions JOIN kept USING (doc) ORDER BY position
    """
    with (
        connection.sql(query).to_arrow_reader(_ROWS_AT_ONCE) as reader,
        store.parquet_writer(path, PLAN) as writer,
    ):
        for table in _regroup(reader, np.bincount(phase.parts).tolist()):
            named = table.append_column("phase", pa.repeat(phase.name, len(table)))
            writer.write_table(named.select(PLAN.names).cast(PLAN), row_group_size=len(named))
    connection.unregister("positions")
    return path


def _regroup(batches: pa.RecordBatchReader, lengths: list[int]) -> Iterator[pa.Table]:
    """The same rows in tables of the given lengths."""
    held: list[pa.RecordBatch] = []
    for length in lengths:
        while (have := sum(len(batch) for batch in held)) < length:
            held.append(batches.read_next_batch())
        table = pa.Table.from_batches(held)
        yield table.slice(0, length).combine_chunks()
        held = table.slice(length).to_batches() if have > length else []


def _write_routes(store: Storage, candidates: Candidates, planned: Sequence[_Planned]) -> list[str]:
    """For each shard of documents, where its rows go, by phase, corpus part and position."""
    names = [phase.name for phase in planned]
    schema = ROUTES.with_metadata({"phases": ",".join(names)})
    docs = np.concatenate([candidates.doc[phase.rows] for phase in planned])
    columns = {
        "phase": np.repeat(np.arange(len(planned), dtype=np.int32), [len(phase.rows) for phase in planned]),
        "part": np.concatenate([phase.parts for phase in planned]).astype(np.int32),
        "position": np.concatenate([np.arange(len(phase.rows), dtype=np.int64) for phase in planned]),
        "epoch": np.concatenate([phase.epochs for phase in planned]).astype(np.int32),
    }
    shards = np.searchsorted(candidates.first_rows, docs, side="right") - 1
    order = np.argsort(shards, kind="stable")  # rows come by phase, part and position already
    ends = np.searchsorted(shards[order], np.arange(len(candidates.parts) + 1))
    outputs = []
    for shard, (source, part) in enumerate(candidates.parts):
        mine = order[ends[shard] : ends[shard + 1]]
        rows = docs[mine] - candidates.first_rows[shard]
        table = pa.table({"row": rows, **{name: column[mine] for name, column in columns.items()}}, schema)
        path = f"plan/routes/{source}/{part}.arrow"
        with store.create(path) as stream, pa.ipc.new_file(stream, schema) as writer:
            writer.write_table(table.combine_chunks())
        outputs.append(path)
    return outputs


def _counts(
    candidates: Candidates, held: npt.NDArray[np.bool_], planned: Sequence[_Planned]
) -> dict[str, int]:
    """Documents kept, by what became of them, and what each phase draws."""
    trained = np.zeros(len(candidates), dtype=np.bool_)
    counts = {"kept": len(candidates), "validation": int(held.sum())}
    for phase in planned:
        if phase.name != VALIDATION:
            trained[phase.rows] = True
        counts[f"documents:{phase.name}"] = len(phase.rows)
        counts[f"bytes:{phase.name}"] = int(candidates.n_bytes[phase.rows].sum())
        counts[f"parts:{phase.name}"] = int(phase.parts[-1]) + 1 if len(phase.parts) else 0
    counts["train"] = int(trained.sum())
    counts["unused"] = counts["kept"] - counts["train"] - counts["validation"]
    return counts
