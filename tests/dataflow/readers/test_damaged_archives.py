"""Web archives with damage: the stretch is one row that says where, and the records after it are read."""

import gzip

import pytest
import zstandard
from fastwarc.warc import ArchiveIterator
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import reasons, rows
from test_read_web import FIXTURES, WEB, answer, needs_fixtures, record

from dataflow.readers.archive import ArchiveStream
from dataflow.readers.warc_records import records

GOOD = record(block=answer())
BARE = answer()


def archive(path, parts, how="plain"):
    """An archive of records, each a member of its own where it is packed."""
    pack = {
        "plain": bytes,
        "gz": lambda part: gzip.compress(part, mtime=0),
        "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    }[how]
    file = path / {"plain": "a.warc", "gz": "a.warc.gz", "zst": "a.warc.zst"}[how]
    file.write_bytes(b"".join(map(pack, parts)))
    return file


HOW = pytest.mark.parametrize("how", ["plain", "gz", "zst"])


@HOW
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"garbage between records\r\n", "malformed_warc: no version line; 25 bytes from byte"),
        (GOOD.replace(b"WARC/1.0", b"WERC/1.0"), "malformed_warc: no version line"),
        (GOOD.replace(b"Content-Length", b"Content-Width"), "malformed_record: no valid Content-Length"),
        (
            GOOD.replace(b"Content-Length: ", b"Content-Length: -"),
            "malformed_record: no valid Content-Length",
        ),
        (GOOD.replace(b"Content-Length: ", b"Content-Length: 9"), "truncated_record: "),
        (GOOD.replace(b"Content-Length: ", b"Content-Length: 999999999"), "truncated_record: "),
        (b"WARC/1.0\r\nWARC-Type: response\r\n", "malformed_record: headers without an end"),
        (GOOD[: len(GOOD) // 2], "malformed_record: headers without an end"),
        (GOOD[:-30], "truncated_record: "),
    ],
)
def test_a_broken_record_costs_itself_alone(tmp_path, how, broken, reason):
    documents, (reject,) = rows(archive(tmp_path, [GOOD, broken, GOOD, GOOD], how))
    assert [d["record"] for d in documents] == [0, 2, 3]
    assert (reject["record"], reject["fate"]) == (1, "quarantined")
    assert reject["reason"].startswith(reason)


@HOW
def test_bytes_beyond_the_length_are_a_row_of_their_own(tmp_path, how):
    short = GOOD.replace(str(len(BARE)).encode(), str(len(BARE) - 20).encode(), 1)
    documents, (reject,) = rows(archive(tmp_path, [short, GOOD], how))
    assert [d["record"] for d in documents] == [0, 2]
    place = GOOD.index(BARE) + len(BARE) - 20
    assert (
        reject["reason"] == f"malformed_warc: no version line; 24 bytes from byte {place} on are passed over"
    )
    assert reject["raw"] == BARE[-20:] + b"\r\n\r\n"


@pytest.mark.parametrize("how", ["gz", "zst"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_after_a_spoilt_member_the_next_is_read(tmp_path, how, place):
    file = archive(tmp_path, [GOOD] * 5, how)
    content = bytearray(file.read_bytes())
    size = len(content) // 5
    at = 2 * size + int(size * place)
    content[at : at + 10] = b"spoilt it!"
    file.write_bytes(content)
    documents, rejects = rows(file)
    assert [d["record"] for d in documents][:2] == [0, 1]
    assert [d["record"] for d in documents][-2:] == [len(documents) + len(rejects) - n for n in (2, 1)]
    assert (
        len(rejects) <= 2
    )  # where only the checksum is wrong, the record is whole and the rest of it is a row
    assert f"{size} bytes of the file from byte {2 * size} on are lost" in rejects[-1]["reason"]


@pytest.mark.parametrize("how", ["gz", "zst"])
def test_a_file_that_ends_early_ends_with_one_row(tmp_path, how):
    file = archive(tmp_path, [GOOD] * 5, how)
    file.write_bytes(file.read_bytes()[:-30])
    documents, (reject,) = rows(file)
    assert [d["record"] for d in documents] == [0, 1, 2, 3]
    assert reject["reason"].startswith("truncated_")


@pytest.mark.parametrize("packed", [True, False])
def test_an_archive_may_bring_its_zstd_dictionary(tmp_path, packed):
    samples = [
        record(block=answer(b"<p>Page %d of a site whose pages look alike</p>" % n * 9)) for n in range(200)
    ]
    dictionary = zstandard.train_dictionary(2000, samples)
    content = dictionary.as_bytes()
    content = zstandard.compress(content) if packed else content
    file = tmp_path / "a.warc.zst"
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = b"".join(compressor.compress(sample) for sample in samples[:20])
    file.write_bytes(b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content + frames)
    documents, rejects = rows(file)
    assert (len(documents), rejects) == (20, [])
    file.write_bytes(b"\x5d\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"\x37\xa4\x30\xec" + frames)
    documents, rejects = rows(file)
    assert documents == []
    assert reasons(rejects) == [(n, "corrupt_zstd") for n in range(20)]


def test_a_large_record_is_not_held_and_the_next_is_read(tmp_path):
    large = record(block=answer(b"<p>x" * 1_000_000))
    file = archive(tmp_path, [GOOD, large, GOOD], "plain")
    documents, (reject,) = rows(file, max_record_bytes="1M")
    assert [d["record"] for d in documents] == [0, 2]
    assert reject["reason"].startswith("too_large: a record of 4000")
    seen = [(r.size, len(r.block)) for r in records(ArchiveStream(str(file)), 1_000_000)]
    assert seen[1][1] <= 1 << 16


@needs_fixtures
@pytest.mark.parametrize("name", [n for n in FIXTURES if ".warc" in n or ".wet" in n or ".wat" in n])
def test_whole_archives_are_framed_as_fastwarc_frames_them(name):
    ours = [r for r in records(ArchiveStream(str(WEB / name)), 1 << 28) if not r.fault]
    with (WEB / name).open("rb") as stream:
        theirs, end = [], ""
        try:
            for r in ArchiveIterator(stream, parse_http=False):
                theirs.append((r.headers.get("WARC-Record-ID"), r.reader.read()))
        except OSError as error:
            end = str(error)
    found = [(r.headers.get("warc-record-id"), r.block) for r in ours]
    assert found[: len(theirs) - 1] == theirs[:-1]  # theirs may end with a cut record
    assert end or "clipped" in name or "trunc" in name or found == theirs


@settings(max_examples=150, deadline=None)
@given(data=st.data(), how=st.sampled_from(["plain", "gz", "zst"]))
def test_no_byte_of_an_archive_is_lost_whatever_happens_to_it(tmp_path_factory, data, how):
    parts = [
        record("warcinfo", b"x" * data.draw(st.integers(0, 40))) for _ in range(data.draw(st.integers(1, 6)))
    ]
    file = archive(tmp_path_factory.mktemp("warc"), parts, how)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(4, len(content))) :]
    file.write_bytes(content)
    documents, rejects = rows(file)
    assert documents == []
    numbers = [r["record"] for r in rejects]
    assert numbers == list(range(len(numbers)))
    assert numbers
