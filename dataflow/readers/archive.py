"""A decompressed archive as a stream that can be read by size or by line, told where its members begin.

Web archives pack each record as a gzip member or zstd frame of its own. That is what makes damage local: where a
member cannot be read, ``resume`` goes on at the next one; and a record that claims to be longer than its member
is found out by ``members_within``.
"""

from dataflow.readers.streams import BLOCK_BYTES, MAX_RATIO, Damaged, member_blocks, next_member


class ArchiveStream:
    """A decompressed file with ``read``, which ends where the damage begins and keeps it in ``damage``."""

    def __init__(self, path: str, max_ratio: int = MAX_RATIO) -> None:
        self.damage: Damaged | None = None
        self._path = path
        self._max_ratio = max_ratio
        self._blocks = member_blocks(path, max_ratio=max_ratio)
        self._buffer = b""
        self._position = 0
        self._begin = 0
        self._member = -1
        self._members: list[int] = []  # positions of members that begin in the buffer

    @property
    def left(self) -> int:
        """Bytes read from the file and not yet given out."""
        return len(self._buffer) - self._begin

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes, or fewer at the end only; all there are where it is negative."""
        held, n_bytes = [self._buffer[self._begin :]], self.left
        while (size < 0 or n_bytes < size) and (block := self._next(self._position + n_bytes)):
            held.append(block)
            n_bytes += len(block)
        if len(held) > 1:
            self._buffer, self._begin = b"".join(held), 0
        return self._give(len(self._buffer) if size < 0 else min(len(self._buffer), self._begin + size))

    def readline(self, limit: int) -> bytes:
        """Up to and with the next newline, at most ``limit`` bytes."""
        while (newline := self._buffer.find(b"\n", self._begin)) < 0 and self.left < limit and self._fill():
            pass
        end = newline + 1 if newline >= 0 else len(self._buffer)
        return self._give(min(end, self._begin + limit))

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay the next."""
        while self.left < size and self._fill():
            pass
        return self._buffer[self._begin : self._begin + size]

    def give_back(self, content: bytes) -> None:
        """Take the last bytes given out back, to be read again."""
        self._buffer = content + self._buffer[self._begin :]
        self._begin = 0
        self._position -= len(content)

    def members_within(self, start: int, end: int) -> list[int]:
        """Where between two positions (both excluded) gzip members or zstd frames begin."""
        return [position for position in self._members if start < position < end]

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes without keeping them."""
        while size > 0 and (part := self.read(min(size, BLOCK_BYTES))):
            size -= len(part)

    def tell(self) -> int:
        """Bytes given out."""
        return self._position

    def resume(self) -> tuple[int, int] | None:
        """After damage, go on at the next member; the stretch of the file that is lost, None at its end."""
        lost, self.damage = self.damage, None
        if lost is None or lost.member is None:
            return None
        place = next_member(self._path, lost.member + 1)
        if place is None:
            return None
        self._blocks.close()
        self._blocks = member_blocks(self._path, place, max_ratio=self._max_ratio)
        return lost.member, place

    def close(self) -> None:
        """Close the file."""
        self._blocks.close()

    def _give(self, end: int) -> bytes:
        given = self._buffer[self._begin : end]
        self._begin = end
        self._position += len(given)
        return given

    def _fill(self) -> bool:
        block = self._next(self._position + self.left)
        self._buffer = self._buffer[self._begin :] + block
        self._begin = 0
        return bool(block)

    def _next(self, position: int) -> bytes:
        """The next block, which begins at ``position``; nothing at the end or where the damage begins."""
        try:
            member, block = next(self._blocks, (self._member, b""))
        except Damaged as damage:
            self.damage = damage
            return b""
        if member != self._member:
            self._member = member
            self._members = [*(p for p in self._members if p >= self._position), position]
        return block
