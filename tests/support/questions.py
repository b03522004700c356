"""Labelled pairs of questions, and the vectors that a model of sentences gave them: see tests/data/README.md."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Pair:
    """Two questions, and whether the answer to one answers the other."""

    part: str
    same: bool
    kind: str
    language: str
    first: str
    second: str


@cache
def question_pairs() -> tuple[Pair, ...]:
    """All pairs."""
    rows = [line.split("\t") for line in (_DATA / "question-pairs.tsv").read_text(encoding="utf-8").splitlines()]
    return tuple(Pair(part, label == "same", *rest) for part, label, *rest in rows[1:])


@cache
def stored_vectors() -> dict[str, Any]:
    """The file of vectors: "made", "table" and the rest."""
    stored: dict[str, Any] = json.loads((_DATA / "question-vectors.json").read_text(encoding="utf-8"))
    return stored


@cache
def stored_embedding(text: str) -> list[float]:
    """The vector of one of the questions; a KeyError for any other text."""
    stored = stored_vectors()
    return list(struct.unpack(f"<{stored['dimensions']}e", base64.b64decode(stored["vectors"][text])))
