"""Asynchronous programs in their blocking form, as a user would write them for `llm_client.sync`."""

from __future__ import annotations

import ast
from typing import Any

_NAMES = {"AsyncIterator": "Iterator"}


def blocking_form(tree: ast.Module) -> ast.Module:
    """A program for `llm_client` as one for `llm_client.sync`; lines keep their numbers.

    Tools stay as they are: the blocking face runs tools of either colour.
    """
    changed = _Blocking().visit(tree)
    ast.fix_missing_locations(changed)
    assert isinstance(changed, ast.Module)
    return changed


class _Blocking(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [alias for alias in node.names if alias.name != "asyncio"]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        package, _, rest = (node.module or "").partition(".")
        if package == "llm_client":
            node.module = "llm_client.sync" + (f".{rest}" if rest else "")
        for alias in node.names:
            alias.name = _NAMES.get(alias.name, alias.name)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = _NAMES.get(node.id, node.id)
        return node

    def visit_Await(self, node: ast.Await) -> Any:
        return self.visit(node.value)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> Any:
        return self.generic_visit(_as(node, ast.For))

    def visit_AsyncWith(self, node: ast.AsyncWith) -> Any:
        return self.generic_visit(_as(node, ast.With))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        if any(isinstance(mark, ast.Name) and mark.id == "tool" for mark in node.decorator_list):
            return node
        return self.generic_visit(_as(node, ast.FunctionDef))

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        node.is_async = 0
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        if ast.unparse(node.func) == "asyncio.run":
            return self.visit(node.args[0])
        return self.generic_visit(node)


def _as(node: ast.AST, kind: type[ast.AST]) -> ast.AST:
    fields = {name: getattr(node, name) for name in node._fields}
    return ast.copy_location(kind(**fields), node)
