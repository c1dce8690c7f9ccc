"""SQL text told apart: what is a literal is masked, what looks like one is not."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.sql_text import masked, tokens


@pytest.mark.parametrize(("text", "shown"), [
    ("ALTER ROLE x PASSWORD 'secret'", "ALTER ROLE x PASSWORD '***'"),
    ("SELECT 'it''s secret', 2", "SELECT '***', 2"), ("SELECT E'a\\'secret', 2", "SELECT '***', 2"),
    ("SELECT 'C:\\', 'secret'", "SELECT '***', '***'"), ("SELECT 'a'\n'secret'", "SELECT '***'\n'***'"),
    ("DO $$ BEGIN 'secret' $$ LANGUAGE x", "DO '***' LANGUAGE x"), ("DO $a$ $b$ secret $b$ $$ $a$", "DO '***'"),
    pytest.param("SELECT 'secret without an end", "SELECT '***'", id="a_text_that_was_cut"),
    pytest.param("DO $x$ secret without an end", "DO '***'", id="a_body_that_was_cut"),
    pytest.param("SELECT $1 -- it's\n, 'secret'", "SELECT $1 -- it's\n, '***'", id="an_apostrophe_in_a_comment"),
    pytest.param("/* it's /* nested */ it's */ SELECT 'secret'", "/* it's /* nested */ it's */ SELECT '***'",
                 id="comments_nest"),
    pytest.param("SELECT \"it's\", 'secret'", "SELECT \"it's\", '***'", id="an_apostrophe_in_a_name"),
    pytest.param("SELECT a$b$c, d$b$ FROM x", "SELECT a$b$c, d$b$ FROM x", id="dollars_in_names"),
    pytest.param("SELECT $1, $2 FROM x", "SELECT $1, $2 FROM x", id="parameters"),
    pytest.param("SELECT typeE'secret'", "SELECT typeE'***'", id="a_name_that_ends_in_e"),
    ("SELECT U&'secret', B'0', x'1F'", "SELECT U&'***', B'***', x'***'"), ("", ""),
    ("/* without an end", "/* without an end"),
])
def test_literals_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert "".join(part for _kind, part in tokens(text)) == text


@pytest.mark.parametrize(("text", "outside"), [
    ("SELECT ';'", False), ("SELECT 1;", True), ("SELECT \";\"", False), ("SELECT 1 -- ;", False),
    ("SELECT 1 /* ; */", False), ("SELECT 1 -- x\n;", True), ("SELECT $$;$$", False), ("SELECT $1;$1", True),
    ("SELECT E'\\';'", False),
])
def test_a_semicolon_is_told_from_one_in_a_literal(text: str, outside: bool) -> None:
    assert (("other", ";") in tokens(text)) is outside
