"""Which bytes of a text are read: samples from several places of a long one, or its paragraphs one by one."""

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels import characters
from dataflow.kernels.arrow import Bytes, Offsets


def samples(
    data: Bytes, starts: Offsets, ends: Offsets, n_bytes: int, places: int
) -> tuple[Offsets, Offsets, Offsets]:
    """Pieces to read of each text: the whole, or ``n_bytes`` in all from ``places`` evenly spread over a longer one.

    The first piece begins with the text and the last ends with it; a character that is cut is left out. Returns
    starts and ends of the pieces, and the bounds of each text's pieces among them.
    """
    long = ends - starts > n_bytes
    bounds = np.concatenate([[0], np.cumsum(np.where(long, places, 1))]).astype(np.int64)
    text = np.repeat(np.arange(len(starts)), np.diff(bounds))
    place = np.arange(len(text)) - bounds[:-1][text]
    width = n_bytes // places
    begin = starts[text] + np.where(
        long[text], (ends - starts - width)[text] * place // max(places - 1, 1), 0
    )
    end = np.where(long[text], begin + width, ends[text])
    _to_characters(data, ends[text], begin, end)
    return begin, end, bounds


@njit(nogil=True, cache=True)
def _to_characters(data, limits, begins, ends):  # type: ignore[no-untyped-def]
    """Move begins forwards, and ends that are not the text's backwards, to where a character begins."""
    for i in range(begins.shape[0]):
        while begins[i] < ends[i] and (data[begins[i]] & 0xC0) == 0x80:
            begins[i] += 1
        while begins[i] < ends[i] < limits[i] and (data[ends[i]] & 0xC0) == 0x80:
            ends[i] -= 1


def paragraphs(data: Bytes, offsets: Offsets, least: int) -> tuple[Offsets, Offsets, npt.NDArray[np.int64]]:
    """Starts and ends of the paragraphs of ``least`` bytes or more, and the text each belongs to.

    A paragraph is a maximal run of lines that are not blank, with the line feeds between them.
    """
    room = int(offsets[-1] - offsets[0]) // max(least, 1) + 1
    starts, ends, text = (np.empty(room, np.int64) for _ in range(3))
    n = _paragraphs(data, offsets, characters.table(), max(least, 1), starts, ends, text)
    return starts[:n], ends[:n], text[:n]


@njit(nogil=True, cache=True)
def _paragraphs(data, offsets, table, least, starts, ends, text):  # type: ignore[no-untyped-def]
    n = 0
    for document in range(offsets.shape[0] - 1):
        i, last = offsets[document], offsets[document + 1]
        begin = end = i
        open_ = False
        while i <= last:
            line = i
            blank = True
            while i < last and data[i] != 10:
                if blank:  # until the first character that is no white space
                    point, size = np.int64(data[i]), 1
                    if 0xC0 <= point < 0xE0 and i + 1 < last:
                        point, size = (point & 0x1F) << 6 | np.int64(data[i + 1] & 0x3F), 2
                    elif 0xE0 <= point < 0xF0 and i + 2 < last:
                        high, low = np.int64(data[i + 1] & 0x3F), np.int64(data[i + 2] & 0x3F)
                        point, size = (point & 0x0F) << 12 | high << 6 | low, 3
                    blank = (table[point] & np.uint32(characters.KIND)) == characters.SPACE
                    i += size
                else:
                    i += 1
            if blank or i == last:
                if not blank:
                    if not open_:
                        begin = line
                    open_, end = True, i
                if open_ and end - begin >= least:
                    starts[n], ends[n], text[n] = begin, end, document
                    n += 1
                open_ = False
            else:
                if not open_:
                    begin = line
                open_, end = True, i
            i += 1
    return n
