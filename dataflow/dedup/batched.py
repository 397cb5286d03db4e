"""Arrow files that hold a batch for each of many takers: one side of a shuffle through files.

A file is written by one task, batch after batch; each taker reads the batch of its number out of every such file
and nothing else of it. Compressing would gain little: keys and signatures are random.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.store.storage import Storage

_NUMBERS = b"numbers"


def write_batches(
    store: Storage,
    path: str,
    schema: pa.Schema,
    batches: Iterable[tuple[int, pa.RecordBatch]],
    numbers: list[int],
) -> None:
    """A file of ``batches`` under their ``numbers``, which are the same in the same order."""
    schema = schema.with_metadata({_NUMBERS: json.dumps(numbers)})
    with store.create(path) as stream, pa.ipc.new_file(stream, schema) as writer:
        for _, batch in batches:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))


@contextmanager
def opened(store: Storage, path: str) -> Iterator[pa.ipc.RecordBatchFileReader]:
    """An Arrow file for reading. A local one is opened by Arrow itself, in a quarter of the time: there are many."""
    with pa.OSFile(store.path(path)) if store.is_local else store.open(path) as stream:
        yield pa.ipc.open_file(stream)


def read_batch(store: Storage, path: str, number: int) -> pa.RecordBatch | None:
    """The batch under ``number``, if the file has one."""
    with opened(store, path) as file:
        numbers = json.loads(file.schema.metadata[_NUMBERS])
        return file.get_batch(numbers.index(number)) if number in numbers else None


def read_batches(store: Storage, paths: Sequence[str], number: int) -> Iterator[pa.RecordBatch]:
    """The batch under ``number`` of every file that has one, in order."""
    for path in paths:
        if (batch := read_batch(store, path, number)) is not None:
            yield batch


def lists(offsets: npt.NDArray[np.int64], members: npt.NDArray[np.generic]) -> pa.Array:
    """Row i is ``members[offsets[i]:offsets[i + 1]]``; without a copy."""
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(members))


def offsets_and_members(
    column: pa.LargeListArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
    """What ``lists`` was given, the offsets from 0."""
    offsets = column.offsets.to_numpy()
    members = column.values.to_numpy()[offsets[0] : offsets[-1]] if len(offsets) else column.values.to_numpy()
    return (offsets - offsets[0] if offsets[0] else offsets), members
