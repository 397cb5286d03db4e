"""From files to splits: counts are conserved, prompts never straddle splits, bytes do not change."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dataflow.instructions import dedup, prepare, splits
from dataflow.instructions.forms import InstructionSource
from dataflow.readers.open import Piece
from dataflow.store.documents import DEDUP, FILTER, INSTRUCTIONS, PII, PLAN, QUARANTINE
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "instruct"


def run(store: Storage, path: Path, name: str = "demo", **settings: Any) -> Mapping[str, int]:
    source = InstructionSource(name=name, path=str(path), **settings)
    piece = Piece(str(path), path.name, "jsonl")
    return prepare.prepare([piece], source, "part", Pii(), store).counts


def write(path: Path, records: list[object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def alpaca(asked: str, answer: str, **more: object) -> dict[str, object]:
    return {"instruction": asked, "input": "", "output": answer, **more}


RECORDS: list[object] = [
    alpaca("Who?", "Write to jo@mail.org", id=1, url="by jo@mail.org"),
    alpaca("Why?", ""),
    [1],
    {"messages": [{"role": "user", "content": "😀 Who?"}, {"role": "assistant", "content": "jo@mail.org"}]},
    alpaca("who? ", "write to  jo@mail.org"),
    {"messages": 3},
]


def test_a_shard_is_converted_scrubbed_and_judged(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "out"))
    counts = run(store, write(tmp_path / "a.jsonl", RECORDS))
    assert counts["records"] == 6 == counts["documents"] + counts["quarantined"]
    assert (counts["documents"], counts["passed"], counts["failed:empty_answer"]) == (4, 3, 1)

    documents = store.read_table("instructions/documents/demo/part.parquet")
    assert documents.schema == INSTRUCTIONS
    assert documents["id"].to_pylist() == [f"demo/a.jsonl#{n}" for n in (0, 1, 3, 4)]
    assert documents["messages"][0].as_py()[1] == {"role": "assistant", "content": "Write to <EMAIL>"}
    assert documents["metadata"][0].as_py() == '{"url":"by <EMAIL>"}'
    assert documents["input_id"][0].as_py() == "1"

    decisions = store.read_table("instructions/decisions/filter/demo/part.parquet")
    assert decisions.schema == FILTER
    assert decisions["reasons"].to_pylist() == [[], ["empty_answer"], [], []]

    quarantine = store.read_table("instructions/quarantine/demo/part.parquet")
    assert quarantine.schema == QUARANTINE
    assert quarantine["record"].to_pylist() == [2, 5]

    spans = store.read_table("instructions/pii/demo/part.parquet")
    assert spans.schema == PII
    third = next(row for row in spans.to_pylist() if row["id"].endswith("#3"))
    assert "😀 Who?\njo@mail.org"[third["start"] :][: third["length"]] == "jo@mail.org"
    assert "😀 Who?\n<EMAIL>"[third["new_start"] :][: third["new_length"]] == "<EMAIL>"


def test_of_equal_conversations_the_smallest_id_survives(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "out"))
    run(store, write(tmp_path / "a.jsonl", RECORDS))
    made = dedup.deduplicate(store)
    assert dict(made.counts) == {"documents": 3, "duplicates": 1, "clusters": 1}
    decided = store.read_table(made.outputs[0])
    assert decided.schema == DEDUP
    assert decided["id"].to_pylist() == ["demo/a.jsonl#0", "demo/a.jsonl#4"]
    assert set(decided["survivor"].to_pylist()) == {"demo/a.jsonl#0"}


def test_a_limit_counts_records(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "out"))
    assert run(store, write(tmp_path / "a.jsonl", RECORDS), limit=3)["records"] == 3


def prepared(tmp_path: Path) -> Storage:
    """400 conversations over 200 prompts."""
    store = Storage(str(tmp_path / "out"))
    records = [alpaca(f"Question {n % 200}?", f"Answer {n}.") for n in range(400)]
    run(store, write(tmp_path / "a.jsonl", records))
    dedup.deduplicate(store)
    return store


def corpus(store: Storage, name: str) -> list[dict[str, Any]]:
    return [
        row
        for path in store.list(f"instructions/corpus/{name}")
        for row in store.read_table(path).to_pylist()
    ]


def test_splits_are_disjoint_by_prompt_and_complete(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    made = splits.split(store, splits.Splits(validation=0.2, test=0.2), seed=1)
    rows = {name: corpus(store, name) for name in splits.SPLITS}
    prompts = {name: {splits.prompt(row["messages"]) for row in found} for name, found in rows.items()}
    assert all(len(found) == made.counts[name] > 0 for name, found in rows.items())
    assert not prompts["train"] & (prompts["validation"] | prompts["test"])
    assert not prompts["validation"] & prompts["test"]
    assert len({row["id"] for found in rows.values() for row in found}) == 400 == made.counts["documents"]
    assert all([row["position"] for row in found] == list(range(len(found))) for found in rows.values())
    plan = store.read_table(splits.PLAN_PATH)
    assert plan.schema == PLAN
    assert Counter(plan["phase"].to_pylist()) == {name: made.counts[name] for name in splits.SPLITS}
    assert [row["id"] for row in rows["train"]] != sorted(row["id"] for row in rows["train"])


def test_held_out_splits_keep_to_their_maximum(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    config = splits.Splits(validation=0.3, test=0.3, max_validation=20, max_test=0)
    made = splits.split(store, config, seed=1)
    assert 0 < made.counts["validation"] <= 20
    assert made.counts["test"] == 0
    assert made.counts["train"] == 400 - made.counts["validation"]


def test_a_prompt_keeps_its_side_when_others_come(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    config = splits.Splits(validation=0.2, test=0.2)
    splits.split(store, config, seed=1)
    before = {row["id"] for row in corpus(store, "validation")}
    run(store, write(tmp_path / "b.jsonl", [alpaca(f"New {n}?", "Yes.") for n in range(50)]), name="more")
    splits.split(store, config, seed=1)
    assert before <= {row["id"] for row in corpus(store, "validation")}
    splits.split(store, config, seed=2)
    assert before != {row["id"] for row in corpus(store, "validation")}


def test_shares_must_leave_something_to_train_on() -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        splits.Splits(validation=0.6, test=0.5)


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "out"))
    assert dedup.deduplicate(store).counts["documents"] == 0
    assert splits.split(store, splits.Splits(), seed=1).outputs == (splits.PLAN_PATH,)


@pytest.mark.parametrize(
    ("name", "limit", "documents", "passed"),
    [
        ("alpaca_52k_en", 2000, 2000, 1996),
        ("sharegpt_dummy", None, 500, 500),
        ("llamafactory_v1_sft_messages", None, 500, 500),
        ("llamafactory_glaive_toolcall_en_demo", None, 300, 147),  # tool calls are not supported yet
        ("self_instruct_seed_tasks", None, 0, 0),  # another form: all in quarantine
    ],
)
def test_real_files(tmp_path: Path, name: str, limit: int | None, documents: int, passed: int) -> None:
    path = SHARED / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    counts = run(Storage(str(tmp_path)), path, limit=limit)
    assert (counts["documents"], counts["passed"]) == (documents, passed)
    assert counts["records"] == counts["documents"] + counts["quarantined"]


def test_golden_bytes(tmp_path: Path) -> None:
    """A new digest needs a new VERSION in the module that changed."""
    store = Storage(str(tmp_path / "out"))
    run(store, write(tmp_path / "a.jsonl", [*RECORDS, *(alpaca(f"Q{n}", f"A{n}") for n in range(40))]))
    dedup.deduplicate(store)
    splits.split(store, splits.Splits(validation=0.2, test=0.2), seed=1)
    digests = []
    for folder in ("documents", "decisions", "plan", "corpus"):
        rows = [store.read_table(path).to_pylist() for path in store.list(f"instructions/{folder}")]
        digests.append(hashlib.sha256(repr(rows).encode()).hexdigest()[:8])
    assert (prepare.VERSION, dedup.VERSION, splits.VERSION) == (1, 2, 1)
    assert digests == ["13397700", "132b8be6", "f7da4ce0", "5b724692"]
