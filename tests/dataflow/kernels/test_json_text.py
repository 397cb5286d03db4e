"""The text that the kernel takes out of a JSON line is the one that a parser finds there."""

import json
from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.kernels.json_text import BLANK, FOUND, UNUSUAL, text_values


def of_line(line):
    """(state, the line with an empty text, text) of one line in the middle of others."""
    content = b'{"text": "before"}\n' + line + b'\n{"text": "after"}'
    start = content.index(b"\n") + 1
    starts, ends = (
        np.array([0, start, start + len(line) + 1]),
        np.array([start - 1, start + len(line), len(content)]),
    )
    state, begins, afters, offsets, values = text_values(
        np.frombuffer(content, np.uint8), starts, ends, "text"
    )
    texts = [bytes(values[a:b]) for a, b in pairwise(offsets)]
    assert (texts[0], texts[2]) == (b"before", b"after")
    return state[1], content[start : begins[1]] + b'""' + content[afters[1] : start + len(line)], texts[1]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"text":"a"}', "a"),
        (
            b'\t{ "x" : {"text": "inner", "y": [1, "]}"]} , "text" : "a\\n\\"b\\\\" , "z": "\\"" } \r',
            'a\n"b\\',
        ),
        (b'{"text": "\\u00e9\\ud83d\\ude00\\u0041\\/\\b\\f\\r\\t"}', "é😀A/\b\f\r\t"),
        ('{"text": "日本"}'.encode(), "日本"),
        (b'{"a": "text", "text": "text"}', "text"),
    ],
)
def test_texts_are_unescaped(line, text):
    state, rest, found = of_line(line)
    assert (state, found.decode()) == (FOUND, text)
    assert orjson.loads(rest) == orjson.loads(line) | {"text": ""}


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": ""}',
        b'{"text": 5}',
        b'{"text": "cut',
        b'{"text": "cut\\',
        b'{"text": "a\\u00',
        b'{"text": "a\\x"}',
        b'{"text": "tab\t"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\udc00"}',
        b'{"text": "\\ud800\\u0041"}',
        b'{"text": "a", "text": "b"}',
        b'{"text": "a", "te\\u0078t": "b"}',
        b'{"te\\u0078t": "b"}',
        b'{"x": {"text": "a"}}',
        b'["text", "a"]',
        b'"text"',
        b'{"text"',
        b'{"text":',
        b"{",
        b'{"x": "',
    ],
)
def test_what_is_unusual_is_left_to_the_parser(line):
    assert of_line(line)[0] == UNUSUAL


@pytest.mark.parametrize("line", [b"", b" \t\r", b"\x0b\x0c"])
def test_blank_lines_are_told(line):
    assert of_line(line)[0] == BLANK


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(
    st.sampled_from(["text", "a", 't"x', "\\text", "é"]), st.text(max_size=20) | JSON, max_size=4
)
LINE = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, separators=indent).encode(
        errors="surrogatepass"
    ),
    OBJECT,
    st.booleans(),
    st.sampled_from([(",", ":"), (" , ", " : ")]),
)
SPOILED = st.builds(
    lambda line, at, what: line[: at % (len(line) + 1)] + what + line[at % (len(line) + 1) :],
    LINE,
    st.integers(0, 200),
    st.sampled_from(
        [b'"', b"\\", b"{", b"}", b"]", b":", b",", b"\\u", b"\xff", b"\x00", b'"text":"x",', b" "]
    ),
)


@settings(max_examples=300, deadline=None)
@given(line=LINE | SPOILED)
@example(line=b'{"text":"a"}{"text":"b"}')
@example(line=b'{"a":"{","text":"b"}]')
def test_a_text_that_is_found_is_what_the_parser_finds(line):
    state, rest, text = of_line(line.replace(b"\n", b" "))
    try:
        expected = orjson.loads(line.replace(b"\n", b" "))
    except orjson.JSONDecodeError:
        expected = None
    if state == FOUND:
        try:
            found = orjson.loads(rest)
            found["text"] = text.decode()
        except ValueError:
            found = None
        assert found == expected
    elif state == BLANK:
        assert not line.strip(b" \t\r\n\x0b\x0c")
