"""The first round: places in survivor order, and who stands for whom by text or URL."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup.config import Dedup
from dataflow.dedup.parts import RANKS, DedupPart
from dataflow.dedup.rank import rank
from dataflow.store.storage import Storage

Write = Callable[..., tuple[str, str]]


def ranked(
    store: Storage, parts: list[tuple[str, str]], config: Dedup
) -> dict[str, tuple[int, int, str | None]]:
    """Rank, first and kind by id."""
    rank(store, [DedupPart(*part) for part in parts], config)
    found = {}
    for part in parts:
        one = DedupPart(*part)
        table = store.read_table(one.ranks)
        assert table.schema.equals(RANKS)
        found |= dict(
            zip(
                one.read(store, ["id"])["id"].to_pylist(),
                zip(*(c.to_pylist() for c in table.columns), strict=True),
                strict=True,
            )
        )
    return found


def test_documents_stand_in_the_order_of_the_key_then_of_their_ids(
    store: Storage, write: Write, document: type
) -> None:
    one = write(store, "p", [document("b", "", n_bytes=1), document("c", "", n_bytes=2)])
    other = write(store, "q", [document("a", "", n_bytes=1), document("d", "", n_bytes=9, passed=False)])
    assert ranked(store, [one, other], Dedup()) == {
        "b": (2, 2, None),
        "c": (0, 0, None),
        "a": (1, 1, None),
        "d": (-1, -1, None),
    }


def test_the_first_of_a_text_stands_for_it_wherever_the_others_are(
    store: Storage, write: Write, document: type
) -> None:
    parts = [
        write(store, "p", [document("a", "", text="One"), document("b", "", text="two")]),
        write(
            store,
            "q",
            [document("c", "", text=" one", n_bytes=200), document("d", "", text="ONE", passed=False)],
        ),
    ]
    assert ranked(store, parts, Dedup()) == {
        "a": (1, 0, "exact"),
        "b": (2, 2, None),
        "c": (0, 0, None),
        "d": (-1, -1, None),
    }
    assert {first for _, first, _ in ranked(store, parts, Dedup(exact=False)).values()} == {-1, 0, 1, 2}


def test_of_those_that_stand_for_their_text_the_first_of_a_url_stands_for_the_others(
    store: Storage, write: Write, document: type
) -> None:
    parts = [
        write(
            store,
            "p",
            [
                document("a", "", text="first", url="http://x.org/"),
                document("b", "", text="second", url="HTTP://X.org:80#top"),
                document("c", "", text="SECOND", url="http://y.org/"),  # the text is tied to x.org by b
                document("d", "", text="third", url="http://y.org/"),  # c does not stand for y.org
                document("e", "", text="fourth"),
                document("f", "", text="fifth", url=""),
            ],
        )
    ]
    assert ranked(store, parts, Dedup(url=True)) == {
        "a": (0, 0, None),
        "b": (1, 0, "url"),
        "c": (2, 0, "url"),
        "d": (3, 3, None),
        "e": (4, 4, None),
        "f": (5, 5, None),
    }
    assert ranked(store, parts, Dedup())["b"] == (1, 1, None)
    assert ranked(store, parts, Dedup())["c"] == (2, 1, "exact")


@settings(max_examples=15, deadline=None)
@given(
    corpus=st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 4), st.sampled_from([None, "u", "v", "w"]), st.booleans()
        ),
        max_size=14,
    ),
    n_parts=st.integers(1, 4),
    url=st.booleans(),
)
def test_ranks_are_those_of_a_plain_loop(
    tmp_path_factory: pytest.TempPathFactory,
    write: Write,
    document: type,
    corpus: list[tuple[int, int, str | None, bool]],
    n_parts: int,
    url: bool,
) -> None:
    documents = [
        document(
            f"d{i:02d}",
            "",
            text=f"text {text}",
            n_bytes=size,
            url=address and f"http://{address}",
            passed=passed,
        )
        for i, (size, text, address, passed) in enumerate(corpus)
    ]
    store = Storage(str(tmp_path_factory.mktemp("ranks")))
    parts = [write(store, f"p{n}", documents[n::n_parts]) for n in range(n_parts)]
    found = ranked(store, parts, Dedup(url=url))

    order = sorted((one for one in documents if one.passed), key=lambda one: (-one.n_bytes, one.id))
    texts: dict[str, str] = {}
    addresses: dict[str, str] = {}
    stands: dict[str, str] = {}
    for one in order:
        stands[one.id] = texts.setdefault(one.text, one.id)
        if url and one.url and stands[one.id] == one.id:
            stands[one.id] = addresses.setdefault(one.url, one.id)
    place = {one.id: number for number, one in enumerate(order)}
    for one in documents:
        if not one.passed:
            assert found[one.id] == (-1, -1, None)
            continue
        last = stands[stands[one.id]]
        assert found[one.id][:2] == (place[one.id], place[last])
        same_text = texts[one.text] == last
        assert found[one.id][2] == (None if one.id == last else "exact" if same_text else "url")


def test_a_rank_is_a_place_in_the_order_also_where_it_does_not_fit_in_memory(store: Storage) -> None:
    n = 300_000
    random = np.random.default_rng(5)
    n_bytes = random.integers(0, 1000, n)
    numbers = random.permutation(n)
    ids = pa.array([f"a/rather/long/path/of/a/file.jsonl.gz#{number:08d}" for number in numbers])
    hashes = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), n, [None, pa.py_buffer(random.integers(0, 2**62, (n, 2)).tobytes())]
    )
    store.write_table("documents/s/p.parquet", pa.table({"id": ids, "exact_hash": hashes}))
    store.write_table("signals/s/p.parquet", pa.table({"id": ids, "n_bytes": n_bytes}))
    store.write_table("decisions/filter/s/p.parquet", pa.table({"id": ids, "passed": np.ones(n, np.bool_)}))
    rank(store, [DedupPart("s", "p")], Dedup(memory_limit=100_000_000))
    places = np.empty(n, np.int64)
    places[np.lexsort((numbers, -n_bytes))] = np.arange(n)
    assert np.array_equal(store.read_table("dedup/ranks/s/p.parquet")["rank"].to_numpy(), places)
