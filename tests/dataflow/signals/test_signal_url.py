"""Signals of URLs: hosts taken apart, lists of domains, addresses and words, and lists that are refused."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import DataflowError
from dataflow.kernels.scan import analyse
from dataflow.rules.evaluate import Rules, active_rules, apply
from dataflow.signals import url
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents

CONFORMANCE = Path(__file__).resolve().parents[3] / ".." / "shared" / "conformance" / "datatrove_url.jsonl"


def signals(urls: list[str | None], domains: str = "", words: str = "") -> dict[str, list[object]]:
    texts = pa.array([""] * len(urls), pa.large_string())
    documents = Documents(texts, pa.array(urls, pa.string()), "web", analyse(texts, 0, 5))
    options = SignalOptions(url_domains=(domains,) if domains else (), url_words=(words,) if words else ())
    columns = url.compute(documents, {}, options)
    assert [(name, column.type) for name, column in columns.items()] == [
        (s.name, s.type) for s in url.SIGNALS
    ]
    return {name: column.to_pylist() for name, column in columns.items()}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://Example.COM/Path", "example.com"),
        ("http://user:pass@example.com:8080/?q", "example.com"),
        ("http://a@b@example.com.", "example.com"),
        ("//example.com", "example.com"),
        ("example.com", "example.com"),
        ("example.com:8080/x", "example.com"),
        ("http:\\\\example.com\\x", "example.com"),
        ("  http://example.com#top\n", "example.com"),
        ("http://localhost/x", "localhost"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("http://[2001:DB8::1]:80/", "[2001:db8::1]"),
        ("http://BÜCHER.de/", "xn--bcher-kva.de"),
        ("http://b%C3%BCcher.de/", "xn--bcher-kva.de"),
        ("mailto:a@example.com", None),
        ("/path/page.html", None),
        ("hello world", None),
        ("http://a b.com", None),
        ("http://", None),
        ("http:///x", None),
        ("", None),
        (None, None),
    ],
)
def test_the_host_of_a_url(address, host):
    assert signals([address])["url_host"] == [host]


@pytest.fixture
def domains(tmp_path: Path) -> str:
    path = tmp_path / "domains.txt"
    path.write_text(
        "# blocked\n\nBlocked.com\n*.danger.org   # all of it\nbücher.de\n1.2.3.4\n3.4\n[2001:db8::1]\n"
        "shop.com/\nforum.com/user/bob\nhttps://www.paper.org/x?id=1\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("https://blocked.com", True),
        ("https://a.b.BLOCKED.com:80/x", True),
        ("https://u:p@danger.org./x", True),
        ("https://notblocked.com", False),
        ("https://blocked.com.au", False),
        ("https://example.com/blocked.com", False),
        ("https://blocked.com@example.com", False),
        ("http://xn--bcher-kva.de/", True),
        ("http://www.BÜCHER.de/", True),
        ("http://1.2.3.4/x", True),
        ("http://9.1.2.3.4/x", False),
        ("http://5.6.3.4/x", False),  # an address of numbers lies under no other
        ("http://[2001:DB8::1]:80/", True),
        ("http://shop.com/anything", True),
        ("http://forum.com/user/bob", True),
        ("http://www.forum.com/user/bob/posts", True),
        ("http://forum.com/user/bob?page=2", True),
        ("http://forum.com/user/bobby", False),
        ("http://forum.com/user", False),
        ("http://paper.org/x?id=1&page=2", True),
        ("http://paper.org/x?id=12", False),
        ("nonsense", False),
        (None, None),
    ],
)
def test_listed_domains_and_addresses(domains, address, listed):
    assert signals([address], domains)["url_domain_listed"] == [listed]


def test_listed_words_are_whole_words_different_ones_and_strong_ones_apart(tmp_path: Path):
    path = tmp_path / "words.txt"
    path.write_text("porn\nfree video\n*sex*\n!xxx\n!*viagra*\nпорно\n")
    found = signals(
        [
            "http://Porn.com/porn/a",
            "http://pornography.com",
            "http://free-video.com/a%20porn",
            "http://essex.gov.uk/s.e.x",
            "http://x.ru/%D0%BF%D0%BE%D1%80%D0%BD%D0%BE",
            "http://xxx.com/viAGrastore",
            None,
        ],
        words=str(path),
    )
    assert found["n_url_words_listed"] == [1, 0, 2, 1, 1, 0, None]
    assert found["n_url_strong_words_listed"] == [0, 0, 0, 0, 0, 2, None]


def test_without_lists_only_the_host_is_known():
    assert signals(["http://example.com"]) == {
        "url_host": ["example.com"],
        "url_domain_listed": [None],
        "n_url_words_listed": [None],
        "n_url_strong_words_listed": [None],
    }


@pytest.mark.parametrize("name", ["list.gz", "list.zst", "list.txt"])
def test_lists_may_be_packed(tmp_path: Path, name: str):
    packed = {"list.gz": gzip.compress, "list.zst": zstandard.ZstdCompressor().compress, "list.txt": bytes}
    (tmp_path / name).write_bytes(packed[name](b"\xef\xbb\xbfblocked.com\r\n"))
    assert signals(["http://blocked.com"], str(tmp_path / name))["url_domain_listed"] == [True]


def test_a_changed_list_is_read_again(tmp_path: Path):
    path = tmp_path / "list.txt"
    for domain, listed in (("a.com", True), ("other.com", False)):
        path.write_text(domain)
        assert signals(["http://a.com"], str(path))["url_domain_listed"] == [listed]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "cannot be read"),
        ("a.txt", b"a.com\n\xff\n", "line 2 is not UTF-8"),
        ("a.txt", b"# nothing\n\n", "no entries"),
        ("a.gz", b"not gzip", "cannot be read"),
        ("a.gz", gzip.compress(b"a.com", mtime=0)[:-9], "damaged"),
        ("a.zst", b"not zstd", "damaged"),
        ("a.txt", b"good.com\nhello world\n", '"hello world" is neither a domain nor a URL'),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataflowError, match=message) as error:
        signals(["http://a.com"], str(tmp_path / name))
    assert error.value.where == str(tmp_path / name)


def test_a_word_of_signs_only_is_refused(tmp_path: Path):
    (tmp_path / "words.txt").write_text("good\n!-\n")
    with pytest.raises(DataflowError, match="no letter or digit"):
        signals(["http://a.com"], words=str(tmp_path / "words.txt"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=40) | st.text("htp:/@[].%?#&a\\ü 1", max_size=20), min_size=1, max_size=5))
def test_no_text_makes_a_url_raise_and_each_is_judged_as_it_is_alone(addresses):
    together = signals(list(addresses))["url_host"]
    assert together == [signals([address])["url_host"][0] for address in addresses]
    assert all(
        host is None or (host and host == host.lower() and not host.endswith(".")) for host in together
    )


def test_the_set_url_decides_as_datatroves_filter_but_for_subdomains_of_what_is_listed(tmp_path: Path):
    if not CONFORMANCE.is_file():
        pytest.skip("needs the conformance cases beside the project")
    differ = []
    for case in map(json.loads, CONFORMANCE.read_text().splitlines()):
        (tmp_path / "domains.txt").write_text("\n".join(case["params"]["extra_domains"]))
        found = signals([case["url"]], str(tmp_path / "domains.txt"))
        table = pa.table({"id": ["d"], "kind": ["web"], **found})
        kept = apply(table, active_rules(Rules(sets=("url",)), table.schema))["passed"][0].as_py()
        if kept != case["expect"]["keep"]:
            differ.append(case["url"])
    assert differ == ["https://sdsd.badsubdomain.nice.com/some-sub-url?with=stuff"]
