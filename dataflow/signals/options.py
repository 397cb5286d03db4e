"""What a recipe says about signals that need a file: a model, a list of words or of domains.

Light to import, like every configuration. A file decides the values of its signals, so its content is part of
the fingerprint of what was made with it: ``files`` names them all.
"""

from pydantic import Field

from dataflow.config import Config

DEFAULT_FAMILIES = ("language", "gopher", "c4", "fineweb", "characters", "code")
"""What the default rule sets need."""


class SignalOptions(Config):
    """Models and lists that signals are computed with."""

    language_model: str = ""
    """Path of a fastText language model, such as lid.176.bin or GlotLID; empty: lid.176.ftz, which is fetched."""

    url_domains: tuple[str, ...] = ()
    """Files of domains, one a line; a document whose URL lies under one is marked (family `url`)."""

    url_words: tuple[str, ...] = ()
    """Files of words, one a line, that are looked for in URLs (family `url`)."""

    bad_words: dict[str, str] = Field(default_factory=dict)
    """Language code to a file of words and phrases, one a line (family `bad_words`)."""

    perplexity: dict[str, str] = Field(default_factory=dict)
    """Language code to a KenLM model, ARPA or binary (family `perplexity`)."""

    def files(self) -> dict[str, str]:
        """Every file named, under what it is called in the recipe."""
        named = {"language_model": self.language_model} if self.language_model else {}
        for name in ("url_domains", "url_words"):
            named |= {f"{name}.{place}": path for place, path in enumerate(getattr(self, name))}
        for name in ("bad_words", "perplexity"):
            named |= {f"{name}.{language}": path for language, path in getattr(self, name).items()}
        return named
