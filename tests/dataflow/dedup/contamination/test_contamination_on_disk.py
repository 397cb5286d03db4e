"""Decisions about contamination as they lie on disk: what is dropped, cut and named, whatever the parts are."""

import json

import pyarrow as pa
import pytest

from dataflow.catalog.contamination import contamination_summary
from dataflow.catalog.views import connect
from dataflow.dedup.contamination.config import Decontaminate
from dataflow.dedup.contamination.decontaminate import decontaminate_conversations, decontaminate_part
from dataflow.dedup.contamination.index import ITEMS_PATH, build_index
from dataflow.dedup.contamination.sets import find_sets
from dataflow.instructions.splits import Splits, split
from dataflow.store.documents import CONTAMINATION, CUTS, DEDUP, DOCUMENTS, FILTER, INSTRUCTIONS
from dataflow.store.manifest import Part, content_hash, ensure
from dataflow.store.standing import standing
from dataflow.store.storage import Storage
from dataflow.transforms.applied import applied_cuts
from dataflow.transforms.cut import cut_texts
from dataflow.transforms.pii import Pii

QUESTION = "How many eggs does the old brown hen lay in a week of seven days in spring?"
REPLY = "She lays six eggs, as she rests on every seventh day, which is known to all."
OTHER = "Which of the two rivers that meet below the town carries more water in autumn?"
PROSE = " ".join(f"word{n}" for n in range(60))


@pytest.fixture
def store(tmp_path):
    items = [{"id": "hen", "question": QUESTION, "answer": REPLY}, {"id": "few", "question": "Is it so?"}]
    (tmp_path / "hens.jsonl").write_text("\n".join(json.dumps(item) for item in items))
    (tmp_path / "rivers.jsonl").write_text(json.dumps({"question": OTHER}))
    return Storage(str(tmp_path / "out"))


def write_documents(store, shard, texts, passed=None):
    ids = [f"web/{shard}#{n}" for n in range(len(texts))]
    rows = [
        {"id": name, "source": "web", "text": text, "n_bytes": len((text or "").encode()), "bytes_in": 1}
        for name, text in zip(ids, texts, strict=True)
    ]
    store.write_table(f"documents/web/{shard}.parquet", pa.Table.from_pylist(rows, DOCUMENTS))
    decisions = [
        {"id": name, "passed": (passed or {}).get(n, True), "reasons": []} for n, name in enumerate(ids)
    ]
    store.write_table(f"decisions/filter/web/{shard}.parquet", pa.Table.from_pylist(decisions, FILTER))
    return ids


def settings(store, **fields):
    return Decontaminate(sets=[f"{store.root}/../*.jsonl"], **fields)


def index(store, config):
    part = Part("decontaminate-index", "all", 1, {}, {})
    ensure(store, part, lambda: build_index(store, find_sets(config), config, Pii()))
    return content_hash(store, ITEMS_PATH) + repr(config)


def decontaminate(store, *shards, **fields):
    """Rows of the decision about each shard, and its counts."""
    config = settings(store, **fields)
    digest = index(store, config)
    answer = []
    for shard in shards:
        made = decontaminate_part(store, "web", shard, config, digest)
        (path,) = made.outputs
        answer.append((store.read_table(path).to_pylist(), dict(made.counts)))
    return answer if len(answer) > 1 else answer[0]


def test_a_document_that_holds_an_item_is_dropped(store):
    hen, clean, both, _ = write_documents(
        store, "a", [f"é {QUESTION}", PROSE, f"{OTHER}\n{QUESTION} {REPLY}", None], {3: False}
    )
    rows, counts = decontaminate(store, "a")
    assert counts == {
        "documents": 3,
        "contaminated": 2,
        "hit": 2,
        "bytes_dropped": len(f"é {QUESTION}".encode()) + len(f"{OTHER}\n{QUESTION} {REPLY}"),
        "bytes_cut": 0,
    }
    assert [(row["id"], row["set"], row["item"], row["part"], row["overlap"]) for row in rows] == [
        (hen, "hens", "hen", "prompt", 1.0),
        (both, "hens", "hen", "prompt+answer", 1.0),
        (both, "rivers", "0", "prompt", 1.0),
    ]
    assert {row["action"] for row in rows} == {"drop"}
    assert rows[0]["spans"] == [{"start": 3, "length": len(QUESTION) - 1}]
    assert standing(store, "web", "a", after="contamination").tolist() == [False, True, False, False]
    assert clean not in {row["id"] for row in rows}


def test_what_was_removed_before_is_not_looked_at(store):
    dropped, duplicate, cut, stands = write_documents(store, "a", [QUESTION] * 4, {0: False})
    base = {"cluster": stands, "cluster_size": 2, "kind": "exact", "levels": 0, "survivor": stands}
    twin = pa.Table.from_pylist([{**base, "id": duplicate, "removed": True}], DEDUP)
    store.write_table("decisions/dedup/web/a.parquet", twin)
    little = {"id": cut, "spans": [], "bytes_cut": 0, "bytes_left": 0, "removed": True, "applied": True}
    store.write_table("decisions/cuts/web/a.parquet", pa.Table.from_pylist([little], CUTS))
    rows, counts = decontaminate(store, "a")
    assert [row["id"] for row in rows] == [stands]
    assert counts["documents"] == 1
    assert dropped != stands


def test_what_was_cut_before_is_not_looked_at_and_places_are_those_of_the_stored_text(store):
    hidden = f"ä {QUESTION} {PROSE}"
    parted = QUESTION.replace("hen", "hen CUT OUT ö", 1)
    joined = f"{PROSE} {parted} end"
    first, second = write_documents(store, "a", [hidden, joined])
    start = len(PROSE) + 1 + parted.index(" CUT OUT ö")
    cuts = [
        {"id": first, "spans": [{"start": 3, "length": len(QUESTION), "kind": "line"}]},
        {"id": second, "spans": [{"start": start, "length": len(" CUT OUT ö".encode()), "kind": "line"}]},
    ]
    rest = {"bytes_cut": 1, "bytes_left": 1, "removed": False, "applied": True}
    store.write_table(
        "decisions/cuts/web/a.parquet", pa.Table.from_pylist([one | rest for one in cuts], CUTS)
    )
    rows, _ = decontaminate(store, "a")
    (found,) = rows
    assert found["id"] == second
    (span,) = found["spans"]
    data = joined.encode()
    assert data[span["start"] : span["start"] + span["length"]].decode() == parted[:-1]


def test_cut_takes_out_what_was_found_and_drops_where_little_is_left(store):
    long, short = write_documents(store, "a", [f"{PROSE} {QUESTION} {PROSE}", f"Well. {QUESTION} {OTHER}"])
    rows, counts = decontaminate(store, "a", action="cut")
    assert [(row["id"], row["set"], row["action"]) for row in rows] == [
        (long, "hens", "cut"),
        (short, "hens", "drop"),
        (short, "rivers", "drop"),
    ]
    assert counts["bytes_cut"] == len(QUESTION) - 1
    table = store.read_table("documents/web/a.parquet")
    left = cut_texts(table["text"].combine_chunks(), *applied_cuts(store, "web", "a", table["id"]))
    assert left[0].as_py() == f"{PROSE} ? {PROSE}"
    assert standing(store, "web", "a", after="contamination").tolist() == [True, False]


def test_annotate_only_names(store):
    write_documents(store, "a", [QUESTION, PROSE])
    rows, counts = decontaminate(store, "a", action="annotate")
    assert [row["action"] for row in rows] == ["annotate"]
    assert (counts["hit"], counts["contaminated"], counts["bytes_dropped"]) == (1, 0, 0)
    assert standing(store, "web", "a", after="contamination").tolist() == [True, True]


def test_decisions_do_not_depend_on_how_documents_are_divided(store):
    texts = [PROSE, QUESTION, OTHER, f"{QUESTION} {REPLY}", ""] * 300  # more than are read at a time
    write_documents(store, "all", texts)
    whole, counts = decontaminate(store, "all")
    write_documents(store, "left", texts[:301])
    write_documents(store, "right", texts[301:])
    parts = decontaminate(store, "left", "right")
    numbers = {"left": 0, "right": 301}
    rows = [
        row
        | {"id": f"web/all#{int(row['id'].split('#')[1]) + numbers[row['id'].split('/')[1].split('#')[0]]}"}
        for part, _ in parts
        for row in part
    ]
    assert rows == whole
    assert {name: sum(part[1][name] for part in parts) for name in counts} == counts


def test_a_part_without_hits_is_an_empty_table(store):
    write_documents(store, "a", [PROSE])
    assert decontaminate(store, "a")[0] == []
    table = store.read_table("decisions/contamination/web/a.parquet")
    assert table.schema == CONTAMINATION


def write_conversations(store, *turns):
    ids = [f"chat/a#{n}" for n in range(len(turns))]
    rows = [
        {
            "id": name,
            "source": "chat",
            "messages": [
                {"role": role, "content": content}
                for role, content in zip(("user", "assistant"), one, strict=True)
            ],
            "n_bytes": sum(map(len, one)),
            "exact_hash": bytes([n] * 16),
        }
        for n, (name, one) in enumerate(zip(ids, turns, strict=True))
    ]
    store.write_table("instructions/documents/chat/a.parquet", pa.Table.from_pylist(rows, INSTRUCTIONS))
    decisions = [{"id": name, "passed": n != 3, "reasons": []} for n, name in enumerate(ids)]
    store.write_table("instructions/decisions/filter/chat/a.parquet", pa.Table.from_pylist(decisions, FILTER))
    return ids


@pytest.mark.parametrize("action", ["drop", "cut", "annotate"])
def test_conversations_that_hold_an_item_are_left_out_of_every_split(store, action):
    asked, clean, answered, _ = write_conversations(
        store, (QUESTION, "Six."), ("Is it so?", PROSE), (QUESTION, REPLY), (QUESTION, "failed a rule")
    )
    config = settings(store, action=action)
    made = decontaminate_conversations(store, "chat", "a", config, index(store, config))
    rows = store.read_table(made.outputs[0]).to_pylist()
    named = [(asked, "prompt"), (answered, "prompt+answer")]
    assert [(row["id"], row["part"]) for row in rows] == named
    assert {row["action"] for row in rows} == {"annotate" if action == "annotate" else "drop"}
    split(store, Splits(), seed=1)
    planned = store.read_table("instructions/plan/part-00000.parquet")["id"].to_pylist()
    assert set(planned) == ({asked, clean, answered} if action == "annotate" else {clean})


def test_the_table_by_set_counts_items_documents_and_bytes(store):
    texts = [QUESTION, f"{QUESTION} {REPLY}", PROSE, f"{PROSE} {OTHER}"]
    write_documents(store, "a", texts)
    write_conversations(store, (OTHER, "x"), ("y", "z"))
    config = settings(store)
    digest = index(store, config)
    decontaminate_part(store, "web", "a", config, digest)
    decontaminate_conversations(store, "chat", "a", config, digest)
    with connect(store) as con:
        both, documents = contamination_summary(con), contamination_summary(con, instructions=False)
    assert both.columns == (
        "set", "items", "too_short", "items_found", "documents_hit", "conversations_hit", "dropped", "bytes_gone",
    )  # fmt: skip
    assert both.rows == (
        ("hens", 2, 1, 1, 2, 0, 2, len(texts[0]) + len(texts[1])),
        ("rivers", 1, 0, 1, 1, 1, 2, len(texts[3]) + len(OTHER) + 1),
    )
    assert [row[3:] for row in documents.rows] == [
        (1, 2, 2, len(texts[0]) + len(texts[1])),
        (1, 1, 1, len(texts[3])),
    ]
