"""What the tests of readers share: all rows of a path, whole or in pieces."""

from dataflow.readers.open import find_files, read, split
from dataflow.readers.source import Source


def pieces(path, shard_bytes=1 << 26, **options):
    """The pieces of all files of a path."""
    source = Source(name="s", path=str(path), **options)
    return [piece for file in find_files(source) for piece in split(file, source, shard_bytes)]


def rows(path, shard_bytes=1 << 26, **options):
    """(documents, rejects) of a path as lists of dicts."""
    source = Source(name="s", path=str(path), **options)
    batches = [batch for piece in pieces(path, shard_bytes, **options) for batch in read(piece, source)]
    return tuple(
        [row for batch in batches for row in getattr(batch, part).to_pylist()]
        for part in ("documents", "rejects")
    )


def reasons(rejects):
    """The first word of each reason, with the record's number."""
    return [(row["record"], row["reason"].split(":")[0]) for row in rejects]
