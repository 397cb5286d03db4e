"""Whatever bytes come as a page: a text or a reason, in bounded time, and a text that can be stored."""

import contextlib
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflow.readers import html, response
from dataflow.readers.batches import Reject, to_json
from dataflow.readers.extract_head import TITLE_CHARACTERS
from dataflow.readers.source import Extract

ENGINES = ("resiliparse", "trafilatura")
SECONDS = 20  # of processor time for a page of some kilobytes: far more than any takes, far less than a hang

NAMES = """
    div p a b i span ul ol li table tr td th pre code blockquote q h1 h2 article main nav form select option
    script style title textarea svg math template iframe noscript frameset head body html br img lb x-y
""".split()  # noqa: SIM905
TEXTS = st.sampled_from(
    [
        "word",
        " some words of text. ",
        "\n",
        "&amp;",
        "&#0;",
        "&#xD800;",
        "\0",
        "\u00ad",
        "<",
        "日本",
        "\U0001f600",
    ]
)
ATTRIBUTES = st.sampled_from(
    ["", " class=footer", " id='x", ' style="display:none"', " hidden", " lang=en", " =", " \0"]
)
TAGS = st.builds("<{}{}{}>".format, st.sampled_from(["", "", "/"]), st.sampled_from(NAMES), ATTRIBUTES)
ODDITIES = st.sampled_from(
    [
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?xml version='1.0'?>",
        "<!doctype html>",
        "</",
        "<title>",
        "<meta charset=x",
    ]
)
PAGES = st.lists(st.one_of(TAGS, TAGS, TEXTS, ODDITIES), max_size=60).map("".join)
CHARSETS = st.sampled_from(["utf-8", "utf-16", "shift_jis", "gb18030", "latin-1", "iso2022_jp"])


def _mutated(page, at, noise):
    content = page.encode()
    return content[:at] + noise + content[at:]


BYTES = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda page, charset: page.encode(charset, "ignore"), PAGES, CHARSETS),
    st.builds(_mutated, PAGES, st.integers(0, 500), st.binary(max_size=20)),
)  # fmt: skip
DECLARED = st.sampled_from(
    [None, "utf-8", "x-sjis", "utf-7", "none", "\0", "euc-jp", "iso-2022-jp", "utf-16"]
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("engine", ENGINES)
@given(content=BYTES, charset=DECLARED, language=st.none() | st.text(max_size=10))
@example(content=b"", charset=None, language=None)
@example(content=b"\xff\xfe<", charset=None, language=None)
@example(content=b"<title>" * 50, charset=None, language="")
@quick
def test_any_bytes_are_a_text_or_a_reject(engine, content, charset, language):
    started = time.process_time()
    try:
        text, about = html.page_text(content, Extract(engine=engine), charset, language)
    except Reject:
        pass
    else:
        assert text.strip()
        assert set(about) <= {"charset", "extractor", "title", "language_hint"}
        assert len(about.get("title", "")) <= TITLE_CHARACTERS
        assert (text + to_json(about)).encode()
    assert time.process_time() - started < SECONDS


@given(block=st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(b"HTTP/1.1 200 OK\r\n".__add__)))
@quick
def test_any_bytes_are_a_response_or_a_reject(block):
    with contextlib.suppress(Reject):
        answer = response.parse(block)
        assert len(response.payload(answer, 1000)) <= max(1001, len(block))


HOSTILE = {
    "unclosed": "<b>x" * 3000,
    "misnested": "<b><p><i></b></p>" * 1000,
    "tables": "<table><tr><td>x" * 600,
    "tables and stray ends": "<div><table><tr><td></div>" * 600,
    "attributes": "<div " + "a=b " * 20_000 + ">x</div>",
    "distinct names": "".join(f"<n{n}>x" for n in range(1900)),
    "links": "<p>" + "<a href=/>x</a> words here " * 1500,
    "items": "<ol>" + "<li>some words of an item" * 1000,
    "comments": "<!--" * 5000 + "x" + "-->" * 5000,
    "no tags": "some words. " * 5_000,
    "one word": "x" * 500_000,
    "open tags": "<meta " * 5000,
    "quotes": "<a href='" * 5000,
    "ends": "</p></br>" * 3000,
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_end_in_bounded_time(name, engine):
    started = time.process_time()
    content = f"<html><body><nav>Menu</nav><article>{HOSTILE[name]}</article></body></html>".encode()
    with contextlib.suppress(Reject):
        assert html.page_text(content, Extract(engine=engine))[0]
    assert time.process_time() - started < SECONDS
