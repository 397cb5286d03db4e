"""Texts of the few records that are shown: of documents, and of conversations as lines of role and content."""

from collections.abc import Sequence

import duckdb

from dataflow.catalog.judge import among

NO_TEXT = "(its text was not kept: keep_dropped is false in the recipe)"


def read_texts(
    con: duckdb.DuckDBPyConnection, ids: Sequence[str], n_characters: int, roles: bool = True
) -> dict[str, str]:
    """The texts of documents or conversations, at most their first characters; without roles, as they are searched."""
    if not ids:
        return {}
    role = "one.role || ': ' || " if roles else ""
    turns = f"list_transform(messages, lambda one: {role}coalesce(one.content, ''))"
    conversation = f"array_to_string({turns}, chr(10))"
    rows = con.execute(
        f"""
        SELECT id, text[:{int(n_characters)}] FROM stored.documents WHERE {among(ids)}
        UNION ALL
        SELECT id, ({conversation})[:{int(n_characters)}] FROM stored.instructions_documents WHERE {among(ids)}
        """
    ).fetchall()
    return {name: NO_TEXT if text is None else text for name, text in rows}
