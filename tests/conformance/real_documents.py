"""Real English documents to compare tools on, and what the other tool says of them.

The documents are chosen by the order of their SHA-256, so the same corpus gives the same ones everywhere. The
other tool runs in its own Python; its answers are kept beside the documents, for it takes minutes.
"""

import gzip
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
PEER = ROOT / "benchmarks" / "peer_conformance.py"

CORPUS = (
    "text/abc_news.jsonl.gz",
    "text/brown.jsonl.gz",
    "text/moby_dick.jsonl.gz",
    "text/sotu.jsonl.gz",
    "tech/english_docs.jsonl.gz",
    "web/c4_demo.jsonl.gz",
    "web/dolma_cc_en_head.jsonl.gz",
    "web/redpajama_refined_samples.jsonl.gz",
    "quality/dclm_human_quality.jsonl.gz",
    "quality/webtext_informal.jsonl.gz",
)
"""News, fiction, speeches, manuals, crawled pages, forum posts: below ``shared/data``."""

AT_ONCE = 500
"""Documents the other tool is given at a time."""

LEAST_BYTES, MOST_BYTES = 200, 20_000
"""Shorter ones say little, longer ones take the other tool too long."""


def corpus_paths() -> list[Path]:
    return [path for name in CORPUS if (path := SHARED / "data" / name).exists()]


def english_documents(paths: Sequence[Path], n: int) -> list[dict[str, str]]:
    """``n`` different documents of JSONL files (.gz or not), of the language model's English at .65 and above."""
    from dataflow.signals.language import find_model, identify

    found: dict[str, dict[str, str]] = {}
    for path in paths:
        for text in _texts(path):
            if LEAST_BYTES <= len(text.encode()) <= MOST_BYTES:
                key = hashlib.sha256(text.encode()).hexdigest()[:16]
                found.setdefault(key, {"id": key, "text": text, "source": path.name.partition(".")[0]})
    documents = [found[key] for key in sorted(found)]
    texts = pa.array([document["text"] for document in documents], pa.large_string())
    labels, scores = identify(texts, find_model(None))
    answered = zip(documents, labels.to_pylist(), scores.to_pylist(), strict=True)
    return [document for document, label, score in answered if label == "en" and score >= 0.65][:n]


def _texts(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            text = json.loads(line).get("text")
            if isinstance(text, str):
                yield text


def ask_peer(python: str, documents: Sequence[dict[str, str]], cache: Path) -> list[dict]:
    """The other tool's answer for each document; what it was asked before is not asked again."""
    folder = cache / hashlib.sha256(PEER.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    known = {one["id"]: one for path in sorted(folder.glob("answers-*.jsonl")) for one in _lines(path)}
    missing = [document for document in documents if document["id"] not in known]
    for first in range(0, len(missing), AT_ONCE):
        part = missing[first : first + AT_ONCE]
        asked = "".join(json.dumps({"id": one["id"], "text": one["text"]}) + "\n" for one in part)
        key = hashlib.sha256(asked.encode()).hexdigest()[:16]
        question, answered = folder / f"documents-{key}.jsonl", folder / f"answers-{key}.jsonl"
        question.write_text(asked, encoding="utf-8")
        subprocess.run([python, str(PEER), str(question), str(answered)], check=True)
        question.unlink()
        known |= {one["id"]: one for one in _lines(answered)}
    return [known[document["id"]] for document in documents]


def _lines(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def peer_punctuation(python: str) -> dict[str, list[str]]:
    """The characters that the other tool takes for punctuation, and for the end of a sentence."""
    said = subprocess.run([python, str(PEER)], check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = json.loads(said.stdout)
    return found


def peer_cache() -> Path:
    return Path(os.environ.get("DATAFLOW_CACHE") or Path.home() / ".cache" / "dataflow") / "conformance"
