"""What counts as the same URL."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.dedup import urls
from dataflow.dedup.urls import normalise, url_keys


def keys(*given: str | None) -> list[bytes | None]:
    found: list[bytes | None] = url_keys(pa.array(given, pa.string())).to_pylist()
    return found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://Example.COM/a", "HTTPS://example.com/a", True),
        ("https://example.com", "https://example.com/", True),
        ("https://example.com?q=1", "https://example.com/?q=1", True),
        ("https://example.com:443/a", "https://example.com/a", True),
        ("http://example.com:80", "http://example.com", True),
        ("http://example.com:/a", "http://example.com/a", True),  # a port that is not written
        ("https://example.com/a#top", "https://example.com/a", True),
        ("https://example.com/#", "https://example.com", True),
        ("https://example.com/a #top", "https://example.com/a", True),
        (" https://example.com/a\n", "https://example.com/a", True),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]", True),
        ("https://example.com:8443/a", "https://example.com/a", False),
        ("http://example.com:443/a", "http://example.com/a", False),  # the port of another scheme
        ("http://example.com/a", "https://example.com/a", False),
        ("https://www.example.com/a", "https://example.com/a", False),
        ("https://example.com/a/", "https://example.com/a", False),
        ("https://example.com/A", "https://example.com/a", False),
        ("https://example.com/a?q=1", "https://example.com/a?q=2", False),
        ("https://User@example.com/", "https://user@example.com/", False),
        ("mailto:a@example.com", "mailto:A@example.com", False),
        ("example.com/a#b", "example.com/a", True),
    ],
)
def test_what_never_matters_is_made_alike_and_nothing_else(one: str, other: str, same: bool) -> None:
    first, second = keys(one, other)
    assert (first == second) is same


@pytest.mark.parametrize("blank", [None, "", " \n", "#top"])
def test_where_there_is_no_url_there_is_no_key(blank: str | None) -> None:
    assert keys(blank) == [None]


@given(st.text(st.sampled_from("aB:/?#@.8043 []%é")))
def test_the_normal_form_is_normal(url: str) -> None:
    once = normalise(url)
    assert normalise(once) == once


def test_golden_keys_of_version_1() -> None:
    assert urls.VERSION == 1
    (key,) = keys("https://example.com/a?b=c")
    assert key is not None
    assert key.hex() == "a1751e38c406f519e31491e470ae4711"
