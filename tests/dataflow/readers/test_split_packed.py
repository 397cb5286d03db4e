"""Packed JSONL is shared among workers: the pieces in order give the rows of the whole."""

import gzip
import random
import zlib
from itertools import pairwise

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import pieces, rows

from dataflow.readers import streams
from dataflow.readers.streams import Damaged, blocks


def pack(parts, how):
    """Each part as a gzip member or zstd frame of its own."""
    if how == "gz":
        return b"".join(gzip.compress(part, mtime=0) for part in parts)
    return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts)


def noise(n, seed=1):
    """Lines that do not pack well."""
    chance = random.Random(seed)
    lines = [orjson.dumps({"text": chance.randbytes(chance.randint(1, 90)).hex(), "id": i}) for i in range(n)]
    return b"\n".join(lines) + b"\n"


def cut(content, places):
    """``content`` cut at places, each a share of its length."""
    bounds = [0, *sorted(int(place * len(content)) for place in places), len(content)]
    return [content[a:b] for a, b in pairwise(bounds)]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 60),
    places=st.lists(st.floats(0, 1), max_size=12),
    how=st.sampled_from(["gz", "zst"]),
    shard=st.integers(1, 3000),
    final=st.booleans(),
    damage=st.sampled_from([None, None, "cut", "spoil"]),
    where=st.floats(0, 1),
)
def test_pieces_of_members_give_the_rows_of_the_whole(
    tmp_path_factory, n, places, how, shard, final, damage, where
):
    content = noise(n) if final else noise(n)[:-1]
    packed = bytearray(pack(cut(content, places), how))
    if damage == "cut":
        del packed[max(4, int(where * len(packed))) :]
    elif damage == "spoil":
        at = max(4, int(where * len(packed)))
        packed[at : at + 5] = b"spoil"
    file = tmp_path_factory.mktemp("packed") / f"a.jsonl.{how}"
    file.write_bytes(packed)
    whole = rows(file)
    assert rows(file, shard) == whole
    if damage is None:
        assert [d["record"] for d in whole[0]] == list(range(n))


@pytest.mark.parametrize("how", ["gz", "zst"])
@pytest.mark.parametrize("at_lines", [True, False])
def test_a_file_of_many_members_is_many_pieces(tmp_path, how, at_lines):
    content = noise(2000)
    parts = cut(content, [n / 20 for n in range(1, 20)])
    if at_lines:
        lines = content.splitlines(keepends=True)
        parts = [b"".join(lines[n : n + 100]) for n in range(0, 2000, 100)]
    (tmp_path / f"a.jsonl.{how}").write_bytes(pack(parts, how))
    found = pieces(tmp_path, shard_bytes=20_000)
    assert len(found) > 3
    assert rows(tmp_path, 20_000) == rows(tmp_path)
    assert (found[1].skip == 0) == at_lines


def test_one_member_is_one_piece_and_not_unpacked_for_it(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl.gz").write_bytes(pack([noise(2000)], "gz"))
    monkeypatch.setattr("dataflow.readers.split.member_blocks", None)
    assert len(pieces(tmp_path, shard_bytes=1000)) == 1


def gunzip_by_zlib(packed):
    """(all that zlib can make of a file fed byte by byte, whether it is whole)."""
    out, decoder, fed = b"", zlib.decompressobj(wbits=31), False
    for i in range(len(packed)):
        if not fed and packed[i] == 0:
            continue
        fed = True
        try:
            out += decoder.decompress(packed[i : i + 1])
        except zlib.error:
            return out, False
        if decoder.eof:
            decoder, fed = zlib.decompressobj(wbits=31), False
    return out, not fed


@settings(max_examples=150, deadline=None)
@given(data=st.data(), n_members=st.integers(1, 3), level=st.integers(0, 9), padding=st.booleans())
def test_a_damaged_gzip_file_gives_what_zlib_gives(tmp_path_factory, data, n_members, level, padding):
    parts = [noise(data.draw(st.integers(0, 30)), seed) for seed in range(n_members)]
    members = [gzip.compress(part, level, mtime=0) for part in parts]
    packed = bytearray(b"".join(members) + (bytes(100) if padding else b""))
    flags = {3 + sum(map(len, members[:n])) for n in range(n_members)}  # isal is lenient with reserved ones
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(2, len(packed) - 1).filter(lambda at: at not in flags))
        packed[at] ^= data.draw(st.integers(1, 255))
    del packed[data.draw(st.integers(len(packed) // 2, len(packed))) :]
    file = tmp_path_factory.mktemp("gzip") / "a.gz"
    file.write_bytes(packed)
    found, whole = [], True
    try:
        for block in blocks(str(file)):
            found.append(block)
    except Damaged:
        whole = False
    assert (b"".join(found), whole) == gunzip_by_zlib(bytes(packed))


def test_a_block_is_bounded_whatever_the_file(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(30_000_000)))
    sizes = [len(block) for block in blocks(str(tmp_path / "a.gz"), max_ratio=None)]
    assert sum(sizes) == 30_000_000
    assert max(sizes) <= streams._DECOMPRESSED_BYTES
