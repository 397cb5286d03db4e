"""The file of a supervised fastText model (.bin or .ftz), read without fastText and without trusting it.

The format is that of fastText 0.9 (versions 11 and 12): arguments, dictionary, pruned buckets, then an input and
an output matrix, each of floats or product-quantised (Jégou et al. 2011; Joulin et al. 2016, FastText.zip). The
file is memory-mapped and floats are used where they lie, so that worker processes share the pages of a large
model. Every length and every index is checked against the file before it is used; a file that changes while it
is mapped is beyond help.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.errors import DataflowError
from dataflow.kernels.arrow import Bytes

MAGIC = 793712314
LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
"""Hierarchical softmax, negative sampling, softmax, one against all."""

CENTROIDS = 256
_SUPERVISED = 3
_BLOCK_ROWS = 1 << 16
_LONGEST, _MOST_BUCKETS = 1000, 1 << 28  # beyond what anybody trains: a damaged file must not fill the memory
_COPIED_BYTES = 1 << 26  # smaller arrays are copied to where the processor, and numba, like them: aligned

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Matrix:
    """Rows of floats, as they lie in the file or as codes of a product quantiser."""

    n_rows: int
    n_columns: int
    values: Floats | None
    codes: Bytes = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    """One byte for each row and part of it."""
    centroids: tuple[Floats, ...] = ()
    """For each part its 256 choices."""
    norms: Floats | None = None
    """What each row is multiplied by, where norms are kept apart."""

    def rows(self, first: int = 0, last: int | None = None) -> Floats:
        """Rows ``first`` to ``last`` as floats, read-only; a copy only if they are quantised."""
        if self.values is not None:
            return self.values[first:last]
        codes = self.codes[first:last]
        rows = np.concatenate(
            [part[codes[:, place]] for place, part in enumerate(self.centroids)], axis=1, dtype=np.float32
        )
        if self.norms is not None:
            rows *= self.norms[first:last, None]
        rows.flags.writeable = False
        return rows

    def blocks(self) -> Iterator[Floats]:
        """All rows, some tens of thousands at a time."""
        for first in range(0, self.n_rows, _BLOCK_ROWS):
            yield self.rows(first, first + _BLOCK_ROWS)


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds."""

    loss: str
    min_n: int
    """Shortest run of characters inside a word that is a feature."""
    max_n: int
    """Longest; 0 for none."""
    word_ngrams: int
    """Longest run of words that is a feature."""
    n_buckets: int
    """Slots that runs of characters and words are hashed to."""
    n_words: int
    labels: tuple[str, ...]
    label_counts: npt.NDArray[np.int64]
    """How often each label was seen in training, from which hierarchical softmax builds its tree."""
    data: Bytes
    """The whole file."""
    starts: npt.NDArray[np.int64]
    """Where in ``data`` each word, then each label begins."""
    lengths: npt.NDArray[np.int32]
    kept: npt.NDArray[np.int32] | None
    """Row, after those of the words, of each bucket that was kept, -1 of one that was not; None: all were kept."""
    input: Matrix
    output: Matrix


def read_file(path: str) -> ModelFile:
    """Read a model.

    Raises:
        DataflowError: the file cannot be read, or is not a whole supervised fastText model.
    """
    try:
        with Path(path).open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file
        reason = getattr(error, "strerror", None) or "it is empty"
        raise DataflowError(f"the fastText model cannot be read ({reason})", path, _FIX) from error
    try:
        return _Reader(mapped).model()
    except _MalformedError as error:
        raise DataflowError(f"not a fastText model ({error})", path, _FIX) from error


_FIX = "Give a whole .bin or .ftz file of a classifier that fastText wrote."


class _MalformedError(Exception):
    """What is wrong with the bytes."""


class _Reader:
    """A place in the file, which never leaves it."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self.data: Bytes = np.frombuffer(mapped, np.uint8)
        self.at = 0

    def take(self, n_bytes: int) -> int:
        """Pass over so many bytes; returns where they begin."""
        begin = self.at
        if n_bytes < 0 or n_bytes > len(self.data) - begin:
            raise _MalformedError(f"it ends early: {n_bytes} bytes wanted at byte {begin}")
        self.at = begin + n_bytes
        return begin

    def numbers(self, form: str) -> tuple[Any, ...]:
        """Little-endian numbers, as ``struct`` names them."""
        size = struct.calcsize(f"<{form}")
        begin = self.take(size)
        return struct.unpack(f"<{form}", self.data[begin : begin + size].tobytes())

    def array(self, kind: type, *shape: int) -> npt.NDArray[Any]:
        """An array, read-only; a large one as it lies in the file, be it aligned or not."""
        if any(n < 0 for n in shape):
            raise _MalformedError(f"an array of {shape}")
        n = int(np.prod(shape, dtype=object))  # Python's integers: no overflow
        begin = self.take(n * np.dtype(kind).itemsize)
        found: npt.NDArray[Any] = np.frombuffer(self.data, kind, n, begin).reshape(shape)
        if not found.flags.aligned and found.nbytes <= _COPIED_BYTES:
            found = found.copy()
            found.flags.writeable = False
        return found

    def model(self) -> ModelFile:
        magic, version = self.numbers("ii") if len(self.data) >= 8 else (0, 0)
        if magic != MAGIC:
            raise _MalformedError("its first bytes are others")
        if version not in (11, 12):
            raise _MalformedError(f"version {version} of the format, where 11 and 12 are known")
        dim, _, _, _, _, word_ngrams, loss, kind, n_buckets, min_n, max_n, _ = self.numbers("12i")
        self.numbers("d")
        if kind != _SUPERVISED or loss not in LOSSES:
            raise _MalformedError("it holds word vectors, not a classifier" if kind in (1, 2) else "its kind")
        max_n = 0 if version == 11 else max(max_n, 0)
        if (
            min_n < 0
            or max(word_ngrams, max_n) > _LONGEST
            or not 0 <= n_buckets <= _MOST_BUCKETS
            or (not n_buckets and (max_n or word_ngrams > 1))
        ):
            raise _MalformedError("its features")
        size, n_words, n_labels, _, n_kept = self.numbers("iiiqq")
        if min(n_words, n_labels - 1) < 0 or size != n_words + n_labels or size > len(self.data) // 10:
            raise _MalformedError("the sizes of its dictionary")
        starts, lengths = np.zeros(size, np.int64), np.zeros(size, np.int32)
        counts, kinds = np.zeros(size, np.int64), np.zeros(size, np.uint8)
        self.at = int(_read_entries(self.data, self.at, starts, lengths, counts, kinds))
        if self.at < 0:
            raise _MalformedError("it ends inside its dictionary")
        if kinds[:n_words].any() or not (kinds[n_words:] == 1).all():
            raise _MalformedError("words and labels are mixed in its dictionary")
        kept = self._kept(n_kept, n_buckets) if n_kept >= 0 else None
        (quantised,) = self.numbers("?")
        if kept is not None and not quantised:
            raise _MalformedError("pruned, but not quantised")
        features = self._quantised() if quantised else self._dense()
        (output_quantised,) = self.numbers("?")
        output = self._quantised() if quantised and output_quantised else self._dense()
        n_hashed = n_buckets if kept is None else int(kept.max(initial=-1)) + 1
        needed = n_words + n_hashed if max_n or word_ngrams > 1 else n_words
        n_outputs = n_labels
        if features.n_rows < needed or features.n_columns != dim or dim < 1:
            raise _MalformedError(f"its input matrix is {features.n_rows} x {features.n_columns}")
        if (output.n_rows, output.n_columns) != (n_outputs, dim):
            raise _MalformedError(f"its output matrix is {output.n_rows} x {output.n_columns}")
        if counts[n_words:].max() >= 10**15:
            raise _MalformedError("the counts of its labels")
        labels = tuple(self._text(starts[i], lengths[i]) for i in range(n_words, size))
        return ModelFile(
            LOSSES[loss], min_n, max_n, max(word_ngrams, 1), n_buckets, n_words, labels, counts[n_words:],
            self.data, starts, lengths, kept, features, output,
        )  # fmt: skip

    def _text(self, start: int, length: int) -> str:
        try:
            return self.data[start : start + length].tobytes().decode()
        except UnicodeDecodeError as error:
            raise _MalformedError("a label is not UTF-8") from error

    def _kept(self, n_kept: int, n_buckets: int) -> npt.NDArray[np.int32]:
        pairs = self.array(np.int32, n_kept, 2)
        if len(pairs) and (pairs.min() < 0 or pairs[:, 0].max() >= n_buckets):
            raise _MalformedError("the buckets it keeps")
        kept = np.full(n_buckets, -1, np.int32)
        kept[pairs[:, 0]] = pairs[:, 1]
        kept.flags.writeable = False
        return kept

    def _dense(self) -> Matrix:
        n_rows, n_columns = self.numbers("qq")
        return Matrix(n_rows, n_columns, self.array(np.float32, n_rows, n_columns))

    def _quantised(self) -> Matrix:
        with_norms, n_rows, n_columns, n_codes = self.numbers("?qqi")
        begin = self.take(n_codes)
        parts = self._centroids(n_columns)
        if n_rows < 0 or n_codes != n_rows * len(parts):
            raise _MalformedError("the codes of a matrix")
        codes = self.data[begin : begin + n_codes].reshape(n_rows, len(parts))
        norms = None
        if with_norms:
            norm_codes = self.array(np.uint8, n_rows)
            norms = self._centroids(1)[0][norm_codes, 0]
        return Matrix(n_rows, n_columns, None, codes, parts, norms)

    def _centroids(self, n_columns: int) -> tuple[Floats, ...]:
        dim, n_parts, width, last = self.numbers("4i")
        if dim != n_columns or min(dim, n_parts, width, last) < 1 or (n_parts - 1) * width + last != dim:
            raise _MalformedError("the parts of a quantised matrix")
        widths = [width] * (n_parts - 1) + [last]
        return tuple(self.array(np.float32, CENTROIDS, n) for n in widths)


@njit(nogil=True, cache=True)
def _read_entries(data, at, starts, lengths, counts, kinds):  # type: ignore[no-untyped-def]
    """Words with their counts and kinds; returns where they end, or -1 where the file ends first."""
    end = data.shape[0]
    for i in range(starts.shape[0]):
        begin = at
        while at < end and data[at]:
            at += 1
        if at + 10 > end:
            return -1
        starts[i], lengths[i] = begin, at - begin
        count = np.int64(0)
        for k in range(8):
            count |= np.int64(data[at + 1 + k]) << np.int64(8 * k)
        counts[i], kinds[i] = count, data[at + 9]
        at += 10
    return at
