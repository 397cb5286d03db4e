"""Runs of words by sorted hashes are what a suffix array of the whole corpus finds (Lee et al. 2022)."""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passage_corpora import cut, put, rounds
from pydivsufsort import divsufsort, kasai

from dataflow.dedup.config import Dedup
from dataflow.dedup.passages.find import grouped_path
from dataflow.kernels.passages import Wanted, passages
from dataflow.store.storage import Storage

REAL = Path(__file__).resolve().parents[4] / ".." / "shared" / "data" / "neardup"
N = 10


def words_of(texts):
    """Start, end (bytes) and hash of the words of each text."""
    array = pa.array(texts, pa.large_string())
    offsets = np.frombuffer(array.buffers()[1], np.int64, len(texts) + 1) if texts else []
    found = []
    for group in passages(array, Wanted(line_words=1)):
        for document in range(group.first, group.last):
            own = slice(*group.word_of[document - group.first : document - group.first + 2])
            start = group.word_start[own] - offsets[document]
            found.append((start, start + group.word_length[own], group.word_hash[own].copy()))
    return found


def places_by_suffix_array(words, n):
    """Document, first word and number of the passage, of each run of ``n`` words that occurs twice."""
    _, numbers = np.unique(np.concatenate([hashes for *_, hashes in words]), return_inverse=True)
    document, position, text = [], [], []
    first = 0
    for number, (start, _, _) in enumerate(words):
        text += [numbers[first : first + len(start)] + len(words), [number]]  # and an end of its own
        document.append(np.full(len(start) + 1, number))
        position.append(np.arange(len(start) + 1))
        first += len(start)
    text, document, position = (np.concatenate(part) for part in (text, document, position))
    suffixes = divsufsort(text.astype(np.uint32))
    common = kasai(text.astype(np.uint32), suffixes)  # with the next one
    alike = np.r_[common[:-1] >= n, False]
    in_one = alike | np.r_[False, alike[:-1]]
    opens = in_one & ~np.r_[False, alike[:-1]]
    group = np.cumsum(opens)[in_one]
    return document[suffixes[in_one]], position[suffixes[in_one]], group


def places_by_hashes(texts, n):
    with TemporaryDirectory() as folder:
        store = Storage(folder)
        parts = put(store, texts, [range(len(texts))])
        rounds(store, parts, Dedup(substrings={"words": n}, min_left_words=0))
        with store.open(grouped_path(0)) as stream:
            table = pa.ipc.open_file(stream).read_all()
    return tuple(table[name].to_numpy() for name in ("row", "number", "group"))


def as_sets(places):
    groups = {}
    for document, position, group in zip(*places, strict=True):
        groups.setdefault(group, set()).add((int(document), int(position)))
    return {frozenset(members) for members in groups.values()}


def words_cut_by_suffix_array(words, n):
    """Which words are cut, document by document: lost runs without a word of a run that is kept for others."""
    document, position, group = places_by_suffix_array(words, n)
    order = np.lexsort((position, document, group))
    document, position, group = document[order], position[order], group[order]
    kept = np.r_[True, group[1:] != group[:-1]] if len(group) else np.zeros(0, bool)
    decided = []
    for number, (start, _, _) in enumerate(words):
        own = document == number
        marks = np.zeros(len(start) + 1, np.int64)
        np.add.at(marks, position[own & kept], 1)
        np.add.at(marks, position[own & kept] + n, -1)
        before = np.r_[0, np.cumsum(np.cumsum(marks) > 0)]
        lost = position[own & ~kept]
        lost = lost[before[lost + n] == before[lost]]
        marks = np.zeros(len(start) + 1, np.int64)
        np.add.at(marks, lost, 1)
        np.add.at(marks, lost + n, -1)
        decided.append(np.cumsum(marks)[:-1] > 0)
    return decided


def words_cut_by_hashes(texts, words, n):
    decisions = cut(texts, n_partitions=4, substrings={"words": n})
    decided = []
    for number, (start, end, _) in enumerate(words):
        gone = np.zeros(len(start), bool)
        if number in decisions:
            for first, last, _ in decisions[number].spans:
                inside = (start >= first) & (end <= last)
                assert (inside == ((end > first) & (start < last))).all()  # no word is cut in two
                gone |= inside
        decided.append(gone)
    return decided


TEXTS = st.lists(st.lists(st.sampled_from("ab"), max_size=40).map(" ".join), min_size=1, max_size=5)


@given(TEXTS)
@settings(deadline=None, max_examples=10)
def test_the_same_runs_are_found_and_the_same_words_cut(texts):
    words = words_of(texts)
    assert as_sets(places_by_hashes(texts, N)) == as_sets(places_by_suffix_array(words, N))
    ours, theirs = words_cut_by_hashes(texts, words, N), words_cut_by_suffix_array(words, N)
    assert all((one == other).all() for one, other in zip(ours, theirs, strict=True))


@given(TEXTS, st.integers(1, 5))
@settings(deadline=None, max_examples=20)
def test_the_suffix_array_is_one(texts, n):
    words = words_of(texts)
    runs = {}
    for document, (*_, hashes) in enumerate(words):
        for position in range(len(hashes) - n + 1):
            runs.setdefault(tuple(hashes[position : position + n].tolist()), set()).add((document, position))
    expected = {frozenset(places) for places in runs.values() if len(places) > 1}
    assert as_sets(places_by_suffix_array(words, n)) == expected


@pytest.mark.skipif(not REAL.exists(), reason="no real near-duplicates: ../shared/data/neardup is not here")
@pytest.mark.parametrize(("file", "least"), [("debian_copyright_files", 0.6), ("spdx_licences", 0.1)])
def test_real_text_is_cut_the_same(file, least):
    with gzip.open(REAL / f"{file}.jsonl.gz", "rt", encoding="utf-8") as stream:
        texts = [json.loads(line)["text"] for line, _ in zip(stream, range(250), strict=False)]
    words = words_of(texts)
    ours, theirs = words_cut_by_hashes(texts, words, 50), words_cut_by_suffix_array(words, 50)
    assert all((one == other).all() for one, other in zip(ours, theirs, strict=True))
    assert sum(one.sum() for one in ours) > least * sum(len(one) for one in ours)
    assert all(after - before >= 50 for one in ours for before, after in _stretches(one))


def _stretches(marked):
    edges = np.flatnonzero(np.diff(np.r_[False, marked, False]))
    return [(first, last) for first, last in pairwise(edges) if marked[first]]
