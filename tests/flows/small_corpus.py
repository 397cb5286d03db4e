"""A small corpus of real text that comes with Python: its manual, its docstrings, its code; duplicates are planted.

Three formats, some of it damaged, several shards a source. What is planted is known, so that tests can ask for it.
"""

import ast
import itertools
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
import zstandard

N_EXACT, N_NEAR, N_DAMAGED = 12, 8, 2
_STDLIB = Path(sysconfig.get_path("stdlib"))
_MODULES = 60
_CODE = (
    "argparse",
    "ast",
    "calendar",
    "cmd",
    "configparser",
    "copy",
    "csv",
    "dis",
    "doctest",
    "enum",
    "fractions",
)


def write_small_corpus(folder: Path) -> Path:
    """Write all inputs and the recipe ``recipe.yaml`` into ``folder``; returns the recipe's path."""
    pages = list(_manual())
    middle = len(pages) // 2
    _json_lines(folder / "manual" / "1.jsonl.zst", pages[:middle])
    # Sources are processed in an order that does not matter: a copy may be of a text that comes later.
    _json_lines(folder / "manual" / "2.jsonl.zst", pages[middle:] + pages[:N_EXACT], damaged=N_DAMAGED)
    for name, text in _docstrings():
        _write(folder / "docstrings" / f"{name}.txt", text)
    for number, page in enumerate(pages[-N_NEAR:]):
        _write(
            folder / "docstrings" / f"near-{number}.txt", f"{page}\n\nThis is page {number} of the copy.\n"
        )
    code = list(_functions())
    (folder / "code").mkdir(parents=True)
    table = pa.table({"content": code, "number": range(len(code))})
    pq.write_table(table, folder / "code" / "functions.parquet", row_group_size=64)
    _write(folder / "questions.jsonl", "".join(json.dumps(one) + "\n" for one in _questions()))
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(_recipe(folder), sort_keys=False))
    return recipe


def _recipe(folder: Path) -> dict[str, object]:
    return {
        "name": "small",
        "shard_bytes": "48K",
        "sources": [
            {"name": "manual", "path": str(folder / "manual"), "kind": "prose"},
            {"name": "docstrings", "path": str(folder / "docstrings"), "kind": "prose"},
            {
                "name": "code",
                "path": str(folder / "code"),
                "kind": "code",
                "fields": {"text": "content"},
            },
        ],
        "quality": {"positive": ["manual"], "negative": ["code"], "epochs": 1, "dim": 8, "buckets": 10000},
        "rules": {"sets": ["language", "gopher_quality"], "custom": {"not_tiny": "n_words >= 60"}},
        "validation": {"share": 0.05},
        "mixture": {
            "budget": "600K",
            "phases": [
                {"name": "main", "share": 0.8, "weights": {"manual": 5, "docstrings": 3, "code": 2}},
                {"name": "anneal", "share": 0.2, "weights": {"manual": 1}, "order": "quality ASC"},
            ],
        },
        "tokenizer": {"vocab_size": 512},
        "instructions": [{"name": "questions", "path": str(folder / "questions.jsonl")}],
        "pretrain": {
            "preset": "llama-100k",
            "seq_len": 64,
            "batch_tokens": 1024,
            "steps": 36,
            "lr": 5e-3,
            "checkpoint_every": 10,
            "log_every": 1,
            "dropout": 0.1,
            "eval_tokens": 4000,
            "dtype": "fp32",
            "threads": 1,
            "prompts": ["The statement"],
            "sample_tokens": 8,
        },
        "sft": {
            "steps": 8,
            "batch_tokens": 1024,
            "dtype": "fp32",
            "threads": 1,
            "prompts": ["What is it?"],
            "sample_tokens": 8,
        },
        "runner": {"workers": 2},
    }


def _manual() -> Iterator[str]:
    """The language reference, about 2,000 characters a page."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        page = ""
        for paragraph in topics[name].split("\n\n"):
            page = f"{page}\n\n{paragraph}" if page else paragraph
            if len(page) > 2000:
                yield page
                page = ""


def _trees() -> Iterator[tuple[str, ast.Module]]:
    names = sorted(path for path in _STDLIB.glob("[a-z]*.py"))
    for path in names[:_MODULES]:
        yield path.stem, ast.parse(path.read_bytes())


def _docstrings() -> Iterator[tuple[str, str]]:
    for name, tree in _trees():
        nodes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))]
        texts = [text for node in nodes if (text := ast.get_docstring(node))]
        if sum(map(len, texts)) > 400:
            yield name, "\n\n".join(texts)


def _functions() -> Iterator[str]:
    for name in _CODE:
        source = (_STDLIB / f"{name}.py").read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield ast.get_source_segment(source, node) or ""


def _questions() -> Iterator[dict[str, object]]:
    for name, tree in _trees():
        functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
        for node in itertools.islice(functions, 6):
            if text := ast.get_docstring(node):
                question = {"role": "user", "content": f"What does {name}.{node.name} do?"}
                yield {"messages": [question, {"role": "assistant", "content": text.split("\n\n")[0]}]}


def _json_lines(path: Path, texts: list[str], damaged: int = 0) -> None:
    lines = [json.dumps({"text": text, "page": number}) for number, text in enumerate(texts)]
    lines += ['{"text": "cut off'] * damaged
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zstandard.compress("".join(line + "\n" for line in lines).encode()))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
