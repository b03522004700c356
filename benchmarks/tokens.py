"""How near the token counts come.

Three tables: the estimator against tiktoken, by kind of text (fitted on one half, reported on the other); the rules for
messages and tools against the prompt_tokens of recorded calls; microseconds per 1,000 characters.

    python benchmarks/tokens.py                       # tables
    python benchmarks/tokens.py --fit                 # fit the estimator anew and print its weights
    python benchmarks/tokens.py --recorded cases.jsonl.gz

The exact vocabularies are needed. Where OpenAI's store is not reached, the MIT-licensed wheel llama-index-core carries
them: `pip download --no-deps llama-index-core==0.14.25`, unzip it, and set TIKTOKEN_CACHE_DIR to its folder
llama_index/core/_static/tiktoken_cache. The texts come from the standard library, from the translations that Django
carries (a development dependency), from prose.txt beside this file, and from a seeded generator.
"""

from __future__ import annotations

import argparse
import ast
import base64
import gzip
import json
import pydoc_data.topics
import random
import re
import statistics
import sysconfig
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

from llm_client._core import estimator, tokens
from llm_client._core.profiles import ModelProfile
from llm_client._core.tokenizer import load_tokenizer

SEED = 4
CHUNK = 1200
LANGUAGES = {
    "Chinese": ("zh_Hans", "zh_Hant"),
    "Japanese": ("ja",),
    "Korean": ("ko",),
    "Cyrillic": ("ru", "uk", "bg"),
    "German": ("de",),
    "Latin script, other": ("fr", "es", "pl", "tr", "vi", "cs"),
    "Arabic and Hebrew": ("ar", "fa", "he"),
    "Indic": ("hi", "bn", "ta"),
    "Thai": ("th",),
    "Greek and Armenian": ("el", "hy", "ka"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--recorded", type=Path)
    arguments = parser.parse_args()
    corpus = list(texts())
    for name, model, current in (("o200k_base", "gpt-5", estimator.O200K), ("cl100k_base", "gpt-4", estimator.CL100K)):
        exact = load_tokenizer(model)
        fitted = fit(corpus[::2], exact) if arguments.fit else None
        if fitted:
            print(f"{name}:\n    pieces={fitted.pieces},\n    characters={fitted.characters},")
        used = estimator.Estimator(fitted) if fitted else current
        table(f"{name}, estimate against tiktoken, the half that was not fitted", corpus[1::2], exact, used)
        for what, tokenizer in (("tiktoken", exact), ("estimator", used)):
            print(f"{what}: {speed(tokenizer, corpus):.0f} microseconds per 1,000 characters")
        print()
    if arguments.recorded:
        recorded(arguments.recorded, arguments.fit)


def table(title: str, corpus: list[tuple[str, str]], exact: Any, used: Any) -> None:
    errors: dict[str, list[float]] = defaultdict(list)
    quarter: dict[str, list[float]] = defaultdict(list)
    for kind, text in corpus:
        true = exact.count(text)
        errors[kind].append(used.count(text) / true - 1)
        quarter[kind].append(len(text) / 4 / true - 1)
    print(title)
    print(f"{'':24}{'texts':>6}{'mean |error|':>14}{'bias':>8}{'worst':>8}{'characters/4, bias':>20}")
    for kind, found in errors.items():
        print(
            f"{kind:24}{len(found):6}{statistics.mean(map(abs, found)):14.1%}{statistics.mean(found):8.1%}"
            f"{max(found, key=abs):8.1%}{statistics.mean(quarter[kind]):20.1%}"
        )


def speed(tokenizer: Any, corpus: list[tuple[str, str]]) -> float:
    some = [text for _, text in corpus[::7]]
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        for text in some:
            tokenizer.count(text)
        best = min(best, time.perf_counter() - start)
    return best / sum(map(len, some)) * 1e9


def fit(corpus: list[tuple[str, str]], exact: Any) -> estimator.Weights:
    """Non-negative least squares of the relative errors; kinds with few texts weigh more for each."""
    rows, shares = [], []
    sizes = Counter(kind for kind, _ in corpus)
    for kind, text in corpus:
        true = exact.count(text)
        pieces, beyond = estimator.features(text)
        rows.append([value / true for value in (*pieces, *beyond)])
        shares.append(sizes[kind] ** -0.5)
    weights = descend(rows, shares)
    found = [round(weight, 3) for weight in weights]
    half = len(found) // 2
    return estimator.Weights(tuple(found[:half]), tuple(found[half:]))


def descend(rows: list[list[float]], shares: list[float]) -> list[float]:
    """Non-negative weights that bring every row's sum as near to 1 as may be, by coordinate descent."""
    width = len(rows[0])
    weights = [0.5] * width
    weighed = list(zip(rows, shares, strict=True))
    gram = [[sum(row[i] * row[j] * share for row, share in weighed) for j in range(width)] for i in range(width)]
    right = [sum(row[i] * share for row, share in weighed) for i in range(width)]
    for _ in range(3000):
        for i in range(width):
            if gram[i][i] > 1e-12:
                rest = right[i] - sum(gram[i][j] * weights[j] for j in range(width) if j != i)
                # No kind of character is free: a million line breaks are many tokens.
                weights[i] = max(0.01 if i >= width // 2 else 0.0, rest / gram[i][i])
    return weights


def texts() -> Iterator[tuple[str, str]]:
    rng = random.Random(SEED)
    yield from spoken()
    yield from ((kind, text) for kind, source in sources(rng) for text in chunks(source))


def spoken() -> Iterator[tuple[str, str]]:
    """Everyday prose, a paragraph a text."""
    source = (Path(__file__).parent / "prose.txt").read_text("utf-8")
    for block in source.strip().split("\n\n"):
        kind, _, text = block.partition(": ")
        yield f"{kind} prose", text


def chunks(source: str) -> Iterator[str]:
    for start in range(0, min(len(source), CHUNK * 80), CHUNK):
        text = source[start : start + CHUNK]
        if len(text) > CHUNK // 2:
            yield text


def sources(rng: random.Random) -> Iterator[tuple[str, str]]:
    library = Path(sysconfig.get_path("stdlib"))
    yield "English documentation", english(library)
    names = ("argparse", "asyncio/base_events", "dataclasses", "json/encoder", "_pydecimal", "http/client", "typing")
    yield "Python", "\n".join((library / f"{name}.py").read_text("utf-8")[:14_000] for name in names)
    web = Path(django.__file__).parent / "contrib" / "admin"
    scripts = sorted((web / "static/admin/js").glob("*.js"))[:12]
    pages = sorted((web / "templates/admin").glob("*.html"))[:12]
    yield (
        "JavaScript, CSS, HTML",
        "\n".join(path.read_text("utf-8") for path in (*scripts, web / "static/admin/css/base.css", *pages)),
    )
    topics = ("operator-summary", "formatstrings", "specialnames")
    yield "Markdown, tables", "".join(str(pydoc_data.topics.topics[topic]) for topic in topics)
    yield "JSON", json.dumps(records(rng, 150)) + json.dumps(records(rng, 60), indent=2)
    for kind, codes in LANGUAGES.items():
        for code in codes:
            yield kind, translation(code)
    yield "emoji", emoji(rng)
    yield "base64", " ".join(base64.b64encode(rng.randbytes(900)).decode() for _ in range(40))
    yield (
        "hexadecimal, UUIDs",
        " ".join(rng.choice((rng.randbytes(32).hex(), str(uuid.UUID(int=rng.getrandbits(128))))) for _ in range(900)),
    )
    yield "numbers", " ".join(number(rng) for _ in range(4000))


def number(rng: random.Random) -> str:
    amount = f"{rng.randrange(100)},{rng.randrange(1000):03}.{rng.randrange(100):02}"
    return rng.choice((f"{rng.random():.6f}", str(rng.randrange(10**9)), amount, "2026-11-22T10:31:07Z"))


def english(library: Path) -> str:
    found = []
    for path in sorted(library.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8", "replace"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                text = ast.get_docstring(node) or ""
                if len(text) > 300 and ">>>" not in text and "::" not in text:
                    found.append(text)
    return "\n\n".join(found)


def translation(code: str) -> str:
    folder = Path(django.__file__).parent
    found = []
    for path in (folder / "conf/locale" / code, *sorted(folder.glob(f"contrib/*/locale/{code}"))):
        source = (path / "LC_MESSAGES/django.po").read_text("utf-8")
        for block in re.findall(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\s*)+)', source, re.MULTILINE)[1:]:
            found.append("".join(ast.literal_eval(line) for line in block.strip().splitlines() if line.strip()))
    return " ".join(filter(None, found))


def records(rng: random.Random, count: int) -> list[dict[str, Any]]:
    words = re.findall(r"[a-z]{3,12}", str(pydoc_data.topics.topics["assignment"]))
    return [
        {
            "id": rng.randrange(10**8),
            "customer_name": " ".join(rng.choices(words, k=2)).title(),
            "active": rng.random() < 0.5,
            "score": round(rng.random() * 100, 2),
            "tags": rng.choices(words, k=rng.randrange(4)),
            "address": {"city": rng.choice(words).title(), "postCode": str(rng.randrange(10**5)), "lines": [None, ""]},
            "createdAt": f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T10:{rng.randrange(60):02}:00Z",
        }
        for _ in range(count)
    ]


def emoji(rng: random.Random) -> str:
    words = ("great", "news", "everyone", "the release", "is out", "thank you", "see you soon", "party", "good luck")
    ranges = ((0x1F600, 0x1F64F), (0x1F300, 0x1F5FF), (0x1F680, 0x1F6C5), (0x1F90C, 0x1F9FF), (0x2600, 0x26FF))
    found = []
    for _ in range(6000):
        if rng.random() < 0.4:
            found.append(rng.choice(words) + " ")
        else:
            found.append(
                chr(rng.randint(*rng.choice(ranges))) * rng.choice((1, 1, 1, 2, 3)) + rng.choice(("", " ", "\ufe0f"))
            )
    return "".join(found)


# What OpenAI does not publish about tools, in the order in which it is fitted.
CONSTANTS = ("_TOOLS", "_TOOLS_GPT_5", "_TOOLS_O_SERIES", "_SYSTEM_WITH_TOOLS", "_CALL", "_CALL_RESULT", "_PARALLEL")


def recorded(path: Path, fitting: bool) -> None:
    """Messages and tools against the prompt_tokens of recorded calls, each kind split into two halves."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        cases = distinct(map(json.loads, file))
    if fitting:
        fit_constants(cases)
    print("recorded calls: |count / prompt_tokens - 1|")
    print(f"{'':56}{'calls':>6}{'median':>9}{'90 %':>9}{'worst':>9}")
    for kind in sorted(cases):
        for half, some in (("first half", cases[kind][::2]), ("second half", cases[kind][1::2])):
            if some:
                errors = sorted(off(case) for case in some)
                median, near, worst = statistics.median(errors), errors[int(len(errors) * 0.9)], errors[-1]
                print(f"{kind + ', ' + half:56}{len(errors):6}{median:9.1%}{near:9.1%}{worst:9.1%}")


def distinct(cases: Iterator[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The cases that can be compared, by kind; of recordings of the same prompt one."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    seen = set()
    for case in cases:
        found = count_case(case)
        if found is not None and found not in seen:
            seen.add(found)
            groups[found[0]].append(case)
    return groups


def off(case: dict[str, Any]) -> float:
    _, true, count = count_case(case) or ("", 1, 1)
    return abs(count / true - 1)


def fit_constants(cases: dict[str, list[dict[str, Any]]]) -> None:
    """The integers that make the mean error on the first half least, one after the other until none moves."""
    first = [case for case in cases["OpenAI, tools"][::2] if not isinstance(case["request"].get("tool_choice"), dict)]
    moved = True
    while moved:
        moved = False
        for name in CONSTANTS:
            now = getattr(tokens, name)
            tried = {}
            for value in range(now - 6, now + 7):
                setattr(tokens, name, value)
                tried[value] = sum(map(off, first))
            best = min(tried, key=lambda value: (round(tried[value], 9), abs(value - now)))
            setattr(tokens, name, best)
            moved = moved or best != now
    print("of the first half:", ", ".join(f"{name} = {getattr(tokens, name)}" for name in CONSTANTS))


def count_case(case: dict[str, Any]) -> tuple[str, int, int] | None:
    """(kind, what the API counted, what we count), None for what the two cannot agree on."""
    request, usage = case["request"], (case["expected"] or {}).get("usage") or {}
    if case["status"] != 200 or not usage.get("input") or case["api"] not in ("chat", "messages"):
        return None
    if (
        "search" in request["model"]
        or "functions" in request
        or any("function_call" in message for message in request["messages"])
    ):
        return None  # searching models report the user's text only; legacy functions are not sent by this library
    claude = case["api"] == "messages"
    names: dict[str, str] = {}
    messages, media, calls = [], False, False
    if claude and request.get("system"):
        system = request["system"]
        messages.append(
            {"role": "system", "content": system if isinstance(system, str) else "".join(b["text"] for b in system)}
        )
    for message in request["messages"]:
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
            calls = True
        if message["role"] == "tool":
            message = {**message, "name": names.get(message["tool_call_id"])}
        content = message.get("content")
        if isinstance(content, list):
            media = media or any(part.get("type") != "text" for part in content)
        messages.append(message)
    # Encoded media of the recordings were cut short, and with them one text that looks like it.
    if media and claude:
        return None
    if "expertsoftwareengineer" in str(messages):
        return None
    tools = request.get("tools") or ()
    if any("function" not in tool and not claude for tool in tools) or (
        claude and any("input_schema" not in t for t in tools)
    ):
        return None
    if (request.get("response_format") or {}).get("type") == "json_schema":
        kind = "OpenAI, JSON schema as the answer's format"
    else:
        kind = f"{'Anthropic' if claude else 'OpenAI'}, {'media' if media else 'tools' if tools or calls else 'text'}"
    true = usage["input"] + (usage["cached"] + usage["cache_creation"] if claude else 0)
    return kind, true, ModelProfile.resolve(request["model"]).count_tokens(messages, tools)


if __name__ == "__main__":
    main()
