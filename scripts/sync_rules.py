"""What `gen_sync.py` renames, and what it refuses in a source and in a twin.

unasync works on tokens. It rewrites what looks like a name inside text, treats f-strings differently before and after
Python 3.12, and turns names that it does not know into ones that do not exist. Whatever it would get wrong is refused
here, so that the result is the same, byte for byte, on every supported Python.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

RENAMES: Mapping[str, str] = {
    "_async": "_sync",
    "aclose": "close",
}
"""Our own entries: NAME tokens and whole string literals. An entry that nothing uses fails the run."""

UNASYNC_RENAMES: Mapping[str, str] = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "asynccontextmanager": "contextmanager",
    "AsyncIterable": "Iterable",
    "AsyncIterator": "Iterator",
    "AsyncGenerator": "Generator",
    "StopAsyncIteration": "StopIteration",
}
"""What unasync 0.6.0 renames by itself."""

FORBIDDEN_MODULES = ("asyncio", "anyio", "trio", "aiohttp", "redis.asyncio")
"""Modules of one colour only: whatever needs them belongs in the seam."""

REFUSED_IN_SOURCE: Mapping[str, str] = {
    "AsyncGenerator": "annotate with collections.abc.AsyncIterator: Generator[T, None] needs Python 3.13",
    "Awaitable": "hand work over as functools.partial(self.method, ...) and let the seam name its type",
    "Coroutine": "hand work over as functools.partial(self.method, ...) and let the seam name its type",
    "CancelledError": "clean up in `finally`, or in `except BaseException: ...; raise`",
    "isawaitable": "only the seam may look at colours",
    "iscoroutine": "only the seam may look at colours",
    "iscoroutinefunction": "only the seam may look at colours",
    "isasyncgen": "only the seam may look at colours",
    "isasyncgenfunction": "only the seam may look at colours",
    "_sync": "the source names `_async`; the generator makes it `_sync`",
}

FORBIDDEN_IN_OUTPUT = re.compile(
    r"asyncio|anyio|Async[A-Z]\w*|Sync[A-Z]\w*|_async|Awaitable|Coroutine|CancelledError|AbstractAsyncContextManager"
    r"|aclose|aclosing|anext|aiter|aiter_\w+|aread|asend|athrow|acquire_async|__a(?:wait|enter|exit|iter|next)__"
)

TEST_IMPORTS_ALLOWED = ("_async", "_core", "_seam", "exceptions", "testing")
"""Parts of llm_client that a twinned test may name: all else would make the blocking test use the async face."""

_ASYNC_NAME = re.compile(r"\bAsync[A-Z]\w*")
_CODE_IN_TEXT = re.compile(r"\bawait [\w(]|\basync (?:def|for|with)\b|\basyncio\b")


@dataclass(frozen=True, slots=True)
class Pair:
    """One directory of sources and the directory of its twins, both relative to the root, with `/`."""

    name: str
    source: str
    target: str


# ---------------------------------------------------------------- linting the source


def lint_source(text: str, path: str, pair: Pair) -> Iterator[str]:
    """Say what unasync would get wrong in this source, one `path:line: message` each."""
    if "\r" in text or text.startswith("\ufeff"):
        yield f"{path}:1: save the file as UTF-8 with LF line ends and without a byte order mark"
        return
    try:
        compile(text, path, "exec", dont_inherit=True)
        tree = ast.parse(text, path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        yield f"{path}:{line}: not valid Python: {error}"
        return
    found = [*_lint_tokens(text), *_lint_tree(tree, text, pair), *_lint_imports(tree, path, pair)]
    for line, message in sorted(set(found)):
        yield f"{path}:{line}: {message}"


def _lint_tokens(text: str) -> Iterator[tuple[int, str]]:
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.end
        if token.type == tokenize.NAME:
            if token.string in ("async", "await"):
                following = lines[row - 1][column:]
                if not re.match(r" [^\s\\#]", following):
                    yield row, f"write one space and the operand after `{token.string}` (unasync drops the next token)"
            if token.string in REFUSED_IN_SOURCE:
                yield row, f"`{token.string}` does not survive the transformation: {REFUSED_IN_SOURCE[token.string]}"
        elif token.type == tokenize.STRING and _ASYNC_NAME.match(token.string[1:]) and not renames_of(token):
            # unasync takes the whole literal for a name: "AsyncFoo is closed" would become "SyncFoo is closed".
            yield token.start[0], f"a string that begins with {token.string[1:16]!r} would be rewritten: reword it"


def _lint_tree(tree: ast.Module, text: str, pair: Pair) -> Iterator[tuple[int, str]]:
    documentation = {id(node) for node in docstrings(tree)}
    in_fstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            in_fstrings.update(id(part) for part in ast.walk(node) if part is not node)
            if id(node) not in in_fstrings:
                yield from _lint_fstring(node, text)
        elif isinstance(node, ast.Raise) and _names_stop(node) and _in_generator(tree, node):
            yield node.lineno, "end a generator with `return`: StopIteration inside a generator is a RuntimeError"
        elif (
            pair.name == "src"
            and isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
            and id(node) not in in_fstrings
            and (match := _CODE_IN_TEXT.search(node.value))
        ):
            yield node.lineno, f"text that says {match.group()!r} is wrong in the blocking face: word it for both"


def _lint_fstring(node: ast.JoinedStr, text: str) -> Iterator[tuple[int, str]]:
    # Before 3.12 unasync sees an f-string as one token and leaves it alone; since 3.12 it rewrites the tokens inside,
    # and eats text that reads `await`. So nothing that it could touch may stand in one.
    segment = ast.get_source_segment(text, node) or ""
    touched = {"async", "await", *UNASYNC_RENAMES, *RENAMES} & set(re.findall(r"\w+", segment))
    for word in sorted(touched | set(_ASYNC_NAME.findall(segment))):
        yield node.lineno, f"`{word}` in an f-string: bind the value to a name first, or word the text for both faces"


def _names_stop(node: ast.Raise) -> bool:
    target = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(target, ast.Name) and target.id == "StopAsyncIteration"


def _in_generator(tree: ast.Module, wanted: ast.AST) -> bool:
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return any(
        wanted in own and any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in own)
        for own in (list(_own_nodes(function)) for function in functions)
    )


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield from _own_nodes(child)


def _lint_imports(tree: ast.Module, path: str, pair: Pair) -> Iterator[tuple[int, str]]:
    for line, module, level in _imports(tree, path, pair):
        yield from ((line, message) for message in _judge_import(module, level, pair))


def _imports(tree: ast.Module, path: str, pair: Pair) -> Iterator[tuple[int, str, int]]:
    """Line, absolute name and level of everything that a module imports; twinned tests have no package above theirs."""
    package = Path(path).with_suffix("").parts[1:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(filter(None, (base, node.module)))
            yield from ((node.lineno, f"{stem}.{alias.name}", node.level) for alias in node.names)


def imports_a_twin(text: str, path: str, pair: Pair) -> bool:
    """Whether this source imports a twinned sibling, so that the same text means another thing in its twin."""
    own = ".".join(Path(pair.source).parts[1:]) + "."
    return any(level and module.startswith(own) for _, module, level in _imports(ast.parse(text), path, pair))


def _judge_import(module: str, level: int, pair: Pair) -> Iterator[str]:
    for forbidden in FORBIDDEN_MODULES:
        if f"{module}.".startswith(f"{forbidden}."):
            yield f"import of {forbidden}: add what you need to both halves of the seam (_seam/_async.py and _sync.py)"
    head, _, rest = module.partition(".")
    if head != "llm_client":
        return
    floor = rest.partition(".")[0]
    if pair.name == "src" and not level:
        yield f"import of {module}: import our own modules relatively"
    elif pair.name == "src" and floor not in ("_async", "_core", "_seam"):
        yield f"import of {module}: this floor may import only _core, _seam and _async"
    elif pair.name == "tests" and floor not in TEST_IMPORTS_ALLOWED:
        yield f"import of {module}: a twinned test takes the face from `from support._async import face`"


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every bare string statement: docstrings of modules, classes and functions, and those that follow an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def lint_output(text: str, path: str, shift: int) -> Iterator[str]:
    """Say what is still asynchronous in a twin, with the line numbers of its source.

    Args:
        text: the twin.
        path: where its source stands.
        shift: how many lines the twin's header added.

    Raises:
        SyntaxError: the twin is not valid Python.
    """
    compile(text, path, "exec", dont_inherit=True)
    tree = ast.parse(text, path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)):
            yield f"{path}:{node.lineno - shift}: {type(node).__name__} is left in the twin"
        elif isinstance(node, ast.comprehension) and node.is_async:
            yield f"{path}:{node.target.lineno - shift}: an asynchronous comprehension is left in the twin"
    for docstring in docstrings(tree):
        if match := re.search(r"\bawait\b|\basyncio\b", str(docstring.value)):
            yield (
                f"{path}:{docstring.lineno - shift}: the docstring still says {match.group()!r} in the blocking face:"
                " word it for both (only `await call(...)` and `asyncio.run(...)` in examples are rewritten)"
            )
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and FORBIDDEN_IN_OUTPUT.fullmatch(token.string):
            was = re.sub(r"^Sync(?=[A-Z])", "Async", token.string)
            yield (
                f"{path}:{token.start[0] - shift}: `{was}` has no blocking name: add an entry to RENAMES in"
                " scripts/sync_rules.py, or move what needs it to the seam"
            )


def used_renames(text: str) -> set[str]:
    """Which entries of RENAMES this source makes use of."""
    return {name for token in tokenize.generate_tokens(io.StringIO(text).readline) for name in renames_of(token)}


def renames_of(token: tokenize.TokenInfo) -> set[str]:
    """Which entry applies to this token, as unasync sees it: a name, or a whole string literal in plain quotes."""
    if token.type == tokenize.NAME:
        return RENAMES.keys() & {token.string}
    if token.type == tokenize.STRING:
        return RENAMES.keys() & {token.string[1:-1]}
    return set()
