"""An estimate of how many tokens a text is, where no vocabulary is at hand.

The text is cut into pieces as vocabularies cut it (words at camel case, digits by three, runs of punctuation), and each
kind of piece has a price; scripts with few merged tokens are priced by the character. benchmarks/tokens.py fits the
prices on one half of its texts and shows how near the estimate comes on the other. Characters divided by four, the
usual guess, is 60 % too low on Chinese and on base64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_KINDS = (
    # Encoded data: long, unbroken, and changing its kind of character all the time (see _CHANGES).
    ("encoded", r"[A-Za-z0-9+/]{24,}={0,2}"),
    ("latin", r"[A-Za-z]{0,40}[\u00c0-\u024f\u1e00-\u1eff][A-Za-z\u00c0-\u024f\u1e00-\u1eff]*"),
    ("word", r"(?<![A-Za-z0-9_])(?:[A-Z]?[a-z]+|[A-Z]+(?![a-z]))"),
    # The later words of a name such as getUserName or get_user_name.
    ("part", r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])"),
    ("digits", r"[0-9]{1,3}"),
    ("break", r"[^\S\n]*\n\s*"),
    ("space", r"\s+"),
    ("punctuation", r"[!-/:-@\[-`{-~]+"),
    ("cyrillic", r"[\u0400-\u052f]+"),
    ("han", r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"),
    ("kana", r"[\u3040-\u30ff]+"),
    ("hangul", r"[\uac00-\ud7af]+"),
    ("arabic", r"[\u0590-\u06ff]+"),
    ("indic", r"[\u0900-\u0dff]+"),
    ("greek", r"[\u0370-\u03ff]+"),
    ("caucasian", r"[\u0530-\u058f\u10a0-\u10ff]+"),
    ("southeast", r"[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]+"),
    ("wide", r"[\u3000-\u303f\uff00-\uffef\u2000-\u206f]"),
    ("other", r"[\u0080-\uffff]"),
    ("symbol", r"."),
)
# One space before a piece is part of its first token, as in the vocabularies.


@lru_cache(maxsize=1)
def _pieces() -> re.Pattern[str]:
    # Compiled at first use: that takes as long as importing ten modules, and most programs never estimate.
    return re.compile(" ?(?:" + "|".join(f"({pattern})" for _, pattern in _KINDS) + ")", re.DOTALL)


@lru_cache(maxsize=1)
def _parts() -> re.Pattern[str]:
    return re.compile("|".join(f"({pattern})" for _, pattern in _KINDS[1:]), re.DOTALL)


# Base64 and hexadecimal change between cases and digits at every second or third character, long names do not.
_CHANGES = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_CHANGES_OF_ENCODED = 0.25

KINDS = (*(name for name, _ in _KINDS), "traditional")
"""The kinds of pieces. "traditional" are the Chinese characters that simplified Chinese does not use, counted beside
"han", because vocabularies have learned fewer of them."""
_HAN = KINDS.index("han")

LONG_WORD = 7
"""Letters that a common word of one token may have; longer ones are priced by the letters beyond."""
LONG_RUN = 3
"""The same for runs of punctuation, and for words of scripts with fewer merged tokens."""
_FREE = tuple(
    {"word": LONG_WORD, "part": LONG_WORD, "punctuation": LONG_RUN, "latin": LONG_RUN, "cyrillic": LONG_RUN}.get(
        name, 1
    )
    for name in KINDS
)


@dataclass(frozen=True, slots=True)
class Weights:
    """Tokens for each kind of piece, and for each character of it beyond the first few.

    Args:
        pieces: In the order of KINDS.
        characters: In the order of KINDS: for words beyond LONG_WORD letters, for punctuation beyond LONG_RUN, for
            all else beyond the first.
    """

    pieces: tuple[float, ...]
    characters: tuple[float, ...]


def features(text: str) -> tuple[list[int], list[int]]:
    """How many pieces of each kind, and how many characters of each kind beyond the first few."""
    pieces = [0] * len(KINDS)
    beyond = [0] * len(KINDS)
    free = _FREE
    for match in _pieces().finditer(text):
        group = match.lastindex or 1
        start, end = match.span(group)
        kind, length = group - 1, end - start
        if kind == 0 and len(_CHANGES.findall(text, start, end)) < length * _CHANGES_OF_ENCODED:
            # A long name after all: its parts are looked at one by one.
            for part in _parts().finditer(text, start, end):
                kind, length = part.lastindex or 1, part.end() - part.start()
                pieces[kind] += 1
                beyond[kind] += max(0, length - free[kind])
            continue
        pieces[kind] += 1
        if length > free[kind]:
            beyond[kind] += length - free[kind]
        if kind == _HAN:
            pieces[-1] += length - len(text[start:end].encode("gb2312", "ignore")) // 2
    return pieces, beyond


@dataclass(frozen=True, slots=True)
class Estimator:
    """Counts by the kinds of pieces in a text; never exact.

    Args:
        weights: Prices of the pieces.
        scale: What the sum is multiplied with.
    """

    weights: Weights
    scale: float = 1.0

    @property
    def exact(self) -> bool:
        """Always False."""
        return False

    @property
    def name(self) -> str:
        return "estimate"

    def count(self, text: str) -> int:
        """About how many tokens the text is; at least one unless it is empty."""
        if not text:
            return 0
        pieces, beyond = features(text)
        total = sum(map(float.__mul__, map(float, pieces), self.weights.pieces))
        total += sum(map(float.__mul__, map(float, beyond), self.weights.characters))
        return max(1, round(total * self.scale))


# fmt: off
# Printed by `python benchmarks/tokens.py --fit`.
O200K_WEIGHTS = Weights(
    pieces=(
        0.0, 1.031, 0.942, 0.219, 1.079, 1.065, 1.131, 0.918, 1.075, 0.723,
        1.526, 0.0, 0.381, 0.0, 0.182, 1.287, 0.274, 0.379, 0.0, 3.027, 0.417,
    ),
    characters=(
        0.664, 0.419, 0.272, 0.781, 0.241, 0.018, 0.01, 0.063, 0.254, 0.912,
        0.448, 1.045, 0.359, 0.49, 0.442, 0.196, 0.446, 0.5, 0.5, 0.5, 0.5,
    ),
)
CL100K_WEIGHTS = Weights(
    pieces=(
        0.0, 1.903, 0.986, 0.0, 0.731, 0.706, 1.082, 0.998, 1.814, 0.188,
        3.034, 0.0, 1.861, 0.0, 0.72, 2.657, 1.937, 0.0, 0.0, 3.617, 0.867,
    ),
    characters=(
        0.696, 0.499, 0.298, 0.821, 0.497, 0.01, 0.011, 0.059, 0.394, 1.518,
        0.545, 1.66, 0.637, 1.708, 1.116, 2.041, 0.894, 0.5, 0.5, 0.5, 0.5,
    ),
)
# fmt: on

O200K = Estimator(O200K_WEIGHTS)
CL100K = Estimator(CL100K_WEIGHTS)
# Anthropic publishes no vocabulary; the factors are from recorded calls, and its tokenizer since Opus 4.7 is finer.
CLAUDE = Estimator(O200K_WEIGHTS, 1.12)
CLAUDE_NEW = Estimator(O200K_WEIGHTS, 1.35)
