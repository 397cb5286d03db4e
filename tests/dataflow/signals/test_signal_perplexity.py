"""Perplexity under a small model written out here: by hand, by KenLM, and by CCNet's way of normalising."""

import math
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.errors import DataflowError
from dataflow.kernels.scan import analyse
from dataflow.signals import perplexity
from dataflow.signals.lists import stamp
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents

ARPA = """\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-2.0\t<unk>\t0
-99\t<s>\t-0.5
-1.0\t</s>\t0
-0.7\tthe\t-0.3
-0.9\tcat\t-0.2
-1.1\t0000\t0

\\2-grams:
-0.2\t<s> the
-0.4\tthe cat
-0.3\tcat </s>
-0.6\tcat the

\\end\\
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    pytest.importorskip("kenlm", reason="needs the extra kenlm")
    (tmp_path / "en.arpa").write_text(ARPA)
    return str(tmp_path / "en.arpa")


def signals(documents: list[tuple[str, str | None]], models: dict[str, str]) -> list[float | None]:
    texts = pa.array([text for text, _ in documents], pa.large_string())
    languages = pa.array([language for _, language in documents], pa.string())
    seen = Documents(texts, pa.nulls(len(texts), pa.string()), "web", analyse(texts, 0, 5))
    column = perplexity.compute(seen, {"language": languages}, SignalOptions(perplexity=models))["perplexity"]
    assert column.type == pa.float32()
    return column.to_pylist()


@pytest.mark.parametrize(
    ("text", "log10", "predicted"),
    [
        ("the cat", -0.2 - 0.4 - 0.3, 3),
        ("The CÁT\n\n  the cat  \n", 2 * (-0.2 - 0.4 - 0.3), 6),  # blank lines are none
        ("cat", (-0.5 - 0.9) - 0.3, 2),  # backed off from the beginning of the line
        ("the dog", -0.2 + (-0.3 - 2.0) + (0 - 1.0), 3),
        ("2024", (-0.5 - 1.1) + (0 - 1.0), 2),
        ("the\u00a0cat\x07", -0.2 - 0.4 - 0.3, 3),
    ],
)
def test_perplexity_by_hand(model, text, log10, predicted):
    assert signals([(text, "en")], {"en": model}) == [pytest.approx(10 ** (-log10 / predicted), rel=1e-5)]


def test_kenlm_itself_agrees_on_one_line(model):
    import kenlm

    line = "the cat the cat cat 0000 dog"
    assert perplexity.perplexity(line, perplexity.load_model(stamp(model))) == pytest.approx(
        kenlm.Model(model).perplexity(line)
    )


def test_a_document_without_a_model_or_without_words_has_none(model):
    assert (
        signals([("the cat", "de"), ("the cat", None), ("", "en"), (" \n\u00a0", "en")], {"en": model})
        == [None] * 4
    )


def test_a_text_is_normalised_as_in_ccnet():
    assert (
        perplexity.normalise("Él dijo: «¡Año ２０２４！»…\tfin\n— 3") == 'el dijo: "¡ano 0000!"...fin\n -  0'
    )


def test_a_file_that_is_no_model_is_refused(tmp_path: Path):
    pytest.importorskip("kenlm", reason="needs the extra kenlm")
    (tmp_path / "en.arpa").write_text("not a model")
    for path in (tmp_path / "en.arpa", tmp_path / "none.arpa"):
        with pytest.raises(DataflowError, match="cannot") as error:
            signals([("a", "en")], {"en": str(path)})
        assert error.value.where == str(path)


def test_a_long_surprising_text_has_a_finite_value(model):
    (value,) = signals([("dog " * 10_000, "en")], {"en": model})
    assert value is not None
    assert math.isfinite(value)
