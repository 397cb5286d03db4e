"""The mixture drawn as a tree, before and after it is planned."""

from pathlib import Path

from mixture_corpora import Corpus, rows

from dataflow.mixture.config import Mixture, Phase, Validation
from dataflow.mixture.plan import make_plan
from dataflow.mixture.tree import describe, estimate, planned

MIXTURE = Mixture(
    budget="1000 tokens",
    phases=[
        Phase(name="main", share=0.75, weights={"web": 2, "books": 1}),
        Phase(name="anneal", share=0.25, weights={"books": 1}),
    ],
)


def test_the_tree_before_anything_has_run() -> None:
    assert describe(estimate(MIXTURE, {"web": 8000, "books": 1000, "code": 50})).splitlines() == [
        "mixture        4K bytes   ~1K tokens",
        "├─ main        3K bytes  ~750 tokens",
        "│  ├─ books    1K bytes  ~250 tokens   33.3%  1.00 epochs",
        "│  └─ web      2K bytes  ~500 tokens   66.7%  0.25 epochs",
        "└─ anneal      1K bytes  ~250 tokens",
        "   └─ books    1K bytes  ~250 tokens  100.0%  1.00 epochs",
    ]


def test_without_weights_or_budget_each_source_is_expected_once() -> None:
    assert {branch.epochs for branch in estimate(Mixture(), {"web": 12345, "books": 678})} == {1.0}


def test_the_tree_of_a_plan_has_its_documents_and_exact_tokens(tmp_path: Path) -> None:
    corpus = Corpus(
        {
            "web": [rows(*[40] * 200, n_tokens=[10] * 200)],
            "books": [rows(*[40] * 25, n_tokens=[10] * 25)],
        }
    )
    store, parts = corpus.write(tmp_path)
    make_plan(store, parts, MIXTURE, Validation(share=0), 1)
    lines = describe(planned(store)).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "mixture 100 documents 4K bytes 1K tokens",
        "├─ main 75 documents 3K bytes 750 tokens",
        "│ ├─ books 25 documents 1K bytes 250 tokens 33.3% 1.00 epochs",
        "│ └─ web 50 documents 2K bytes 500 tokens 66.7% 0.25 epochs",
        "└─ anneal 25 documents 1K bytes 250 tokens",
        "└─ books 25 documents 1K bytes 250 tokens 100.0% 1.00 epochs",
    ]


def test_sizes_are_three_figures() -> None:
    text = describe(estimate(Mixture(), {"web": 999_960, "books": 123_456_789_000}))
    assert "1M bytes" in text
    assert "123G bytes" in text
    assert "e+" not in text
