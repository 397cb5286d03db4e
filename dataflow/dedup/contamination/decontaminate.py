"""Documents that hold items of evaluation sets: found, named, and dropped, cut or only annotated.

After appendix C of GPT-3 (Brown et al. 2020: 13-grams, at least 8 words, shared phrases ignored), which datatrove's
and Dolma's decontamination follow; but where those take any one n-gram, here a document is hit by an item when it
has at least ``min_overlap`` of the item's n-grams (PaLM: 70 % of 8-grams; Llama 2: an item is clean below 20 %). So
one 13-gram of a short item is enough, and a quotation that a long item has too is not. Both of an item's parts are
asked, prompt, and prompt and answer together; the one of greater overlap is named, the latter where they are equal.

Case, punctuation, white space, apostrophes and hyphens make no difference (``kernels.word_runs``). N-grams are
compared by 64 bits of hash of 64-bit word hashes: of 10^12 n-grams of text against 10^6 of evaluation sets, 0.05
would be taken for another by chance, and one alone drops a document only where the item has five or fewer.

``cut`` removes what was found, first word to last, and no more; instruction data is never cut, since half a
conversation teaches nothing: it is dropped.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.dedup.contamination.config import Decontaminate
from dataflow.dedup.contamination.index import PROMPT, WHOLE, Index, load_index, words_of
from dataflow.instructions.database import dropped
from dataflow.kernels.word_runs import Integers, find_runs
from dataflow.store.documents import CONTAMINATION
from dataflow.store.manifest import Made
from dataflow.store.standing import standing
from dataflow.store.storage import Storage
from dataflow.transforms.applied import applied_cuts
from dataflow.transforms.cut import Spans, bytes_cut, cut_texts, merged, stored_offsets

VERSION = 1
"""Raised when the same documents and index would give other decisions."""

_ROWS = 1024  # documents read at a time
_CONVERSATIONS = "instructions/documents"


class Found(NamedTuple):
    """Which texts hold which items: a row for each text and item, by text and item."""

    row: Integers  # of the text
    item: Integers
    whole: npt.NDArray[np.bool_]  # by prompt and answer, not by the prompt alone
    overlap: npt.NDArray[np.float64]
    n_grams: Integers  # found, of that part
    spans: Spans  # rows are those of this table


def find_items(texts: pa.LargeStringArray, index: Index, min_overlap: float) -> Found:
    """The items that texts hold at least ``min_overlap`` of, and where (bytes of each text)."""
    hits = find_runs(index.runs, texts)
    n_items = len(index.names)
    place, at = _postings(hits.run, index)
    pair = hits.document[place] * n_items + index.item[at]
    # An n-gram counts once, however often a text has it.
    once = np.unique(np.stack([pair, at]), axis=1)
    pairs, number = np.unique(once[0], return_inverse=True)
    row, item = np.divmod(pairs, max(1, n_items))
    n_found = [
        np.bincount(number[index.parts[once[1]] & bit > 0], minlength=len(pairs)) for bit in (PROMPT, WHOLE)
    ]
    prompt, whole = (
        found / np.maximum(1, n_grams[item])
        for found, n_grams in zip(n_found, (index.n_prompt, index.n_whole), strict=True)
    )
    is_whole = (index.n_whole[item] > 0) & (whole >= prompt)
    overlap = np.where(is_whole, whole, prompt)
    is_hit = overlap >= min_overlap
    # all places of the n-grams of those pairs
    new_row = np.cumsum(is_hit) - 1
    of_pair = np.searchsorted(pairs, pair)
    kept = is_hit[of_pair] if len(pairs) else np.zeros(0, np.bool_)
    spans = _sorted(new_row[of_pair[kept]], hits.start[place[kept]], hits.end[place[kept]])
    return Found(
        row[is_hit],
        item[is_hit],
        is_whole[is_hit],
        overlap[is_hit],
        np.where(is_whole, n_found[1], n_found[0])[is_hit],
        merged(*spans),
    )


def decontaminate_part(store: Storage, source: str, shard: str, config: Decontaminate, digest: str) -> Made:
    """Write ``decisions/contamination/<source>/<shard>`` for the documents that still stand.

    ``digest`` is of the index's content. Counts: ``documents`` looked at, of which ``contaminated`` (dropped) and
    ``hit`` in all; ``bytes_dropped``, ``bytes_cut``.
    """
    index = load_index(store, digest)
    path = f"documents/{source}/{shard}.parquet"
    stands = standing(store, source, shard, after="cuts")
    ids = store.read_table(path, ["id"])["id"]
    cuts = applied_cuts(store, source, shard, ids, after="cuts")
    output = f"decisions/contamination/{source}/{shard}.parquet"
    counts = _no_counts()
    with store.parquet_writer(output, CONTAMINATION) as writer:
        for first, batch in _batches(store, path, ["id", "text"]):
            chosen = stands[first : first + len(batch)]
            kept = batch.filter(pa.array(chosen))
            earlier = _within(cuts, first, chosen)
            decided = _decide(
                kept["id"], kept["text"].cast(pa.large_string()), earlier, index, config, counts
            )
            writer.write_table(decided)
    return Made((output,), counts)


def decontaminate_conversations(
    store: Storage, source: str, part: str, config: Decontaminate, digest: str
) -> Made:
    """Write ``instructions/decisions/contamination/<source>/<part>`` for what passed and is no duplicate.

    The text of a conversation is the contents of its messages, a line break between them; spans are places in it.
    Counts are those of ``decontaminate_part``.
    """
    index = load_index(store, digest)
    name = f"{source}/{part}.parquet"
    passed = store.read_table(f"instructions/decisions/filter/{name}", ["passed"])["passed"].to_numpy()
    gone = dropped(store)["id"].cast(pa.string())
    output = f"instructions/decisions/contamination/{name}"
    counts = _no_counts()
    whole = config.model_copy(update={"action": "drop" if config.action == "cut" else config.action})
    with store.parquet_writer(output, CONTAMINATION) as writer:
        for first, batch in _batches(store, f"{_CONVERSATIONS}/{name}", ["id", "messages"]):
            ids = batch["id"]
            stands = passed[first : first + len(ids)] & ~pc.is_in(ids, value_set=gone).to_numpy(False)
            kept = batch.filter(pa.array(stands))
            texts = [
                "\n".join(message["content"] or "" for message in messages)
                for messages in kept["messages"].to_pylist()
            ]
            nothing = Spans(*(np.zeros(0, np.int64) for _ in range(3)))
            column = pa.array(texts, pa.large_string())
            writer.write_table(_decide(kept["id"], column, nothing, index, whole, counts))
    return Made((output,), counts)


def _decide(
    ids: pa.Array,
    texts: pa.LargeStringArray,
    earlier: Spans,
    index: Index,
    config: Decontaminate,
    counts: dict[str, int],
) -> pa.Table:
    """Rows of the decision about some documents, from which ``earlier`` was cut before."""
    found = find_items(cut_texts(texts, *earlier), index, config.min_overlap)
    rows = found.row[found.spans.rows]
    spans = Spans(
        found.spans.rows,
        stored_offsets(earlier, rows, found.spans.starts),
        stored_offsets(earlier, rows, found.spans.ends, ends=True),
    )
    action = np.full(len(ids), config.action, object)
    if config.action == "cut" and len(found.row):
        cut = _sorted(
            np.concatenate([earlier.rows, found.row[spans.rows]]),
            np.concatenate([earlier.starts, spans.starts]),
            np.concatenate([earlier.ends, spans.ends]),
        )
        touched = np.unique(found.row)
        left = words_of(cut_texts(texts, *cut).take(pa.array(touched)))
        action[touched[left < config.min_left_words]] = "drop"
        lost = bytes_cut(*cut, len(ids)) - bytes_cut(*earlier, len(ids))
        counts["bytes_cut"] += int(lost[touched[left >= config.min_left_words]].sum())
    hit = np.unique(found.row)
    gone = hit[action[hit] == "drop"]
    counts["documents"] += len(ids)
    counts["hit"] += len(hit)
    counts["contaminated"] += len(gone)
    counts["bytes_dropped"] += sum(len(texts[int(row)].as_py().encode()) for row in gone)
    return pa.table(
        {
            "id": ids.take(pa.array(found.row)),
            "set": index.sets.take(pa.array(found.item)),
            "item": index.names.take(pa.array(found.item)),
            "part": pa.array(np.where(found.whole, "prompt+answer", "prompt").tolist(), pa.string()),
            "overlap": pa.array(found.overlap, pa.float32()),
            "n_grams": pa.array(found.n_grams, pa.int64()),
            "action": pa.array(action[found.row].tolist(), pa.string()),
            "spans": _lists(spans, len(found.row)),
        },
        schema=CONTAMINATION,
    )


def _postings(runs: Integers, index: Index) -> tuple[Integers, Integers]:
    """For each run found, the entries of the index that it stands for: place among ``runs``, entry."""
    n = index.first[runs + 1] - index.first[runs]
    place = np.repeat(np.arange(len(runs)), n)
    return place, np.arange(len(place)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(index.first[runs], n)


def _sorted(rows: Integers, starts: Integers, ends: Integers) -> Spans:
    order = np.lexsort((ends, starts, rows))
    return Spans(rows[order], starts[order], ends[order])


def _within(cuts: Spans, first: int, chosen: npt.NDArray[np.bool_]) -> Spans:
    """The cuts of the ``chosen`` rows from ``first`` on, by their place among those."""
    start, end = np.searchsorted(cuts.rows, [first, first + len(chosen)])
    rows = cuts.rows[start:end] - first
    here = chosen[rows]
    place = np.cumsum(chosen) - 1
    return Spans(place[rows[here]], cuts.starts[start:end][here], cuts.ends[start:end][here])


def _lists(spans: Spans, n: int) -> pa.ListArray:
    """Spans as the column of a table of ``n`` rows."""
    bounds = np.searchsorted(spans.rows, np.arange(n + 1)).astype(np.int32)
    kind = CONTAMINATION.field("spans").type
    columns = [pa.array(spans.starts, pa.int64()), pa.array(spans.ends - spans.starts, pa.int64())]
    structs = pa.StructArray.from_arrays(columns, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(pa.array(bounds), structs).cast(kind)


def _batches(store: Storage, path: str, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Columns of a file, each batch with the number of its first row."""
    first = 0
    with store.open(path) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_ROWS, columns=columns):
            yield first, batch
            first += batch.num_rows


def _no_counts() -> dict[str, int]:
    return {"documents": 0, "contaminated": 0, "hit": 0, "bytes_dropped": 0, "bytes_cut": 0}
