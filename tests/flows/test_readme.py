"""Every command of the README, run as it stands there, by someone who has just their own folder of text.

The two commands that set things up are run by CI itself; the demo is the one thing left to it as well.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
import zstandard

from dataflow.rules.evaluate import active_rules
from dataflow.rules.sql import Checker
from dataflow.store.storage import Storage
from flows.recipe import Recipe, parse_recipe
from flows.recipe_check import signal_columns

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
_WITHOUT_CI = re.sub(r"<!-- ci: .*?<!-- ci: end -->", "", README, flags=re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", _WITHOUT_CI, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
RECIPE = re.search(r"<!-- recipe -->\n```yaml\n(.*?)```", README, flags=re.DOTALL)
PARTS = re.findall(r"<!-- part of a recipe -->\n```yaml\n(.*?)```", README, flags=re.DOTALL)
PYTHON = re.search(r"<!-- python -->\n```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_readme_has_exactly_two_commands_for_a_fresh_machine():
    marked = re.findall(r"<!-- ci: (\w+) -->\n```bash\n(.*?)```\n<!-- ci: end -->", README, flags=re.DOTALL)
    assert [name for name, _ in marked] == ["demo", "test"]
    assert all(len(commands.splitlines()) == 1 for _, commands in marked)


def recipe_with(part: str) -> Recipe:
    """A part of a recipe in a whole one."""
    rest = {"sources": [{"name": "forum", "path": "forum"}], "quality": {"model": "quality.bin"}}
    return parse_recipe({**rest, **yaml.safe_load(part)}, "README")


def test_the_rules_of_the_readme_are_sound():
    recipe = recipe_with(PARTS[0])
    rules = {rule.name: rule for rule in active_rules(recipe.rules, signal_columns(recipe))}
    assert {"url_domain", "fineweb2_stop_words", "gopher_duplicate_lines", "short"} <= set(rules)
    assert rules["german_forum"].where == "source = 'forum' AND language = 'de'"


def test_the_levels_of_deduplication_of_the_readme_are_sound():
    recipe = recipe_with(PARTS[1])
    assert recipe.dedup.near
    assert recipe.dedup.near.bands * recipe.dedup.near.rows <= 128
    assert set(Checker(signal_columns(recipe)).order(recipe.dedup.survivor, "survivor")) == {
        "quality",
        "n_bytes",
    }
    assert recipe.decontaminate is not None
    assert len(recipe.decontaminate.sets) == 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user's own: compressed JSONL, text files, conversations, and the README's recipe."""
    demo_text = pytest.importorskip("flows.demo_text")
    folder = tmp_path_factory.mktemp("home")
    store = Storage(str(folder))
    try:
        lines = demo_text.json_lines(demo_text.dialogues())
        chats = demo_text.json_lines(demo_text.chat_instructions())
        chapters = list(demo_text.english_chapters())
    except demo_text.DataflowError as error:
        pytest.skip(f"the demo extra is not installed: {error}")
    half = lines.index(b"\n", len(lines) // 2) + 1
    store.write_bytes("data/web/a.jsonl.zst", zstandard.compress(lines[:half]))
    store.write_bytes("data/web/b.jsonl.zst", zstandard.compress(lines[half:]))
    store.write_bytes("data/chats.jsonl", chats[: chats.index(b"\n", 300_000) + 1])
    for name, text in chapters[:800]:
        store.write_bytes(f"data/books/{name}", text.encode())
    assert RECIPE is not None
    # All that is changed of the README: a test need not wait for the model to get better.
    recipe = RECIPE[1].replace("tokens: 300K", "tokens: 20K").replace("epochs: 1,", "epochs: 1, steps: 5,")
    store.write_bytes("recipe.yaml", recipe.encode())
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=[command[:60] for command in COMMANDS])
def test_a_command_of_the_readme_does_what_it_says(home: Path, prefect_server: str, command: str):
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        shlex.split(command),
        cwd=home,
        env={**os.environ, "PREFECT_API_URL": prefect_server, "PATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert done.stdout.strip() or command.startswith("dataflow filter")


@pytest.mark.slow
def test_the_python_of_the_readme_runs(home: Path):
    assert PYTHON is not None
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[1]], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "train" in done.stdout
