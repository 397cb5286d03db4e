"""Train, validation and test conversations, divided by prompt.

A prompt, all that is asked before the first answer, is hashed with the seed; the hash says which split it
falls into. So equal prompts are always on the same side, and a conversation keeps its side when others come
or go. The price is that shares are met on average, not exactly. A prompt that alone makes up more than a
tenth of a split's maximum is trained on: it would fill the split with one question. Training order is a
seeded shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from dataflow.config import Config, Size

if TYPE_CHECKING:  # the configuration is imported for --help: nothing heavy
    import duckdb
    import pyarrow as pa

    from dataflow.store.manifest import Made
    from dataflow.store.storage import Storage

VERSION = 1
"""Raised when the same conversations and settings would give other splits."""

SPLITS = ("train", "validation", "test")
PLAN_PATH = "instructions/plan/part-00000.parquet"
PART_BYTES = 64_000_000
"""Text of one part of ``instructions/corpus``, before compression."""

Share = Annotated[float, Field(ge=0, lt=1)]


class Splits(Config):
    """How instruction data is divided."""

    validation: Share = 0.05
    """Share of prompts held out to watch training."""
    test: Share = 0.05
    """Share of prompts held out for evaluation afterwards."""
    max_validation: Size = 500
    """At most so many conversations for validation; the rest is trained on."""
    max_test: Size = 500
    """At most so many conversations for test; the rest is trained on."""

    @model_validator(mode="after")
    def _leave_something(self) -> Splits:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


def split(store: Storage, config: Splits, seed: int, memory_limit: int = 1_000_000_000) -> Made:
    """Write ``instructions/plan`` and ``instructions/corpus/<split>`` for what passed and was not removed since.

    Counts: ``documents``, and of them ``train``, ``validation``, ``test``.
    """
    from dataflow.instructions.database import contaminated, database, dropped, load, passed
    from dataflow.store.documents import INSTRUCTIONS, PLAN
    from dataflow.store.manifest import Made

    with database(memory_limit) as connection:
        columns = ["id", "source", "messages", "n_bytes"]
        load(connection, "keyed", _keyed(passed(store, columns), seed), _keyed_schema())
        connection.register("dropped", dropped(store))
        connection.register("contaminated", contaminated(store))
        for statement in _decide(config):
            connection.execute(statement)
        with store.parquet_writer(PLAN_PATH, PLAN) as writer:
            for batch in connection.sql(_PLAN_ROWS).to_arrow_reader():
                writer.write_table(_as_table(batch, PLAN))
        schema = _corpus_schema()
        stored = [INSTRUCTIONS.field(name) for name in columns]
        connection.register("stored", _reader(passed(store, columns), stored))
        outputs = _write_corpus(store, connection, schema)
        counted = connection.sql("SELECT phase, count(*) FROM plan GROUP BY phase").fetchall()
    counts = dict.fromkeys(SPLITS, 0) | {str(phase): int(n) for phase, n in counted}
    return Made((PLAN_PATH, *outputs), {"documents": sum(counts.values()), **counts})


def prompt(messages: list[dict[str, str]]) -> str:
    """All that is asked before the first answer, without a system turn: many conversations share one."""
    asked = []
    for message in messages:
        if message["role"] == "assistant":
            break
        if message["role"] != "system":
            asked.append(message["content"])
    return "\n".join(asked)


def _keyed_schema() -> pa.Schema:
    import pyarrow as pa

    texts = {"id": pa.string(), "source": pa.string(), "prompt": pa.binary(16)}
    return pa.schema({**texts, "key": pa.int64(), "shuffle": pa.int64(), "n_bytes": pa.int64()})


def _keyed(batches: Iterator[pa.RecordBatch], seed: int) -> Iterator[pa.RecordBatch]:
    """Hash of each prompt, its place among all prompts, and the place of each id in the shuffle."""
    import pyarrow as pa
    import xxhash

    from dataflow.dedup.exact import exact_hashes

    unsigned = seed & (2**64 - 1)
    for batch in batches:
        prompts = pa.array(
            [prompt(messages) for messages in batch["messages"].to_pylist()], pa.large_string()
        )
        hashes = exact_hashes(prompts)
        places = [xxhash.xxh3_64_intdigest(one, unsigned) >> 1 for one in hashes.to_pylist()]
        shuffled = [
            xxhash.xxh3_64_intdigest(name.encode(), unsigned) >> 1 for name in batch["id"].to_pylist()
        ]
        columns = [batch["id"], batch["source"], hashes, places, shuffled, batch["n_bytes"]]
        arrays = [
            column if isinstance(column, pa.Array) else pa.array(column, pa.int64()) for column in columns
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=_keyed_schema())


def _decide(config: Splits) -> list[str]:
    """SQL that puts every prompt into a split and numbers the conversations: the table ``plan``."""
    first, second = int(config.validation * 2**63), int((config.validation + config.test) * 2**63)
    return [
        "CREATE TABLE kept AS FROM keyed ANTI JOIN dropped USING (id) ANTI JOIN contaminated USING (id)",
        f"""
        CREATE TABLE prompts AS
        SELECT prompt, key, count(*) AS n,
            CASE
                WHEN key < {first} THEN 'validation' WHEN key < {second} THEN 'test' ELSE 'train'
            END AS drawn,
            CASE WHEN key < {first} THEN {config.max_validation} ELSE {config.max_test} END AS most
        FROM kept GROUP BY prompt, key
        """,
        """
        CREATE TABLE decided AS
        SELECT prompt, drawn AS phase FROM (
            SELECT *, sum(n) OVER (PARTITION BY drawn ORDER BY key, prompt) AS so_far
            FROM prompts WHERE drawn <> 'train' AND n <= greatest(1, most // 10)
        ) WHERE so_far <= most
        """,
        f"""
        CREATE TABLE plan AS
        SELECT id, source, phase, position, n_bytes,
            (sum(n_bytes) OVER (PARTITION BY phase ORDER BY position) - n_bytes) // {PART_BYTES} AS part
        FROM (
            SELECT id, source, n_bytes, coalesce(phase, 'train') AS phase,
                row_number() OVER (PARTITION BY coalesce(phase, 'train') ORDER BY shuffle, id) - 1 AS position
            FROM kept LEFT JOIN decided USING (prompt)
        )
        """,
    ]


_PLAN_ROWS = """
    SELECT id, source, phase, position, CAST(0 AS INTEGER) AS epoch, n_bytes, CAST(NULL AS BIGINT) AS n_tokens
    FROM plan ORDER BY phase, position
"""

_CORPUS_ROWS = """
    SELECT plan.phase, CAST(plan.part AS BIGINT) AS part, stored.id, stored.source, stored.messages,
        stored.n_bytes, plan.position
    FROM stored JOIN plan USING (id) ORDER BY plan.phase, plan.position
"""


def _write_corpus(store: Storage, connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> list[str]:
    """Every conversation in plan order, some 64 MB of text a part; returns the paths."""
    from contextlib import ExitStack

    outputs: list[str] = []
    with ExitStack() as stack:
        writer = None
        for batch in connection.sql(_CORPUS_ROWS).to_arrow_reader(1024):
            for phase, part, rows in _runs(batch):
                path = f"instructions/corpus/{phase}/part-{part:05d}.parquet"
                if not outputs or outputs[-1] != path:
                    stack.close()
                    writer = stack.enter_context(store.parquet_writer(path, schema))
                    outputs.append(path)
                if writer is not None:
                    writer.write_table(_as_table(rows, schema))
    return outputs


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[str, int, pa.RecordBatch]]:
    """Slices of a batch whose rows go to the same part."""
    places = list(zip(batch["phase"].to_pylist(), batch["part"].to_pylist(), strict=True))
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[start]:
            yield *places[start], batch.slice(start, end - start)
            start = end


def _corpus_schema() -> pa.Schema:
    import pyarrow as pa

    from dataflow.store.documents import INSTRUCTIONS

    fields = [INSTRUCTIONS.field(name) for name in ("id", "source", "messages", "n_bytes")]
    return pa.schema([*fields, pa.field("position", pa.int64())])


def _reader(batches: Iterator[pa.RecordBatch], fields: list[pa.Field]) -> pa.RecordBatchReader:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(pa.schema(fields), batches)


def _as_table(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch]).select(schema.names).cast(schema)
