"""The sum of a text's features under a folded model without parts of words: one number for a word or word run.

What is left of a classifier's work then is waiting for memory, since words and runs lie all over their tables.
So a document is read in four passes (words, where they may stand in the dictionary, whether they do, runs), in
each of which one look-up does not wait for another. The features are those of ``fasttext_words``, the sum is
taken in 64 bits.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.fasttext_words import BASIS, EOS, EOS_HASH, LABEL, LOW, RUN, Words, is_space, step


def can_fold(words: Words) -> bool:
    """Whether these features are for this kernel."""
    return words.rows.shape[1] == 1 and words.max_n == 0


def folded_sums(
    words: Words, data: Bytes, offsets: Offsets
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Sum of the rows of each text's features, and how many these are."""
    n = len(offsets) - 1
    sums, counts = np.zeros((n, 1)), np.zeros(n, np.int64)
    room = int(np.diff(offsets).max(initial=0)) // 2 + 2  # words of a text, and its end
    _add_folded(
        data, offsets, words.data, words.table, words.starts, words.lengths, words.n_words, words.end,
        words.rows, words.kept, max(words.n_buckets, 1), words.word_ngrams,
        np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.int64),
        sums, counts,
    )  # fmt: skip
    return sums, counts


@njit(nogil=True, cache=True, error_model="numpy")
def _add_folded(  # type: ignore[no-untyped-def]
    text, offsets, data, table, starts, lengths, n_words, end_of_text, rows, kept, n_buckets, word_ngrams,
    hashes, word_starts, word_lengths, places, sums, counts,
):  # fmt: skip
    mask = np.uint64(table.shape[0] - 1)
    buckets = np.uint64(n_buckets)
    high = np.uint64(32)
    all_kept = kept.shape[0] == 0
    for document in range(offsets.shape[0] - 1):
        i, last = offsets[document], offsets[document + 1]
        n = 0
        total = 0.0
        count = 0
        # the words
        while i < last:
            if is_space(text[i]):
                i += 1
                continue
            start = i
            h = BASIS
            while i < last and not is_space(text[i]):
                h = step(h, text[i])
                i += 1
            hashes[n], word_starts[n], word_lengths[n] = h & LOW, start, i - start
            if i - start == 4 and h & LOW == EOS_HASH:
                same = 0
                while same < 4 and text[start + same] == EOS[same]:
                    same += 1
                if same == 4:
                    break
            n += 1
        # the first entry of the dictionary with the same hash
        for k in range(n):
            place = hashes[k] & mask
            while table[place] and table[place] >> high != hashes[k]:
                place = (place + np.uint64(1)) & mask
            places[k] = np.int64(place)
        # is it the same word? labels are passed over
        n_read = 0
        for k in range(n):
            number = np.int64(-1)
            place = np.uint64(places[k])
            start, length = word_starts[k], word_lengths[k]
            while table[place] and number < 0:
                if table[place] >> high == hashes[k]:
                    found = np.int64(table[place] & LOW) - 1
                    if lengths[found] == length:
                        begin = starts[found]
                        same = 0
                        while same < length and text[start + same] == data[begin + same]:
                            same += 1
                        if same == length:
                            number = found
                place = (place + np.uint64(1)) & mask
            if number >= n_words:
                continue
            if number >= 0:
                total += rows[number, 0]
                count += 1
            elif length >= 9 and text[start] == 95:
                same = 0
                while same < 9 and text[start + same] == LABEL[same]:
                    same += 1
                if same == 9:
                    continue
            hashes[n_read] = hashes[k]
            n_read += 1
        hashes[n_read] = EOS_HASH
        n_read += 1
        if end_of_text >= 0:
            total += rows[end_of_text, 0]
            count += 1
        # runs of words
        if word_ngrams > 1:
            for k in range(n_read - 1):
                run = np.uint64(np.int64(np.int32(hashes[k])))
                for j in range(k + 1, min(k + word_ngrams, n_read)):
                    run = run * RUN + np.uint64(np.int64(np.int32(hashes[j])))
                    row = np.int64(run % buckets)
                    if not all_kept:
                        row = np.int64(kept[row])
                        if row < 0:
                            continue
                    total += rows[n_words + row, 0]
                    count += 1
        sums[document, 0] = total
        counts[document] = count
