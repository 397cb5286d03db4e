"""The table of signals: every column is defined, and the bytes of an old corpus do not change unnoticed."""

import hashlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from dataflow.errors import RecipeError
from dataflow.kernels.scan import analyse
from dataflow.signals import gopher, table
from dataflow.signals.signal import Counts, Values, ratio, signal

GOLDEN = {
    1: "dd74c96d7abfbff3d74f1bacdd458e8bc7cc94f84239ee6e5e84f48d5229658d",
    2: "dd74c96d7abfbff3d74f1bacdd458e8bc7cc94f84239ee6e5e84f48d5229658d",  # other languages
    3: "84e1ea7ddc28195bd286a5b07044c1e81bab78c847db59ba038e177210b843bd",  # other signatures
}

TEXTS = [
    "",
    "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer...\n",
    "- one\n- two\n- one\n\nLorem ipsum {dolor} #sit\n\nLorem ipsum {dolor} #sit\n",
    "Es ist kein Ärger, sagte der MÜLLER. Kein Ärger, sagte der Müller!",
    "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。人人生而自由，在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由であり、カタカナも書く。",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน\nမြန်မာ ខ្មែរ ລາວ",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق؟ می\u200cخواهم",
    "Все люди рождаются свободными " * 12,
    "e\u0301te\u0301 𝒜𝒷 𐐀 𠮷野家 ❤\ufe0f \x00\u2028\r\n\r\n…",
]


def documents_of(texts: pa.LargeStringArray, permutations: int = 8) -> table.Documents:
    return table.Documents(
        texts, pa.nulls(len(texts), pa.string()), "web", analyse(texts, permutations, shingle=5)
    )


def test_the_values_of_a_fixed_set_of_texts_do_not_change_without_a_new_version():
    documents = documents_of(pa.array(TEXTS, pa.large_string()), permutations=112)
    columns = table.compute(documents, ("gopher", "c4", "fineweb"))
    digest = hashlib.sha256(documents.analysis.signatures.astype("<u8").tobytes())
    for name, column in columns.items():
        digest.update(f"{name} {column.type} {column.to_pylist()}".encode())
    assert digest.hexdigest() == GOLDEN[table.VERSION], "changed bytes: raise VERSION and add the new hash"


def test_names_are_unique_and_every_signal_is_defined_in_one_line():
    everything = (*table.SIGNALS, *table.EXTRA)
    assert len({s.name for s in everything}) == len(everything)
    for s in everything:
        assert s.definition.endswith("."), s.name
        assert "\n" not in s.definition
        assert s.unit
        assert s.reference
        assert s.family in (*table.FAMILIES, "basic", "extra")


@pytest.mark.parametrize("families", [(), ("gopher",), ("fineweb", "c4"), ("c4", "gopher", "fineweb")])
def test_computed_columns_are_those_of_the_schema(families):
    texts = pa.array(TEXTS, pa.large_string())
    columns = table.compute(documents_of(texts), families)
    assert pa.table(columns).schema == table.schema(families)
    assert pa.table(columns).num_rows == len(TEXTS)


def test_the_columns_do_not_depend_on_the_order_of_families():
    assert table.schema(["c4", "gopher"]) == table.schema(["gopher", "c4"])
    names = table.schema(table.FAMILIES, ["n_tokens", "quality"]).names
    assert names[:7] == [
        *(
            "n_characters",
            "n_words",
            "n_lines",
            "n_paragraphs",
            "spaceless_share",
            "language",
            "language_score",
        )
    ]
    assert names[-2:] == ["n_tokens", "quality"]


def test_an_unknown_family_or_extra_column_is_named_with_the_nearest():
    with pytest.raises(RecipeError, match=r'unknown family of signals "gofer".*Did you mean "gopher"'):
        table.schema(["gofer"])
    with pytest.raises(RecipeError, match=r'"n_token".*Did you mean "n_tokens"'):
        table.schema([], ["n_token"])


def test_the_language_family_needs_a_model():
    texts = pa.array(["a"], pa.large_string())
    with pytest.raises(ValueError, match="find_model"):
        table.compute(documents_of(texts), ["language"])


def test_a_signal_of_ones_own_takes_a_function_and_its_docstring():
    @signal(unit="ratio", reference="ours", family="own")
    def curly_line_ratio(counts: Counts) -> Values:
        """Curly brackets for each line."""
        return ratio(counts["curly_brackets"], counts["lines"])

    assert (curly_line_ratio.name, curly_line_ratio.definition) == (
        "curly_line_ratio",
        "Curly brackets for each line.",
    )
    column = curly_line_ratio.compute({"curly_brackets": np.array([3, 0, 2]), "lines": np.array([2, 4, 0])})
    assert column.equals(pa.array([1.5, 0, 2], pa.float32()))
    assert gopher.mean_word_length.family == "gopher"


def test_the_table_is_read_without_compilers_or_models():
    code = "import sys, dataflow.signals.table; sys.exit(bool({'numba', 'fasttext'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
