"""What one worker reads: a file, or a range of one, cut so that the pieces in order give the rows of the whole.

Plain JSONL is cut after newlines, Parquet between row groups, Arrow between record batches. A JSONL file of many
gzip members or zstd frames is cut after the first newline in a member, for which it is unpacked once (some 300
MB/s): the numbers of records need a count of the newlines in any case. A file of one member, an archive, and CSV
(a newline may stand inside quotes) are read by one worker.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from dataflow.readers import arrow, parquet
from dataflow.readers.files import InputFile, guess_format
from dataflow.readers.pieces import Piece, RowGroup
from dataflow.readers.source import Source
from dataflow.readers.streams import (
    Damaged,
    blocks,
    compression,
    encoding,
    member_blocks,
    next_member,
    open_file,
)


def split(file: InputFile, source: Source, shard_bytes: int) -> list[Piece]:
    """Pieces of about ``shard_bytes`` where the format allows; one whole where the source has a ``limit``."""
    kind = guess_format(file, source)
    whole = Piece(file.path, file.relative, kind)
    if source.limit is not None or file.size <= shard_bytes:
        return [whole]
    if kind == "parquet":
        return _split_groups(whole, shard_bytes, parquet.row_groups(whole.path))
    if kind in ("arrow", "hf"):
        return _split_groups(whole, shard_bytes, arrow.record_batches(whole.path))
    if kind == "jsonl":
        with open_file(file.path) as stream:
            head = stream.read(4)
        if compression(head):
            return _split_members(whole, shard_bytes, source)
        if not encoding(head) and not file.path.lower().endswith((".gz", ".zst", ".zstd")):
            return _split_lines(whole, file.size, shard_bytes)
    return [whole]


def _split_groups(whole: Piece, shard_bytes: int, groups: list[RowGroup]) -> list[Piece]:
    pieces: list[Piece] = []
    start = n_bytes = 0
    for group in groups:
        n_bytes += group.n_bytes
        if n_bytes >= shard_bytes or group is groups[-1]:
            first = groups[start].first_row
            end = group.index + 1
            pieces.append(replace(whole, start=start, end=end, first_record=first))
            start, n_bytes = end, 0
    return pieces if len(pieces) > 1 else [whole]


def _split_lines(whole: Piece, size: int, shard_bytes: int) -> list[Piece]:
    """Cuts after the first newline past each multiple of ``shard_bytes``; lines are counted on the way."""
    cuts = [(0, 0)]  # byte, number of the line that begins there
    target, position, n_lines = shard_bytes, 0, 0
    for block in blocks(whole.path, 0, size):
        begun = 0
        while target <= position + len(block):
            newline = block.find(b"\n", max(begun, target - 1 - position))
            if newline < 0:
                break
            n_lines += block.count(b"\n", begun, newline + 1)
            begun = newline + 1
            cuts.append((position + begun, n_lines))
            target = max(target + shard_bytes, position + begun + 1)
        n_lines += block.count(b"\n", begun)
        position += len(block)
    cuts = [cut for cut in cuts if cut[0] < size] + [(size, n_lines)]
    pieces = [
        replace(whole, start=start, end=end, first_record=first)
        for (start, first), (end, _) in pairwise(cuts)
    ]
    return pieces if len(pieces) > 1 else [whole]


@dataclass(frozen=True)
class _Cut:
    """The beginning of a line in a packed file."""

    member: int  # place of the member, as stored
    offset: int  # bytes from the member's beginning, unpacked
    position: int  # bytes from the file's beginning, unpacked
    line: int


def _split_members(whole: Piece, shard_bytes: int, source: Source) -> list[Piece]:
    """Cuts after the first newline in a member that begins past each multiple of ``shard_bytes``."""
    if next_member(whole.path, shard_bytes) is None:
        return [whole]
    cuts, ends = [_Cut(0, 0, 0, 0)], list[int | None]()
    try:
        for cut, end in _cuts(whole.path, shard_bytes, source.max_ratio):
            cuts.append(cut)
            ends.append(end)
    except Damaged as damage:
        if damage.reason.startswith("decompression_bomb"):
            return [whole]  # its reader finds it out again, at the same place
    pieces = [
        replace(
            whole,
            start=cut.member,
            end=end,
            first_record=cut.line,
            skip=cut.offset,
            n_bytes=after.position - cut.position,
        )
        for (cut, after), end in zip(pairwise(cuts), ends, strict=True)
    ]
    last = cuts[-1]
    pieces.append(replace(whole, start=last.member, first_record=last.line, skip=last.offset))
    return pieces if len(pieces) > 1 else [whole]


def _cuts(path: str, shard_bytes: int, max_ratio: int) -> Iterator[tuple[_Cut, int | None]]:
    """Cuts, each with the place, as stored, where the members end that hold what is before it."""
    target, wanted = shard_bytes, False
    member = begin = position = n_lines = 0
    found: _Cut | None = None
    begins_line = True
    for place, block in member_blocks(path, max_ratio=max_ratio):
        if not position and encoding(block):
            return
        if place != member:
            if found is not None:
                yield found, place
                found = None
            member, begin = place, position
            if place >= target:
                wanted, target = True, place + shard_bytes
        after = 0 if begins_line else block.find(b"\n") + 1
        if wanted and (begins_line or after):
            n_before = n_lines + (not begins_line)
            found, wanted = _Cut(member, position + after - begin, position + after, n_before), False
            if found.offset == 0:
                yield found, member
                found = None
        n_lines += block.count(b"\n")
        begins_line = block.endswith(b"\n")
        position += len(block)
    if found is not None:
        yield found, None
