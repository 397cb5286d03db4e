"""Input files become shards; one more file touches one shard."""

import gzip
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.readers.files import InputFile
from dataflow.readers.source import Source
from dataflow.store.shards import InputHashes, _gather, plan_shards
from dataflow.store.storage import Storage

sizes = st.lists(st.integers(0, 900), min_size=1, max_size=60)


def files(sizes):
    return [InputFile(f"/in/{n}.txt", f"{n}.txt", size) for n, size in enumerate(sizes)]


@given(sizes)
def test_every_small_file_is_in_one_group_and_groups_are_small(sizes):
    groups = _gather(files(sizes), 1000)
    names = [file.relative for _, group in groups for file in group]
    assert sorted(names) == sorted(file.relative for file in files(sizes))
    assert all(len(group) == 1 or sum(file.size for file in group) <= 1000 for _, group in groups)


@given(sizes, st.integers(0, 900))
@settings(max_examples=200)
def test_one_more_file_leaves_all_other_groups_as_they_were(sizes, size):
    before = dict(_gather(files(sizes), 1000))
    after = dict(_gather([*files(sizes), InputFile("/in/new.txt", "new.txt", size)], 1000))
    lost = [name for name, group in before.items() if after.get(name) != group]
    assert len(lost) <= 1  # the group that the file falls into (it may then be divided)


def test_names_of_shards_are_readable_and_unique(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_text('{"text": "hello"}\n' * 100)
    shards = plan_shards(Source(name="web", path=str(tmp_path)), 1000)
    assert len({shard.name for shard in shards}) == len(shards) == 4
    assert all("x.jsonl" in shard.name for shard in shards)


def test_a_split_file_keeps_its_record_numbers(tmp_path):
    lines = [json.dumps({"text": f"document {n}"}) for n in range(500)]
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    shards = plan_shards(Source(name="web", path=str(tmp_path)), 2000)
    starts = [shard.pieces[0].first_record for shard in shards]
    assert starts == sorted(starts)
    assert starts[0] == 0
    assert len(starts) > 2


def test_pieces_of_a_packed_file_are_shards_with_hashes_of_their_own(tmp_path):
    lines = [json.dumps({"text": f"document {n * 7919}"}).encode() + b"\n" for n in range(3000)]
    members = [gzip.compress(b"".join(lines[n : n + 250])) for n in range(0, 3000, 250)]
    (tmp_path / "x.jsonl.gz").write_bytes(b"".join(members))
    shards = plan_shards(Source(name="web", path=str(tmp_path)), 2500)
    assert [shard.pieces[0].first_record for shard in shards] == sorted(
        {s.pieces[0].first_record for s in shards}
    )
    assert len({shard.name for shard in shards}) == len(shards) > 3
    known = InputHashes(Storage(str(tmp_path / "out")), "curate")
    before = [known.of(shard) for shard in shards]
    assert len({value for hashes in before for value in hashes.values()}) == len(shards)
    members[-1] = gzip.compress(b"".join(lines[2750:]) + b"{}\n")
    (tmp_path / "x.jsonl.gz").write_bytes(b"".join(members))
    known = InputHashes(Storage(str(tmp_path / "out")), "curate")
    after = [known.of(shard) for shard in plan_shards(Source(name="web", path=str(tmp_path)), 2500)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True] * (len(shards) - 1) + [False]


def test_a_limit_reads_the_files_in_order_as_one_shard(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text('{"text": "x"}\n')
    (shard,) = plan_shards(Source(name="web", path=str(tmp_path), limit=3), 10**6)
    assert [piece.relative for piece in shard.pieces] == ["a.jsonl", "b.jsonl"]


def test_input_hashes_follow_the_content_not_the_place(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_text('{"text": "x"}\n')
    store = Storage(str(tmp_path / "out"))

    def hashes(folder):
        found = InputHashes(store, "curate")
        (shard,) = plan_shards(Source(name="web", path=str(tmp_path / folder)), 10**6)
        result = found.of(shard)
        found.save()
        return result

    first = hashes("one")
    assert first == hashes("two")
    (tmp_path / "two" / "a.jsonl").write_text('{"text": "y"}\n')
    assert first != hashes("two")
