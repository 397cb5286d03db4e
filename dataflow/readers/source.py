"""What a recipe says about one source of text, and how text is taken out of HTML.

Only configuration lives here: these models are imported for ``dataflow --help``, so nothing heavy is.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dataflow.config import Config, Size

Format = Literal[
    "jsonl", "json", "parquet", "arrow", "hf", "csv", "tsv", "text", "html", "warc", "wet", "arc"
]
Kind = Literal["web", "prose", "code"]


def _names_something(path: str | list[str]) -> str | list[str]:
    if "" in ([path] if isinstance(path, str) else path or [""]):
        raise ValueError("an empty path: name a file, a folder or a glob")
    return path


InputPath = Annotated[str | list[str], AfterValidator(_names_something)]
"""File, folder, glob or URL, or a list of them."""


class Fields(Config):
    """Which fields of a record or columns of a table mean what; all others become metadata.

    A name with dots (`meta.url`) that no field has reaches into nested ones.
    """

    text: str = "text"
    """The document itself: a string that every record must have."""

    id: str = "id"
    """The record's own id, kept as `input_id` and free to collide; numbers are turned into strings."""

    url: str = "url"
    """Where the document came from."""

    date: str = "date"
    """When it was written or fetched, as the input says it."""


class Source(Config):
    """One named set of input files."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Name in every table and folder: letters, digits, dot, dash and underscore."""

    path: InputPath
    """File, folder (read whole, without hidden files), glob (`**` too), any fsspec URL, or a list of them."""

    format: Format | None = None
    """Format of every file; left out, each file's is guessed from its suffix."""

    fields: Fields = Fields()
    """Names of the fields that hold text, id, url and date."""

    kind: Kind = "prose"
    """Which rule sets apply by default: web, prose or code."""

    licence: str = ""
    """Licence of the text, as it should stand in the dataset card."""

    limit: Annotated[int, Field(ge=1)] | None = None
    """At most so many records, for a trial; left out, all of them."""

    max_record_bytes: Annotated[Size, Field(ge=1)] = 256_000_000
    """A longer line, row, page or text file is quarantined, and is never held in memory where it is streamed."""

    max_ratio: Annotated[int, Field(ge=1)] = 1000
    """A packed file that unpacks to more than so many times its size (and 1 MB) is read up to there: real text
    stays below 30, logs below 300."""

    @property
    def paths(self) -> tuple[str, ...]:
        """``path`` as a tuple, also where it is a single one."""
        return (self.path,) if isinstance(self.path, str) else tuple(self.path)


class Extract(Config):
    """How text is taken out of HTML."""

    engine: Literal["resiliparse", "trafilatura"] = "resiliparse"
    """What finds the main content: resiliparse (some 200 pages a second) or the more precise trafilatura (20)."""
