"""Which passages are cut from the documents of a part: what the steps decided, as ranges that ``cut`` takes.

Two steps cut. Deduplication cuts passages that an earlier document has too (``decisions/cuts``, where ``applied``),
decontamination those that an evaluation set has (``decisions/contamination``, action ``cut``). Both say where in the
text as stored, so what is cut in all is the union.
"""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import DataflowError
from dataflow.store.storage import Storage
from dataflow.transforms.cut import Spans

Step = Literal["cuts", "contamination"]

_CHOSEN: dict[Step, tuple[str, pc.Expression]] = {
    "cuts": ("applied", pc.field("applied")),
    "contamination": ("action", pc.field("action") == "cut"),
}


def applied_cuts(
    store: Storage, source: str, shard: str, ids: pa.Array | pa.ChunkedArray, after: Step = "contamination"
) -> Spans:
    """The ranges cut from documents, by their place in ``ids``, sorted by row and start; they may overlap.

    Args:
        store: the output folder.
        source: of the part.
        shard: of the part.
        ids: of documents of the part, as many as are wanted, in any order.
        after: the last step that counts; one that has not run, or has nothing to say of a part, cuts nothing.
    """
    columns = ([np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)])
    for step, (flag, chosen) in _CHOSEN.items():
        path = f"decisions/{step}/{source}/{shard}.parquet"
        if store.exists(path):
            table = store.read_table(path, ["id", "spans", flag]).filter(chosen)
            for held, found in zip(columns, _ranges(table, ids, path), strict=True):
                held.append(found)
        if step == after:
            break
    rows, starts, ends = (np.concatenate(held) for held in columns)
    order = np.lexsort((ends, starts, rows))
    return Spans(rows[order], starts[order], ends[order])


def _ranges(table: pa.Table, ids: pa.Array | pa.ChunkedArray, path: str) -> Spans:
    """The spans of those documents that are among ``ids``."""
    wanted = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    rows = pc.index_in(table["id"].combine_chunks().cast(wanted.type), value_set=wanted)
    lists = table["spans"].combine_chunks()
    if lists.null_count:
        raise DataflowError("a decision to cut says not what", path, "Run its step again.")
    spans = lists.flatten()
    here = np.repeat(pc.fill_null(rows, -1).to_numpy(), lists.value_lengths().to_numpy())
    starts, lengths = (spans.field(name).to_numpy().astype(np.int64) for name in ("start", "length"))
    known = here >= 0
    return Spans(here[known].astype(np.int64), starts[known], (starts + lengths)[known])
