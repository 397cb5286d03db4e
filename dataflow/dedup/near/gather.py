"""Round 4 of near-duplicates: what is compared of the candidates of a part, under the group that compares it.

That is the signature and, with ``verify: exact``, the set of shingle hashes of the text. Of each 64-bit value of a
signature 32 bits are kept: two values are mistaken for each other once in four billion, and half the bytes are
moved. The text of documents of earlier corpora is not there; those are compared by signature.

Memory: what is kept of the candidates of one part; the shingle hashes take more than their texts do.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.dedup.batched import opened, write_batches
from dataflow.dedup.config import Near
from dataflow.dedup.near.candidates import routes_path
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.texts import read_texts
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the bytes of dedup/gathered change."""


def gathered_path(name: str) -> str:
    """Where the candidates of the part of this name lie by group."""
    return f"dedup/gathered/{name}.arrow"


def schema(near: Near) -> pa.Schema:
    """A row for each candidate."""
    return pa.schema(
        {
            "rank": pa.int64(),
            "place": pa.int32(),  # in its group
            "earlier": pa.bool_(),
            "signature": pa.binary(4 * near.permutations),
            # 64-bit hashes, ascending; null where the text is not compared
            **({"shingles": pa.large_binary()} if near.verify == "exact" else {}),
        }
    )


def gather(store: Storage, part: DedupPart, near: Near) -> Made:
    """Write ``dedup/gathered`` of a part that has routes."""
    from dataflow.kernels.likeness import folded

    with opened(store, routes_path(part)) as file:
        routes = file.read_all()
    rows, groups = routes["row"].to_numpy(), routes["group"].to_numpy()
    order = np.argsort(groups, kind="stable")
    place = np.empty(len(rows), np.int64)
    place[order] = np.arange(len(rows))
    wanted = np.zeros(int(rows[-1]) + 1, np.bool_)
    wanted[rows] = True
    signatures = np.zeros((len(rows), near.permutations), np.uint32)
    for some, found in part.signatures(store, near, wanted):
        signatures[place[np.searchsorted(rows, some)]] = folded(found)
    columns = [
        routes["rank"].combine_chunks().take(order),
        routes["place"].combine_chunks().take(order),
        pa.array(np.full(len(rows), part.earlier is not None)),
        pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(4 * near.permutations), len(rows), [None, pa.py_buffer(signatures)]
        ),
    ]
    if near.verify == "exact":
        shingles = (
            pa.nulls(len(rows), pa.large_binary()) if part.earlier else _shingles(store, part, near, rows)
        )
        columns.append(shingles.take(order))
    table = pa.record_batch(columns, schema=schema(near))
    numbers, firsts = np.unique(groups[order], return_index=True)
    ends = np.append(firsts, len(rows))
    batches = ((int(number), table.slice(ends[i], ends[i + 1] - ends[i])) for i, number in enumerate(numbers))
    path = gathered_path(part.name)
    write_batches(store, path, schema(near), batches, numbers.tolist())
    return Made((path,), {"gathered": len(rows)})


def _shingles(
    store: Storage, part: DedupPart, near: Near, rows: npt.NDArray[np.int64]
) -> pa.LargeBinaryArray:
    """Shingle hashes of the given rows (ascending) of a part of this run, as bytes."""
    from dataflow.kernels.signatures import shingle_sets

    hashes, bounds = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    for _, texts in read_texts(store, part.table, rows):
        found, begins = shingle_sets(texts, near.shingle, near.unit)
        hashes.append(found)
        bounds.append(begins[1:] + bounds[-1][-1])
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(),
        len(rows),
        [None, pa.py_buffer(np.concatenate(bounds) * 8), pa.py_buffer(np.concatenate(hashes))],
    )
