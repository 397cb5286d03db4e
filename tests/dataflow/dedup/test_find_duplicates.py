"""Duplicates over parts on disk: examples first, then the laws."""

import hashlib
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup import find
from dataflow.dedup.config import Dedup, Near
from dataflow.dedup.find import OUTPUT, find_duplicates
from dataflow.errors import DataflowError, RecipeError
from dataflow.store.documents import DEDUP
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

NEAR = Near(
    bands=4, rows=2, similarity=0.75
)  # signatures of 8 letters in 4 bands; 6 equal ones make a duplicate
CONFIG = Dedup(near=NEAR)

Write = Callable[..., tuple[str, str]]
Rows = list[tuple[str, str, str, int, float, str]]


def decided(store: Storage) -> Rows:
    table = store.read_table(OUTPUT)
    assert table.schema.equals(DEDUP)
    return [tuple(row.values())[:6] for row in table.to_pylist()]


def decide(store: Storage, parts: list[tuple[str, str]], config: Dedup = CONFIG) -> Rows:
    find_duplicates(store, parts, config)
    return decided(store)


def test_the_longer_of_two_alike_documents_stays(store: Storage, write: Write, document: type) -> None:
    parts = [
        write(
            store,
            "p",
            [
                document("a", "aabbccdd", n_bytes=10),
                document("b", "aabbccxy", n_bytes=20),  # 6 of 8 values: just enough
                document("c", "aabbcxyz", n_bytes=30),  # 5 of 8 with both: a bucket in common, but not alike
                document("d", "qqqqqqqq", n_bytes=40),
            ],
        )
    ]
    assert decide(store, parts) == [
        ("a", "b", "b", 2, 0.75, "near"),
        ("b", "b", "b", 2, 1.0, "exact"),
    ]


def test_exact_copies_of_a_near_duplicate_follow_it(store: Storage, write: Write, document: type) -> None:
    parts = [
        write(
            store,
            "p",
            [
                document("a", "aabbccdd", text="One", n_bytes=9),
                document("a2", "aabbccdd", text="one ", n_bytes=9),
                document("b", "aabbccxy", n_bytes=20),
                document("b2", "aabbccxy", text="text of b"),
            ],
        )
    ]
    assert decide(store, parts) == [
        ("a", "b2", "b2", 4, 0.75, "near"),
        ("a2", "b2", "b2", 4, 0.75, "near"),
        ("b", "b2", "b2", 4, 1.0, "exact"),
        ("b2", "b2", "b2", 4, 1.0, "exact"),
    ]


def test_equal_survivor_keys_go_by_id(store: Storage, write: Write, document: type) -> None:
    parts = [write(store, "p", [document("b", "aabbccdd"), document("a", "aabbccdd")])]
    assert decide(store, parts) == [("a", "a", "a", 2, 1.0, "exact"), ("b", "a", "a", 2, 1.0, "near")]


def test_documents_without_words_are_compared_exactly_only(
    store: Storage, write: Write, document: type
) -> None:
    parts = [
        write(
            store,
            "p",
            [
                document("empty", "", text=" ", n_words=0),
                document("empty too", "", text="\n", n_words=0),
                document("dots", "", text="...", n_words=0),
                document("short", "ssssssss", text="just three words", n_words=3),
                document("short too", "ssssssss", text="just, three, words", n_words=3),
                document("a shingle", "gggggggg", text="now there are five words", n_words=5),
                document("a shingle too", "gggggggg", text="now, there are five words", n_words=5),
            ],
        )
    ]
    assert [row[:2] for row in decide(store, parts)] == [
        ("a shingle", "a shingle"),
        ("a shingle too", "a shingle"),
        ("empty", "empty"),
        ("empty too", "empty"),
    ]


def test_what_the_rules_dropped_takes_no_part(store: Storage, write: Write, document: type) -> None:
    dropped = document("longest", "aabbccdd", n_bytes=999, passed=False)
    parts = [write(store, "p", [dropped, document("a", "aabbccdd"), document("b", "aabbccdd", passed=False)])]
    made = find_duplicates(store, parts, CONFIG)
    assert decided(store) == []
    assert made == Made(
        (OUTPUT,), {"documents": 1, "clusters": 0, "exact": 0, "near": 0, "candidates": 0, "kept": 1}
    )


CHAIN = (
    ("a", "aabbccdd", 3),
    ("b", "aabbccxy", 2),
    ("c", "aabbzzxy", 1),
)  # a-b and b-c are alike, a-c are not


@pytest.mark.parametrize(
    ("config", "survivors"),
    [
        (Dedup(near=NEAR), {"a": "a", "b": "a", "c": "c"}),
        (Dedup(near=NEAR, cluster="components"), {"a": "a", "b": "a", "c": "a"}),
        (Dedup(near=NEAR, survivor="n_bytes"), {"a": "a", "b": "c", "c": "c"}),
        (Dedup(near=NEAR, survivor="id = 'b' DESC"), {"a": "b", "b": "b", "c": "b"}),
        (Dedup(near=Near(bands=4, rows=2, similarity=0.76)), {}),
        (Dedup(near=False), {}),
    ],
)
def test_a_chain_under_each_configuration(
    store: Storage, write: Write, document: type, config: Dedup, survivors: dict[str, str]
) -> None:
    parts = [write(store, "p", [document(name, letters, n_bytes=n) for name, letters, n in CHAIN])]
    rows = decide(store, parts, config)
    assert {row[0]: row[1] for row in rows} == survivors
    assert {row[3] for row in rows} <= {3}  # one cluster of three, whoever stays


def test_components_state_how_little_a_document_resembles_its_survivor(
    store: Storage, write: Write, document: type
) -> None:
    parts = [write(store, "p", [document(name, letters, n_bytes=n) for name, letters, n in CHAIN])]
    rows = decide(store, parts, Dedup(near=NEAR, cluster="components"))
    assert [row[4] for row in rows] == [1.0, 0.75, 0.5]


def test_survivor_key_over_several_columns_with_nulls(store: Storage, write: Write, document: type) -> None:
    parts = [
        write(
            store,
            "p",
            [
                document("a", "aabbccdd", columns={"quality": None, "date": "2020"}),
                document("b", "aabbccdd", columns={"quality": 0.5, "date": "2022"}),
                document("c", "aabbccdd", columns={"quality": 0.5, "date": "2021"}),
            ],
        )
    ]
    rows = decide(store, parts, Dedup(near=NEAR, survivor="quality DESC NULLS LAST, date"))
    assert {row[1] for row in rows} == {"c"}


@pytest.mark.parametrize("parts", [[], ["p"]])
def test_nothing_in_is_an_empty_table(store: Storage, write: Write, parts: list[str]) -> None:
    made = find_duplicates(store, [write(store, part, []) for part in parts], CONFIG)
    assert decided(store) == []
    assert made.counts["documents"] == 0


@pytest.mark.parametrize(
    ("survivor", "message"),
    [
        ("n_byte DESC", 'unknown column "n_byte". Did you mean "n_bytes"?'),
        ("", "sort key is empty"),
        ("sum(n_bytes)", "aggregate"),
        ("random()", "random may give another answer"),
        ("(SELECT max(n_bytes) FROM documents)", "a subquery is not allowed"),
        ("n_bytes LIMIT 1", "is not a sort key"),
        ("n_bytes) --", "not SQL"),
        ("n_bytes; DROP TABLE documents", "more than an expression"),
        ("CAST(id AS INTEGER)", "TRY_CAST"),
    ],
)
def test_a_bad_survivor_key_is_an_error_of_the_recipe(
    store: Storage, write: Write, document: type, survivor: str, message: str
) -> None:
    parts = [write(store, "p", [document("a", "aabbccdd")])]
    with pytest.raises(RecipeError) as error:
        find_duplicates(store, parts, Dedup(near=NEAR, survivor=survivor))
    assert "dedup.survivor" in str(error.value)
    assert message in str(error.value)
    assert not store.exists(OUTPUT)


def test_signatures_of_another_shape_are_named_with_the_one_asked_for(
    store: Storage, write: Write, document: type
) -> None:
    parts = [write(store, "p", [document("a", "aabbccdd"), document("b", "aabbccdd")])]
    with pytest.raises(DataflowError, match=r"documents/s/p.*8 values, but 14 bands x 8 rows ask for 112"):
        find_duplicates(store, parts, Dedup())


def test_files_of_different_documents_are_refused(store: Storage, write: Write, document: type) -> None:
    parts = [write(store, "p", [document("a", "aabbccdd")])]
    signals = store.read_table("signals/s/p.parquet")
    store.write_table("signals/s/p.parquet", signals.slice(0, 0))
    with pytest.raises(DataflowError, match="not of the same documents"):
        find_duplicates(store, parts, CONFIG)


letters = st.text("ab", min_size=8, max_size=8)
corpora = st.lists(st.tuples(letters, st.integers(1, 3), st.integers(0, 9), st.booleans()), max_size=12)


@settings(max_examples=10, deadline=None)
@given(corpus=corpora, cuts=st.lists(st.integers(0, 12), max_size=3), order=st.randoms(use_true_random=False))
def test_decisions_depend_neither_on_parts_nor_on_their_order_nor_on_memory(
    tmp_path_factory: pytest.TempPathFactory,
    write: Write,
    document: type,
    corpus: list[tuple[str, int, int, bool]],
    cuts: list[int],
    order: object,
) -> None:
    documents = [
        document(f"d{i}", letters, text=f"text {text}", n_bytes=size, n_words=8 if long else 3)
        for i, (letters, size, text, long) in enumerate(corpus)
    ]
    one = Storage(str(tmp_path_factory.mktemp("one")))
    find_duplicates(one, [write(one, "p", documents)], CONFIG)
    other = Storage(str(tmp_path_factory.mktemp("other")))
    shuffled = list(documents)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    bounds = [0, *sorted(min(cut, len(shuffled)) for cut in cuts), len(shuffled)]
    pieces = [shuffled[a:b] for a, b in pairwise(bounds)]
    parts = [write(other, f"p{number}", piece, source=f"s{number}") for number, piece in enumerate(pieces)]
    find_duplicates(other, parts, CONFIG, memory_limit=100_000_000)
    assert other.read_bytes(OUTPUT) == one.read_bytes(OUTPUT)

    signature = {d.id: d.signature for d in documents}
    text = {d.id: d.text for d in documents}
    rows = decided(one)
    survivors = {row[0]: row[1] for row in rows}
    for name, survivor, _, _, similarity, kind in rows:
        assert survivors[survivor] == survivor  # every duplicate names one that stays
        if kind == "exact":
            assert text[name] == text[survivor]
        else:
            assert similarity >= 0.75
    staying = [d for d in documents if survivors.get(d.id, d.id) == d.id]
    assert len({d.text for d in staying}) == len(staying)  # of every text one stays
    for a in staying:
        for b in staying:
            if a.id < b.id and min(a.n_words, b.n_words) >= 5:
                one_band = any(
                    signature[a.id][i : i + 2] == signature[b.id][i : i + 2] for i in range(0, 8, 2)
                )
                equal = sum(x == y for x, y in zip(signature[a.id], signature[b.id], strict=True))
                assert not (one_band and equal >= 6)


@pytest.mark.parametrize("exact", [True, False])
def test_a_hundred_thousand_identical_documents_take_seconds(
    store: Storage, write: Write, document: type, exact: bool
) -> None:
    parts = [write(store, "p", [document(f"d{i:06d}", "aabbccdd", text="same") for i in range(100_000)])]
    begin = time.process_time()
    made = find_duplicates(store, parts, Dedup(exact=exact, near=NEAR))
    assert time.process_time() - begin < 20
    assert made.counts["kept"] == 1
    assert made.counts["clusters"] == 1
    assert made.counts["exact" if exact else "near"] == 99_999


def test_golden_bytes_of_version_2(store: Storage, write: Write, document: type) -> None:
    corpus = [document(f"d{i}", f"aabb{i % 3:02d}{i % 5:02d}", n_bytes=i % 4) for i in range(40)]
    find_duplicates(store, [write(store, "p", corpus)], CONFIG)
    table = repr(decided(store)).encode()
    assert find.VERSION == 2
    assert (
        hashlib.sha256(table).hexdigest()
        == "ddf1621773fd84c121a3bff6c6c8896b560590af367c88d022446c86a8d5a97f"
    )
