"""Which questions may get the same answer, by their words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.cache_similar import MOST_WORDS, may_be_same


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How old is it?", "how old is it"),
        ("How old is it?", "What age does it have?"),
        ("I can't log in.", "I cannot log in."),
        ("Which birds do not fly?", "Which are the birds that don't fly?"),
        ("What happened on 20 July 1969?", "Tell me what happened on 20 July 1969."),
        ("Où est né Hugo ?", "où est né hugo"),
        ("怎么重置我的密码？", "如何重置我的密码？"),
        ("", "?"),
    ],
)
def test_other_words_for_the_same(first: str, second: str) -> None:
    assert may_be_same(first, second)
    assert may_be_same(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What was the inflation in 2023?", "How high was the inflation in 2024?"),
        ("٣ أسابيع", "٥ أسابيع"),
        ("What is -5 plus 12?", "What is 5 plus 12?"),
        ("Convert 3.5 hours.", "Convert 35 hours."),
        ("How is 10² written?", "How is 102 written?"),
        ("How do I sort in C?", "How do I sort in C++?"),
        ("Is a < b?", "Is a > b?"),
        ("What is safe to eat?", "Which things are not safe to eat?"),
        ("Why should I?", "For what reason shouldn't I?"),
        ("Do dogs chase cats?", "Do cats chase dogs?"),
        ("What is the capital of Austria?", "What is the capital of Australia?"),
        ("From Vienna to Prague", "From Rome to Bari"),
        ("Explain it.", "Explain it briefly."),
        ("Which company is profitable?", "Which company is unprofitable?"),
        ("法国的首都是哪里？", "德国的首都是哪里？"),
    ],
)
def test_what_tells_another_question(first: str, second: str) -> None:
    assert not may_be_same(first, second)
    assert not may_be_same(second, first)


def test_long_texts_are_only_the_same_word_for_word() -> None:
    long = "word " * MOST_WORDS
    assert may_be_same(f"{long} Who was it?", f"{long} who was it")
    assert not may_be_same(f"{long} Who was it?", f"{long} What did they eat?")


@given(st.text(), st.text())
def test_any_text_can_be_asked(first: str, second: str) -> None:
    assert may_be_same(first, first)
    assert may_be_same(first, second) is may_be_same(second, first)
