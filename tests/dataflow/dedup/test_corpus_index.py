"""The index of a corpus: what is in it, and what is refused before anything is compared with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.dedup import index
from dataflow.dedup.config import Dedup, Near
from dataflow.dedup.exact import exact_hashes
from dataflow.dedup.index import open_index, write_index, write_manifest
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.rank import rank
from dataflow.errors import DataflowError
from dataflow.kernels.signatures import sign
from dataflow.store.manifest import content_hash
from dataflow.store.storage import Storage

NEAR = Near(bands=4, rows=2, similarity=0.75)
CONFIG = Dedup(near=NEAR)
Write = Callable[..., tuple[str, str]]


@pytest.fixture
def earlier(tmp_path: Path, write: Write, document: type) -> Storage:
    """A folder with an index of three documents, in two files."""
    store = Storage(str(tmp_path / "earlier"))
    parts = [
        DedupPart(
            *write(
                store,
                "p",
                [
                    document("a", "aabbccdd", url="http://a.org"),
                    document("dropped", "xxxxxxxx", passed=False),
                ],
            )
        ),
        DedupPart(
            *write(
                store, "q", [document("b", "", n_words=0, n_bytes=200), document("c", "ccccdddd", n_words=4)]
            )
        ),
    ]
    _index(store, parts, CONFIG)
    return store


def _index(store: Storage, parts: list[DedupPart], config: Dedup) -> None:
    rank(store, parts, config)
    files = [path for part in parts for path in write_index(store, part, config).outputs]
    write_manifest(store, {path: content_hash(store, path) for path in files}, config)


def test_an_index_has_a_row_for_each_document_that_stays(earlier: Storage) -> None:
    rows = [row for path in earlier.list("index") for row in earlier.read_table(path).to_pylist()]
    assert [(row["id"], row["rank"], row["url_key"] is None) for row in rows] == [
        ("a", 1, False),
        ("b", 0, True),
        ("c", 2, True),
    ]
    assert [row["signature"] is None for row in rows] == [False, True, True]  # shorter than a shingle
    assert rows[0]["exact_hash"] == exact_hashes(pa.array(["text of a"], pa.large_string()))[0].as_py()
    footer = pq.read_schema(earlier.path("index/s/p.parquet")).metadata
    assert json.loads(footer[b"dedup"]) == index.parameters(CONFIG)
    assert earlier.read_json("index/manifest.json")["documents"] == 3


def test_an_index_is_opened_as_parts_that_all_take_part(earlier: Storage, store: Storage) -> None:
    parts = open_index("old", earlier.root, CONFIG)
    assert [part.name for part in parts] == ["@old/s/p", "@old/s/q"]
    assert [part.is_long(store, NEAR).tolist() for part in parts] == [[True], [False, False]]


@pytest.mark.parametrize(
    ("config", "both"),
    [
        (Dedup(), "signatures of 8 values .*5 words.* signatures of 112 values"),
        (Dedup(near=NEAR.model_copy(update={"shingle": 7})), "of 5 words .* of 7 words"),
        (Dedup(near=NEAR.model_copy(update={"unit": "characters"})), "of 5 words .* of 5 characters"),
    ],
)
def test_an_index_of_other_parameters_is_refused_and_both_are_named(
    earlier: Storage, config: Dedup, both: str
) -> None:
    with pytest.raises(DataflowError, match=both) as error:
        open_index("old", earlier.root, config)
    assert error.value.where == "dedup.against.old"


@pytest.mark.parametrize("near", [False, Near(bands=2, rows=4, similarity=0.9), Near(bands=8, rows=1)])
def test_bands_and_similarity_may_differ_and_near_may_be_off(earlier: Storage, near: Near) -> None:
    assert open_index("old", earlier.root, Dedup(near=near))


def test_an_index_without_signatures_serves_only_who_compares_none(
    store: Storage, write: Write, document: type
) -> None:
    _index(store, [DedupPart(*write(store, "p", [document("a", "aabbccdd")]))], Dedup(near=False))
    assert open_index("old", store.root, Dedup(near=False))
    with pytest.raises(DataflowError, match=r"no signatures, .* signatures of 8 values"):
        open_index("old", store.root, CONFIG)


def test_another_version_of_the_hashes_is_refused(earlier: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.dedup.exact.VERSION", 99)
    with pytest.raises(DataflowError, match=r"version 1 of text, .* version 99 of text"):
        open_index("old", earlier.root, CONFIG)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "bytes and was written with"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "its content has changed"),
    ],
)
def test_a_file_that_is_not_as_written_is_refused_before_any_decision(
    earlier: Storage,
    store: Storage,
    write: Write,
    document: type,
    damage: Callable[[Path], object],
    message: str,
) -> None:
    own = DedupPart(*write(store, "p", [document("n", "aabbccdd")]))
    damage(Path(earlier.path("index/s/q.parquet")))
    with pytest.raises(DataflowError, match=message) as error:
        rank(store, [*open_index("old", earlier.root, CONFIG), own], CONFIG)
    assert "index/s/q.parquet" in error.value.where
    assert not store.exists("dedup")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"files": {"p": {}}, "parameters": {}}', b'{"files": 1}']
)
def test_a_damaged_list_is_refused(earlier: Storage, content: bytes) -> None:
    earlier.write_bytes("index/manifest.json", content)
    with pytest.raises(DataflowError, match="the index") as error:
        open_index("old", earlier.root, CONFIG)
    assert error.value.where.endswith("index/manifest.json")


def test_a_folder_without_an_index_is_named_with_what_to_do(store: Storage) -> None:
    with pytest.raises(DataflowError, match=r"dedup.against.old: no index.*index: true"):
        open_index("old", store.root, CONFIG)


def test_the_version_of_signatures_is_raised_when_they_change() -> None:
    """Later corpora are compared with indexes by it; these are the values of version 1."""
    text = "the quick brown fox jumps over the lazy dog"
    words, letters = (
        sign(pa.array([text], pa.large_string()), 3, 5, unit).tolist() for unit in ("words", "characters")
    )
    assert index.SIGNATURES == 1
    assert words == [[71359381492423, 139210575875611, 223018821941326]]
    assert letters == [[14288812251598, 94791714550799, 189040708720301]]
