"""What is taken out of a page, by which engine, and what the page tells of itself."""

import importlib.util
import sys
from pathlib import Path

import pytest

from dataflow.kernels.nesting import depth_bound
from dataflow.readers import html
from dataflow.readers.batches import Reject
from dataflow.readers.extract_head import describe
from dataflow.readers.extraction import MAX_DEPTH, extract_text
from dataflow.readers.source import Extract

ROOT = Path(__file__).resolve().parents[3]
WEB = ROOT / ".." / "shared" / "data" / "web"
ENGINES = ("resiliparse", "trafilatura")
PROSE = [
    f"Paragraph {n} of an article, which goes on for long enough that nobody takes it for a link."
    for n in "ABCD"
]
ARTICLE = "<article><h1>Head</h1>" + "".join(f"<p>{text}</p>" for text in PROSE) + "</article>"


def page(inside, head=""):
    return f"<html><head>{head}</head><body>{inside}</body></html>"


def text(inside, engine):
    return extract_text(page(inside), Extract(engine=engine))


@pytest.mark.parametrize("engine", ENGINES)
def test_paragraphs_stay_apart_and_boilerplate_goes(engine):
    around = "<nav><a href=/>Home</a> <a href=/b>Blog</a></nav>{}<div id=respond><p>Leave a reply</p></div>"
    found, by = text(around.format(ARTICLE), engine)
    assert by == engine
    assert found.split("\n\n")[-4:] == PROSE
    assert "Home" not in found
    assert "reply" not in found


@pytest.mark.parametrize(
    "box",
    [
        "<div class='comment-respond'>{}</div>",
        "<div class='NewsletterBox'>{}</div>",
        "<div id=sidebar>{}</div>",
        "<div class='page-footer'>{}</div>",
        "<div class=cookie-bar>{}</div>",
        "<p class=byline>{}</p>",
        "<figure><figcaption>{}</figcaption></figure>",
    ],
)
def test_the_fast_engine_cuts_boxes_of_boilerplate(box):
    inside = "A line of some words that is not the article's."
    found, _ = text(ARTICLE.replace("</article>", box.format(inside) + "</article>"), "resiliparse")
    assert inside not in found
    assert PROSE[0] in found


@pytest.mark.parametrize("name", ["with-newsletter", "has-sticky-footer", "subscribed"])
def test_a_box_around_the_article_is_never_cut(name):
    assert PROSE[0] in text(f"<div class={name}>{ARTICLE}</div>", "resiliparse")[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_soft_hyphens_are_typesetting_and_left_out(engine):
    assert "nobody" in text(ARTICLE.replace("nobody", "no\u00adbody"), engine)[0]


def test_a_page_without_boilerplate_is_taken_whole_repeats_included():
    found, by = text(f"<article><p>{PROSE[0]}</p><p>{PROSE[0]}</p></article>", "trafilatura")
    assert (found, by) == (f"{PROSE[0]}\n\n{PROSE[0]}", "resiliparse")


@pytest.mark.parametrize(
    "inside",
    [
        "<nav>Menu</nav><main>" + "<a href=/>A page of links and little else.</a> " * 6000 + "</main>",
        "<nav>Menu</nav>" + "<div>" * 500 + ARTICLE + "</div>" * 500,
    ],
    ids=["many tags", "deep"],
)
def test_pages_made_for_no_article_extractor_go_to_the_fast_engine(inside):
    assert text(inside, "trafilatura") == text(inside, "resiliparse")


def test_what_trafilatura_cannot_read_falls_to_the_fast_engine(monkeypatch):
    from dataflow.readers import extract_precise

    def fails(*args, **options):
        raise RecursionError

    monkeypatch.setattr(extract_precise, "bare_extraction", fails)
    inside = "<nav>Menu</nav><main><p>Some words.</p></main>"
    assert text(inside, "trafilatura") == ("Some words.", "resiliparse")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("<p>a\n  b <hi>c</hi>d</p>e<p>f</p>", "a b cd\n\ne\n\nf"),
        ("<p>a<lb/>b</p>", "a\nb"),
        ('<list rend="ul"><item>a</item><item>b<list rend="ol"><item>c</item><item>d</item></list></item></list>',
         "  • a\n  • b\n    1. c\n    2. d"),
        ("<list><item><p>a</p><p>b</p></item></list><p>c</p>", "  • a\nb\n\nc"),
        ("<table><row><cell>a\nb</cell><cell>c</cell></row><row><cell/><cell>d</cell></row></table>", "a b\t\tc\nd"),
        ("<p>a</p><code>if x:\n    y\n</code><p>b</p>", "a\n\nif x:\n    y\n\nb"),
        ("<p>the <code>x</code> of y</p>", "the x of y"),
        ("<p/>", ""),
    ],
)  # fmt: skip
def test_trafilaturas_tree_is_rendered_as_lines(tree, expected):
    from lxml import etree

    from dataflow.readers.extract_precise import render

    assert render(etree.fromstring(f"<body>{tree}</body>")) == expected


def test_the_precise_engine_is_imported_only_where_it_is_asked_for():
    import subprocess

    code = "import sys; from dataflow.readers import html; from dataflow.readers.source import Extract; "
    code += f"html.page_text({page(ARTICLE).encode()!r}, Extract()); sys.exit('trafilatura' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("head", "header", "expected"),
    [
        ("<title>A &amp; B\n  C</title>", None, {"title": "A & B C"}),
        ("<meta property='og:title' content='From the graph'>", None, {"title": "From the graph"}),
        ("<title> </title><meta content=Graph property=og:title>", None, {"title": "Graph"}),
        ("<!-- <title>no</title> --><title>yes</title>", None, {"title": "yes"}),
        ("<script>'<title>no</title>'</script>", None, {}),
        ("<svg><title>no</title></svg>", None, {}),
        (f"<title>{'x' * 2000}</title>", None, {"title": "x" * 500}),
        ("<title>never closed", None, {}),
        ("", "pt-BR, en", {"language_hint": "pt-br"}),
        ("<meta http-equiv=Content-Language content=de>", None, {"language_hint": "de"}),
        ("<meta property=og:locale content=en_GB>", None, {"language_hint": "en-gb"}),
        ("", "not a language", {}),
    ],
)
def test_a_page_tells_its_title_and_language(head, header, expected):
    assert describe(page("<svg><title>icon</title></svg>", head), header) == expected


def test_the_html_tag_is_believed_before_the_header():
    assert describe("<HTML dir=ltr LANG='cs'><body>", "en") == {"language_hint": "cs"}


def test_all_that_is_known_of_a_page_is_in_its_metadata():
    content = page(ARTICLE, "<title>T</title>").replace("<html>", "<html lang=en>").encode()
    _, about = html.page_text(content, Extract(), "utf-8")
    assert about == {"charset": "utf-8", "extractor": "resiliparse", "title": "T", "language_hint": "en"}


@pytest.mark.parametrize(
    ("content", "depth"),
    [
        (b"<div>" * 50, 50),
        (b"<div></div>" * 50, 1),
        (b"<div></x>" * 50, 50),  # an end tag of another name closes nothing
        (b"</div>" * 9 + b"<DIV>" * 3, 3),
        (b"<p>" * 9 + b"<br>" * 9, 0),
        (b"<!--<b><b>--><i>", 1),
        (b"<script>'<b><b>'</script><div>", 1),
        (b"<a" * 5, 1),
        (b"<", 0),
        (b"", 0),
    ],
)
def test_nesting_is_bounded_before_parsing(content, depth):
    assert depth_bound(content) == depth


@pytest.mark.parametrize("engine", ENGINES)
def test_deeper_pages_are_quarantined(engine):
    with pytest.raises(Reject, match="deep_nesting"):
        text("<div></x>" * (MAX_DEPTH + 1), engine)


@pytest.mark.slow
@pytest.mark.skipif(not WEB.is_dir(), reason="the folder shared/data/web is not there")
def test_ours_is_not_below_the_better_library_alone():
    """The precise engine on every set; the fast one where that is resiliparse."""
    spec = importlib.util.spec_from_file_location(
        "benchmark_of_extraction", ROOT / "benchmarks/extraction.py"
    )
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    scores = benchmark.measure_all(WEB)
    for half in ("all", "held-out"):
        alone = {
            (name, library): scores[name, f"{library} alone", half].f1
            for name in benchmark.SETS
            for library in ENGINES
        }
        for name in benchmark.SETS:
            best = max(alone[name, library] for library in ENGINES)
            assert scores[name, "ours, precise", half].f1 >= best, (name, half)
            assert scores[name, "ours, fast", half].f1 >= alone[name, "resiliparse"], (name, half)
        means = [benchmark.mean_f1(scores, f"{library} alone", half) for library in ENGINES]
        assert benchmark.mean_f1(scores, "ours, precise", half) >= max(means)
