"""Texts of some rows of a Parquet file, a few hundred at a time."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.store.storage import Storage

_DOCUMENTS_AT_ONCE = 256


def read_texts(
    store: Storage, path: str, rows: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], pa.LargeStringArray]]:
    """Texts of the given rows (ascending), a few hundred at a time; row groups without any are not read."""
    with store.open(path) as stream:
        file = pq.ParquetFile(stream)
        first = 0
        for group in range(file.num_row_groups):
            n = file.metadata.row_group(group).num_rows
            low, high = np.searchsorted(rows, [first, first + n])
            if low < high:
                start = first
                for batch in file.iter_batches(_DOCUMENTS_AT_ONCE, row_groups=[group], columns=["text"]):
                    low, high = np.searchsorted(rows, [start, start + len(batch)])
                    if low < high:
                        texts = batch.column(0).cast(pa.large_string())
                        yield rows[low:high], texts.take(pa.array(rows[low:high] - start))
                    start += len(batch)
            first += n
