"""Small output folders written by hand, as the steps would write them: what the catalog's tests read."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import pyarrow as pa

from dataflow.store.documents import (
    CONTAMINATION,
    CORPUS,
    CUTS,
    DEDUP,
    DOCUMENTS,
    FILTER,
    INSTRUCTIONS,
    PLAN,
    QUARANTINE,
    tokens_schema,
)
from dataflow.store.manifest import Made, Part, ensure
from dataflow.store.storage import Storage

STEPS = ("curate", "filter", "dedup", "decontaminate", "mix", "tokenize")
SIGNALS = {"language": pa.string(), "n_words": pa.int64(), "mean_word_length": pa.float32()}


@dataclass(frozen=True)
class Doc:
    """One document and all that the steps decided about it."""

    id: str
    text: str = "some words of text"
    failed: tuple[str, ...] = ()
    duplicate_of: str | None = None
    similarity: float | None = 0.9
    kind: str = "near"  # of likeness to what it repeats
    levels: int | None = None  # left out: those that go with its similarity, from 0.70 on
    earlier: str | None = None  # the corpus that what it repeats is of
    cluster: str | None = None  # left out: named after what it repeats
    contaminated_by: tuple[str, ...] = ()
    hits: tuple[dict[str, Any], ...] = ()  # of evaluation sets, in full
    cut: tuple[tuple[str, str], ...] = ()  # passages of its text and what kind they are
    cut_from: str = ""  # the document that keeps them
    too_little_left: bool = False
    phases: tuple[str, ...] = ()  # one for each epoch
    signals: dict[str, Any] = field(default_factory=dict)
    bytes_in: int = 100

    @property
    def source(self) -> str:
        return self.id.split("/")[0]

    @property
    def n_bytes(self) -> int:
        return len(self.text.encode())

    @property
    def group(self) -> str:
        """The cluster it is in, were it in one."""
        return self.cluster or (self.id if self.earlier else self.duplicate_of or self.id)


@dataclass(frozen=True)
class Unread:
    """A record that became no document."""

    id: str
    fate: str = "quarantined"
    reason: str = "not JSON"

    @property
    def source(self) -> str:
        return self.id.split("/")[0]


def write_folder(
    url: str,
    docs: Sequence[Doc],
    unread: Sequence[Unread] = (),
    *,
    steps: Sequence[str] = STEPS,
    signals: dict[str, pa.DataType] | None = None,
    recipe: dict[str, Any] | None = None,
    annotate: bool = False,
) -> Storage:
    """An output folder in which ``steps`` have run, one part a source, with manifests."""
    store = Storage(url)
    store.write_json("recipe.json", recipe or {"name": "made", "rules": {"sets": []}, "sources": []})
    types = SIGNALS if signals is None else signals
    for source in sorted({item.source for item in (*docs, *unread)}):
        mine = [doc for doc in docs if doc.source == source]
        lost = [item for item in unread if item.source == source]
        make(
            store, "curate", f"{source}/part", lambda s=source, d=mine, u=lost: _curate(store, s, d, u, types)
        )
        if "filter" in steps:
            make(store, "filter", f"{source}/part", lambda s=source, d=mine: _filter(store, s, d))
    for step, write in (
        ("dedup", partial(_dedup, annotate=annotate)),
        ("decontaminate", _decontaminate),
        ("mix", _mix),
        ("tokenize", _tokenize),
    ):
        if step in steps:
            make(store, step, "all", lambda write=write: write(store, docs))
    return store


def make(store: Storage, step: str, name: str, write: Callable[[], Made]) -> None:
    ensure(store, Part(step, name, 1, {}, {}), write)


def rows(schema: pa.Schema, dicts: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(dicts), schema=schema)


def _curate(
    store: Storage, source: str, docs: Sequence[Doc], unread: Sequence[Unread], types: dict[str, pa.DataType]
) -> Made:
    outputs = [f"{folder}/{source}/part.parquet" for folder in ("documents", "signals", "quarantine")]
    store.write_table(
        outputs[0],
        rows(
            DOCUMENTS,
            [
                {
                    "id": doc.id,
                    "source": source,
                    "text": doc.text,
                    "n_bytes": doc.n_bytes,
                    "bytes_in": doc.bytes_in,
                    "metadata": "{}",
                    "exact_hash": hashlib.md5(doc.text.encode()).digest(),
                    "signature": bytes(16),
                }
                for doc in docs
            ],
        ),
    )
    base = {
        "id": pa.string(),
        "source": pa.string(),
        "kind": pa.string(),
        "url": pa.string(),
        "date": pa.string(),
    }
    store.write_table(
        outputs[1],
        rows(
            pa.schema({**base, "n_bytes": pa.int64(), **types}),
            [
                {"id": doc.id, "source": source, "kind": "prose", "n_bytes": doc.n_bytes}
                | {"language": "en", "n_words": len(doc.text.split()), "mean_word_length": 4.0}
                | doc.signals
                for doc in docs
            ],
        ),
    )
    store.write_table(
        outputs[2],
        rows(
            QUARANTINE,
            [
                {
                    "id": item.id,
                    "source": source,
                    "input": item.id[len(source) + 1 :].rsplit("#", 1)[0],
                    "record": int(item.id.rsplit("#", 1)[1]),
                    "fate": item.fate,
                    "reason": item.reason,
                    "raw": b"?",
                    "bytes_in": 10,
                }
                for item in unread
            ],
        ),
    )
    counts = {
        "records": len(docs) + len(unread),
        "documents": len(docs),
        "quarantined": sum(item.fate == "quarantined" for item in unread),
        "skipped": sum(item.fate == "skipped" for item in unread),
    }
    return Made(tuple(outputs), counts)


def _filter(store: Storage, source: str, docs: Sequence[Doc]) -> Made:
    rel = f"decisions/filter/{source}/part.parquet"
    decided = [{"id": doc.id, "passed": not doc.failed, "reasons": list(doc.failed)} for doc in docs]
    store.write_table(rel, rows(FILTER, decided))
    return Made((rel,), {"documents": len(docs), "passed": sum(not doc.failed for doc in docs)})


def _dedup(store: Storage, docs: Sequence[Doc], annotate: bool = False) -> Made:
    repeated = {doc.duplicate_of for doc in docs if doc.duplicate_of and not doc.earlier}
    members = [doc for doc in docs if doc.duplicate_of or doc.id in repeated or doc.cluster]
    sizes = Counter(doc.group for doc in members)
    decided = [
        {
            "id": doc.id,
            "survivor": doc.duplicate_of or doc.id,
            "cluster": doc.group,
            "cluster_size": sizes[doc.group],
            "similarity": doc.similarity if doc.duplicate_of else 1.0,
            "kind": doc.kind if doc.duplicate_of else "exact",
            "removed": bool(doc.duplicate_of) and not annotate,
            "earlier": doc.earlier,
            "levels": _levels(doc),
        }
        for doc in members
    ]
    outputs = _by_source("decisions/dedup", store, DEDUP, docs, decided)
    cuts = [
        {
            "id": doc.id,
            "spans": [{**_place(doc.text, passage), "kind": kind} for passage, kind in doc.cut],
            "bytes_cut": sum(len(passage.encode()) for passage, _ in doc.cut),
            "bytes_left": doc.n_bytes - sum(len(passage.encode()) for passage, _ in doc.cut),
            "survivor": doc.cut_from,
            "removed": doc.too_little_left,
            "applied": not annotate,
        }
        for doc in docs
        if doc.cut
    ]
    if cuts:
        outputs += _by_source("decisions/cuts", store, CUTS, docs, cuts)
    return Made(outputs)


def _levels(doc: Doc) -> int:
    if doc.levels is not None or not doc.duplicate_of:
        return doc.levels or 0
    if doc.kind != "near" or doc.similarity is None:
        return -1
    return sum(1 << bit for bit in range(26) if doc.similarity > 0.7 + bit / 100 - 1e-9)


def _place(text: str, passage: str) -> dict[str, int]:
    """Where a passage stands, in bytes."""
    return {"start": text.encode().index(passage.encode()), "length": len(passage.encode())}


def _by_source(
    folder: str, store: Storage, schema: pa.Schema, docs: Sequence[Doc], decided: Sequence[dict[str, Any]]
) -> tuple[str, ...]:
    """A part for each source, rows in the order of documents."""
    outputs = []
    for source in sorted({doc.source for doc in docs}):
        outputs.append(f"{folder}/{source}/part.parquet")
        mine = [row for row in decided if row["id"].split("/")[0] == source]
        store.write_table(outputs[-1], rows(schema, mine))
    return tuple(outputs)


def _decontaminate(store: Storage, docs: Sequence[Doc]) -> Made:
    known = {"set": "quiz", "part": "prompt", "overlap": 0.9, "n_grams": 9, "action": "drop", "spans": []}
    hits = [
        {**known, **hit, "id": doc.id}
        for doc in docs
        for hit in (*({"item": item} for item in doc.contaminated_by), *doc.hits)
    ]
    return Made(_by_source("decisions/contamination", store, CONTAMINATION, docs, hits))


def _planned(docs: Sequence[Doc]) -> list[dict[str, Any]]:
    drawn = [(phase, epoch, doc) for doc in docs for epoch, phase in enumerate(doc.phases)]
    drawn.sort(key=lambda draw: draw[:2])
    return [
        {
            "id": doc.id,
            "source": doc.source,
            "phase": phase,
            "position": position,
            "epoch": epoch,
            "n_bytes": doc.n_bytes,
            "text": doc.text,
            "tokens": list(doc.text.encode()),
        }
        for phase, group in groupby(drawn, key=lambda draw: draw[0])
        for position, (_, epoch, doc) in enumerate(group)
    ]


def _mix(store: Storage, docs: Sequence[Doc]) -> Made:
    outputs = []
    for phase, group in groupby(_planned(docs), key=lambda row: row["phase"]):
        members = list(group)
        outputs += [f"plan/{phase}.parquet", f"corpus/{phase}/part-00000.parquet"]
        store.write_table(outputs[-2], rows(PLAN, members))
        store.write_table(outputs[-1], rows(CORPUS, members))
    return Made(tuple(outputs))


def _tokenize(store: Storage, docs: Sequence[Doc]) -> Made:
    outputs = []
    for phase, group in groupby(_planned(docs), key=lambda row: row["phase"]):
        outputs.append(f"tokens/{phase}/part-00000.parquet")
        store.write_table(outputs[-1], rows(tokens_schema(wide=False, spans=False), list(group)))
    return Made(tuple(outputs))


def write_instructions(store: Storage, docs: Sequence[Doc], unread: Sequence[Unread] = ()) -> None:
    """Instruction data beside it; a document's phase is train, validation or test."""
    source = docs[0].source
    make(store, "instruct", f"{source}/part", lambda: _prepare(store, source, docs, unread))
    make(store, "instruct", "dedup", lambda: _under_instructions(store, _dedup, docs))
    make(store, "instruct", "split", lambda: _split(store, docs))


def _under_instructions(
    store: Storage, write: Callable[[Storage, Sequence[Doc]], Made], docs: Sequence[Doc]
) -> Made:
    made = write(Storage(f"{store.url}/instructions"), docs)
    return Made(tuple(f"instructions/{path}" for path in made.outputs))


def _prepare(store: Storage, source: str, docs: Sequence[Doc], unread: Sequence[Unread]) -> Made:
    documents, filtered, quarantine = (
        f"instructions/{folder}/{source}/part.parquet"
        for folder in ("documents", "decisions/filter", "quarantine")
    )
    conversations = [
        {
            "id": doc.id,
            "source": source,
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": doc.text}],
            "n_bytes": doc.n_bytes,
            "bytes_in": doc.bytes_in,
        }
        for doc in docs
    ]
    store.write_table(documents, rows(INSTRUCTIONS, conversations))
    decided = [{"id": doc.id, "passed": not doc.failed, "reasons": list(doc.failed)} for doc in docs]
    store.write_table(filtered, rows(FILTER, decided))
    lost = [
        {"id": item.id, "source": source, "input": "i", "record": 0, "fate": item.fate, "reason": item.reason}
        for item in unread
    ]
    store.write_table(quarantine, rows(QUARANTINE, lost))
    counts = {
        "records": len(docs) + len(unread),
        "documents": len(docs),
        "quarantined": len(unread),
        "skipped": 0,
    }
    return Made((documents, filtered, quarantine), counts)


def _split(store: Storage, docs: Sequence[Doc]) -> Made:
    rel = "instructions/plan/part-00000.parquet"
    store.write_table(rel, rows(PLAN, _planned(docs)))
    return Made((rel,))


def write_metrics(store: Storage, run: str, records: Sequence[dict[str, Any]], torn: str = "") -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    store.write_bytes(f"runs/{run}/metrics.jsonl", (lines + torn).encode())


EVERY_FATE = (
    Doc("web/a.jsonl#0", "the first text", phases=("main", "main", "anneal")),
    Doc("web/a.jsonl#1", "short", failed=("min_words", "end_mark"), signals={"n_words": 1}),
    Doc("web/a.jsonl#2", "the first text again", duplicate_of="web/a.jsonl#0", similarity=0.75),
    Doc("web/a.jsonl#3", "what is the answer", contaminated_by=("7", "3")),
    Doc("web/a.jsonl#4", "held out text", phases=("validation",)),
    Doc("web/a.jsonl#5", "beyond the budget"),
    Doc("books/part #2/b#1.txt#0", "Ein Buch über Bücher", phases=("main",), signals={"language": "de"}),
)
EVERY_UNREAD = (Unread("web/a.jsonl#6"), Unread("web/a.jsonl#7", fate="skipped", reason="image"))
