"""The pass over a shard: what signals see of a record, and what is stored of it."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.curate import Curation, curate
from dataflow.kernels.signatures import Unit, sign
from dataflow.readers.source import Extract, Source
from dataflow.signals.options import SignalOptions
from dataflow.store.shards import plan_shards
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii


@pytest.mark.parametrize(
    ("url", "listed", "stored_url", "stored_host"),
    [
        ("http://8.8.8.8/x", True, "http://<IP>/x", "<IP>"),
        ("http://me:secret@bad.example/", True, "http://me:<EMAIL>/", "bad.example"),
        ("https://www.good.example/a", False, "https://www.good.example/a", "www.good.example"),
        (None, None, None, None),
    ],
)
def test_lists_are_held_against_the_url_as_it_came_and_what_is_stored_is_scrubbed(
    tmp_path: Path, url: str | None, listed: bool | None, stored_url: str | None, stored_host: str | None
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "Some words.", "url": url}))
    (tmp_path / "blocked.txt").write_text("bad.example\n8.8.8.8\n")
    source = Source(name="web", path=str(tmp_path / "in.jsonl"))
    curation = Curation(
        source=source,
        extract=Extract(),
        transforms=(),
        pii=Pii(),
        signals=("url",),
        options=SignalOptions(url_domains=(str(tmp_path / "blocked.txt"),)),
        permutations=8,
        shingle=5,
    )
    store = Storage(str(tmp_path / "out"))
    (shard,) = plan_shards(source, 1 << 20)
    curate(shard, curation, store)
    (row,) = store.read_table(f"signals/web/{shard.name}.parquet").to_pylist()
    assert (row["url_domain_listed"], row["url"], row["url_host"]) == (listed, stored_url, stored_host)


@pytest.mark.parametrize(("unit", "shingle"), [("words", 5), ("characters", 24)])
def test_signatures_are_of_the_text_as_stored_in_the_unit_asked_for(
    tmp_path: Path, unit: Unit, shingle: int
) -> None:
    text = "Write to me@example.org about the quick brown fox and the lazy dog that sleeps."
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": text}))
    source = Source(name="web", path=str(tmp_path / "in.jsonl"))
    curation = Curation(
        source=source,
        extract=Extract(),
        transforms=(),
        pii=Pii(),
        signals=(),
        options=SignalOptions(),
        permutations=8,
        shingle=shingle,
        unit=unit,
    )
    store = Storage(str(tmp_path / "out"))
    (shard,) = plan_shards(source, 1 << 20)
    curate(shard, curation, store)
    (row,) = store.read_table(f"documents/web/{shard.name}.parquet").to_pylist()
    assert "me@example.org" not in row["text"]
    expected = sign(pa.array([row["text"]], pa.large_string()), 8, shingle, unit)
    assert row["signature"] == expected.astype("<u8").tobytes()
