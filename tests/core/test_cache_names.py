"""Collection names: any text is contained, no two are one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.cache_names import check_collection, safe_name

NASTY = [
    *(
        "../../x",
        "a/b",
        '"; drop table x; --',
        "x" * 300,
        "\U0001f600",
        "..",
        ".",
        "/etc/passwd",
        "a\\b",
        "A",
        "CON",
        "aux",
    ),
    *("\x00", "a\nb", " ", "default ", "ＡＢ", "\ud800", "-rf", "default/", "c:d", "~", "$HOME", "%2e%2e"),
]


@pytest.mark.parametrize("name", ["default", "my_collection", "llm_cache", "a", "a1_b2", "x" * 40])
def test_simple_names_stay_as_they_are(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", NASTY)
def test_all_others_are_contained(name: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,56}", safe)
    assert safe != name


def test_no_two_names_share_a_place() -> None:
    names = [*NASTY, "a", "default", "a_b", "con", "x" * 299, "x" * 301]
    assert len({safe_name(name) for name in names}) == len(names)
    made = safe_name("a/b")
    assert safe_name(made) != made  # a name that looks like one made here is replaced as well


@given(st.lists(st.text(min_size=1), unique=True, max_size=20))
def test_any_names_are_told_apart(names: list[str]) -> None:
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,56}", name) for name in safe)


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (None, TypeError), (b"x", TypeError), (1, TypeError)])
def test_what_is_no_name_is_refused(name: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="cache_collection"):
        check_collection(name)
