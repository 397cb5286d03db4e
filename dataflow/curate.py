"""The one pass over a shard: read, extract, transform, scrub, measure, sign, write.

Everything that needs a document's text happens here, batch by batch, so that a text is read once and memory is
bounded by a batch. Signals and signature are of the text *as stored*; what happens to a document afterwards is
decided from them without opening the text again. Every record of the input ends in ``documents`` or in
``quarantine``; the counts returned say so.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.dedup.exact import exact_hashes
from dataflow.kernels.scan import analyse
from dataflow.kernels.signatures import Unit, sign
from dataflow.readers.open import Batch, read
from dataflow.readers.source import Extract, Source
from dataflow.rules.evaluate import Rule, apply, dropped_by
from dataflow.signals import table as signal_table
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents
from dataflow.store import documents as tables
from dataflow.store.manifest import Made
from dataflow.store.shards import InputShard
from dataflow.store.storage import Storage
from dataflow.transforms import table as transforms
from dataflow.transforms.metadata import scrub_metadata
from dataflow.transforms.pii import Pii, scrub, scrub_strings

VERSION = 4
"""Raised when the same shard and settings would give other bytes; includes signals, transforms and readers."""

_BATCH_BYTES = 8_000_000

Annotator = Callable[[pa.LargeStringArray], Mapping[str, pa.Array]]
"""Columns computed above this package (a quality score, a token count), from texts as stored."""


@dataclass(frozen=True)
class Curation:
    """All that decides the bytes written for a shard, besides the shard itself."""

    source: Source
    extract: Extract
    transforms: tuple[str, ...]
    pii: Pii
    signals: tuple[str, ...]
    options: SignalOptions  # its language_model found, where languages are identified
    permutations: int
    shingle: int
    unit: Unit = "words"
    annotators: tuple[Annotator, ...] = ()
    annotations: tuple[str, ...] = ()  # signals that the annotators add
    drop_text: tuple[Rule, ...] = ()  # documents that fail one of these are stored without their text


def curate(shard: InputShard, curation: Curation, store: Storage) -> Made:
    """Write the four parts of a shard: documents, signals, pii, quarantine.

    Counts: ``records`` read, of which ``documents``, ``quarantined`` and ``skipped``; ``bytes_in`` and
    ``bytes_out`` of the documents; ``pii_spans``; ``changed:<transform>`` documents.
    """
    part = f"{shard.source}/{shard.name}.parquet"
    outputs = {name: f"{name}/{part}" for name in ("documents", "signals", "pii", "quarantine")}
    schemas = {
        "documents": tables.DOCUMENTS,
        "signals": signals_schema(curation),
        "pii": tables.PII,
        "quarantine": tables.QUARANTINE,
    }
    counts = Counter[str](records=0, documents=0, quarantined=0, skipped=0)
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(store.parquet_writer(outputs[name], schema))
            for name, schema in schemas.items()
        }

        def write(batch: Batch) -> None:  # a function, so that nothing of a batch outlives it
            for name, columns in _process(batch, curation, counts).items():
                writers[name].write_table(pa.table(columns, schema=schemas[name]))

        for batch in gathered(_limited(_batches(shard, curation), curation.source.limit)):
            write(batch)
    return Made(tuple(outputs.values()), counts)


def signals_schema(curation: Curation) -> pa.Schema:
    """Columns of a signals part; its footer names the rules by which texts were dropped, if they were."""
    columns = signal_table.part_schema(curation.signals, curation.annotations)
    return columns.with_metadata(dropped_by(curation.drop_text)) if curation.drop_text else columns


def prepare(batch: Batch, curation: Curation) -> tuple[pa.LargeStringArray, pa.Table, dict[str, int]]:
    """Texts as they are stored, the PII spans found in them, and how many documents each transform changed."""
    texts, changes = transforms.apply(curation.transforms, batch.documents.column("text"))
    scrubbed = scrub(texts, curation.pii)
    changed = {f"changed:{name}": int(np.count_nonzero(count)) for name, count in changes.items()}
    return scrubbed.texts, scrubbed.spans, changed


def gathered(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same rows in batches of ``_BATCH_BYTES`` or more: a shard may be thousands of tiny files."""
    held: list[Batch] = []
    n_bytes = 0
    for batch in batches:
        held.append(batch)
        n_bytes += batch.documents.nbytes + batch.rejects.nbytes
        if n_bytes >= _BATCH_BYTES:
            joined = _joined(held)
            held, n_bytes = [], 0
            yield joined
    if held:
        yield _joined(held)


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return Batch(
        pa.concat_batches([batch.documents for batch in batches]),
        pa.concat_batches([batch.rejects for batch in batches]),
    )


def _batches(shard: InputShard, curation: Curation) -> Iterator[Batch]:
    for piece in shard.pieces:
        yield from read(piece, curation.source, curation.extract)


def _limited(batches: Iterator[Batch], limit: int | None) -> Iterator[Batch]:
    """The first ``limit`` records, whether they could be read or not."""
    left = limit
    for batch in batches:
        if left is None or batch.documents.num_rows + batch.rejects.num_rows <= left:
            left = None if left is None else left - batch.documents.num_rows - batch.rejects.num_rows
            yield batch
            continue
        numbers = np.sort(
            np.concatenate(
                [batch.documents.column("record").to_numpy(), batch.rejects.column("record").to_numpy()]
            )
        )
        if left > 0:
            last = pa.scalar(int(numbers[left - 1]))
            documents, rejects = (
                rows.filter(pc.less_equal(rows.column("record"), last))
                for rows in (batch.documents, batch.rejects)
            )
            yield Batch(documents, rejects)
        return


def _process(batch: Batch, curation: Curation, counts: Counter[str]) -> dict[str, dict[str, pa.Array]]:
    """The rows of all four tables for one batch."""
    read_rows, rejects = batch.documents, batch.rejects
    texts, spans, changed = prepare(batch, curation)
    pa.default_memory_pool().release_unused()  # or a book's transforms are still there when its words are counted
    ids = _ids(curation.source.name, read_rows.column("input"), read_rows.column("record"))
    n_bytes = pc.cast(pc.binary_length(texts), pa.int64())
    distinct_words = signal_table.needs_distinct_words(curation.signals)
    by_words = curation.unit == "words"  # then one scan finds the words for counts and signatures
    analysis = analyse(texts, curation.permutations if by_words else 0, curation.shingle, distinct_words)
    signatures = (
        analysis.signatures
        if by_words
        else sign(texts, curation.permutations, curation.shingle, curation.unit)
    )
    hashes = exact_hashes(texts)
    url = scrub_strings(read_rows.column("url"), curation.pii)
    shared = {
        "id": ids,
        "source": _repeated(curation.source.name, len(ids)),
        "url": url,
        "date": read_rows.column("date"),
        "n_bytes": n_bytes,
    }
    seen = Documents(texts, read_rows.column("url"), curation.source.kind, analysis)
    measured = signal_table.compute(seen, curation.signals, curation.options)
    if "url_host" in measured:
        measured["url_host"] = _scrubbed_hosts(measured["url_host"], curation.pii)
    for annotator in curation.annotators:
        measured |= annotator(texts)
    counts.update(changed)
    counts.update(
        records=len(ids) + rejects.num_rows,
        documents=len(ids),
        quarantined=pc.sum(pc.equal(rejects.column("fate"), "quarantined")).as_py() or 0,
        skipped=pc.sum(pc.equal(rejects.column("fate"), "skipped")).as_py() or 0,
        bytes_in=pc.sum(read_rows.column("bytes_in")).as_py() or 0,
        bytes_out=pc.sum(n_bytes).as_py() or 0,
        pii_spans=spans.num_rows,
    )
    signals = {**shared, "kind": _repeated(curation.source.kind, len(ids)), **measured}
    metadata = scrub_metadata(read_rows.column("metadata"), curation.pii)
    if curation.drop_text:
        dropped = pc.invert(apply(pa.table(signals), curation.drop_text)["passed"].combine_chunks())
        texts, metadata = (pc.if_else(dropped, None, column) for column in (texts, metadata))
    return {
        "documents": {
            **shared,
            "input_id": read_rows.column("input_id"),
            "text": texts,
            "licence": _repeated(curation.source.licence, len(ids)),
            "metadata": metadata,
            "bytes_in": read_rows.column("bytes_in"),
            "exact_hash": hashes,
            "signature": _rows_as_binary(signatures),
        },
        "signals": signals,
        "pii": {
            "id": ids.take(spans.column("row").combine_chunks()),
            **{name: spans.column(name).combine_chunks() for name in tables.PII.names if name != "id"},
        },
        "quarantine": {
            "id": _ids(curation.source.name, rejects.column("input"), rejects.column("record")),
            "source": _repeated(curation.source.name, rejects.num_rows),
            **{
                name: rejects.column(name) for name in tables.QUARANTINE.names if name not in ("id", "source")
            },
        },
    }


def _scrubbed_hosts(hosts: pa.StringArray, pii: Pii) -> pa.StringArray:
    """Hosts as they stand in scrubbed URLs: four small numbers alone would pass for a version."""
    addresses = pc.binary_join_element_wise("http://", hosts, "/", "")
    return pc.utf8_slice_codeunits(scrub_strings(addresses, pii), len("http://"), -1)


def _ids(source: str, inputs: pa.StringArray, records: pa.Int64Array) -> pa.StringArray:
    numbered = pc.binary_join_element_wise(inputs, pc.cast(records, pa.string()), "#")
    return pc.binary_join_element_wise(source, numbered, "/")


def _repeated(value: str, length: int) -> pa.StringArray:
    return pa.repeat(pa.scalar(value, pa.string()), length)


def _rows_as_binary(signatures: np.ndarray) -> pa.BinaryArray:
    """Each row of a (documents, permutations) uint64 array as little-endian bytes."""
    width = 8 * signatures.shape[1]
    flat = np.ascontiguousarray(signatures, dtype="<u8")
    rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(signatures), [None, pa.py_buffer(flat)])
    return rows.cast(pa.binary())
