"""Whether two questions that an embedding finds near may get the same answer. Pure.

Embeddings see little difference between a question and the same sentence with another number, name or direction, or
with a "not": often less than between a question and its paraphrase. docs/proofs.md has the figures.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

MOST_WORDS = 100
"""Longer texts are too much alike, whatever is asked at their end, and embedders may not read that far."""

# Where words have no spaces between them (Thai, Japanese, Chinese, ...) each character counts as one.
_WORD = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
# C, C++ and C#; 5 and -5; < and >. Other punctuation only makes sentences.
_SYMBOL = re.compile(r"(?<!\w)[-\u2212](?=\d)|[#%&*/\\@^~|<>=+$\u20ac\u00a3\u00a5\u00b0\u00d7\u00f7]")
# A word too many costs a hit; one that is missing here is mostly caught as a single word that differs.
_NEGATION_WORDS = """
    not no none never nor neither without nicht kein keine keinen keinem keiner keines nie niemals ohne ne pas
    jamais sans nunca sin non mai senza não nem sem niet geen nooit zonder inte aldrig utan ikke aldri uden
    uten ei bez не нет ни без 不 没 非 無
"""
_NEGATIONS = frozenset(_NEGATION_WORDS.split())


def may_be_same(stored: str, asked: str) -> bool:
    """Whether nothing in the words tells that the answer to one question is wrong for the other.

    They may differ in case, spaces and punctuation, or in more than single words; not in their numbers, symbols or
    count of negations, not in the order of the same words, and not in single words of the same sentence.

    Args:
        stored: The question that was answered.
        asked: The question that is asked now.
    """
    one, other = _words(stored), _words(asked)
    if _figures(one) != _figures(other) or _symbols(stored) != _symbols(asked):
        return False
    if one == other:
        return True
    if max(len(one), len(other)) > MOST_WORDS:
        return False
    if _negations(one) != _negations(other) or sorted(one) == sorted(other):
        return False
    return not _is_same_sentence(one, other)


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return _WORD.findall(plain.replace("can't", "can not").replace("cannot", "can not").replace("n't", " not"))


def _figures(words: list[str]) -> list[str]:
    figures = [word for word in words if any(map(str.isdigit, word))]
    return sorted("".join(str(unicodedata.digit(char, char)) for char in word) for word in figures)


def _symbols(text: str) -> list[str]:
    raised = [char for char in text if char in "\u00b2\u00b3"]  # which the next line makes plain figures
    return sorted(_SYMBOL.findall(unicodedata.normalize("NFKC", text))) + sorted(raised)


def _negations(words: list[str]) -> int:
    return sum(word in _NEGATIONS for word in words)


def _is_same_sentence(one: list[str], other: list[str]) -> bool:
    """Whether only single words differ: some exchanged, none of them neighbours, or one more or less."""
    short, long = sorted((one, other), key=len)
    if len(short) == len(long):
        changed = [first != second for first, second in zip(short, long, strict=True)]
        return not any(map(all, pairwise(changed)))
    if len(long) - len(short) > 1:
        return False
    pairs = enumerate(zip(short, long, strict=False))
    added = next((at for at, (first, second) in pairs if first != second), len(short))
    return short[added:] == long[added + 1 :]
