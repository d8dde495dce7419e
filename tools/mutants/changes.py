"""What can be changed in a module, one small thing at a time.

Comparisons turned, `and` and `or` exchanged, conditions fixed, `not` dropped,
numbers and truths moved.  Docstrings, texts and annotations are left alone: what
they say is not decided by a test.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change with this number in a module; `before` and `after` are expressions."""

    number: int
    line: int
    before: str
    after: str


def changes_in(source: str) -> list[Change]:
    """Every change that can be made, in the order of the text.

    source: a module of Python.  Raises: SyntaxError.
    """
    finder = _Changer(wanted=None)
    finder.visit(ast.parse(source))
    return finder.found


def changed(source: str, number: int) -> str:
    """The module with that one change: without its comments, the same otherwise.

    Raises: IndexError where there is no such change.
    """
    changer = _Changer(wanted=number)
    tree = changer.visit(ast.parse(source))
    if number >= len(changer.found):
        raise IndexError(number)
    return ast.unparse(ast.fix_missing_locations(tree))


class _Changer(ast.NodeTransformer):
    """Numbers the places, and makes the wanted change."""

    def __init__(self, *, wanted: int | None) -> None:
        self.found: list[Change] = []
        self._wanted = wanted

    def _offer(self, node: ast.expr, other: ast.expr) -> ast.expr:
        number = len(self.found)
        before, after = ast.unparse(node), ast.unparse(other)
        self.found.append(Change(number=number, line=node.lineno, before=before, after=after))
        return other if number == self._wanted else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        turned = _TURNED.get(type(node.ops[0]))
        if len(node.ops) != 1 or turned is None:
            return node
        other = ast.Compare(left=node.left, ops=[turned()], comparators=node.comparators)
        return self._offer(node, ast.copy_location(other, node))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        operator = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        other = ast.BoolOp(op=operator, values=node.values)
        return self._offer(node, ast.copy_location(other, node))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return self._offer(node, node.operand) if isinstance(node.op, ast.Not) else node

    def visit_If(self, node: ast.If) -> ast.AST:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return node
        self.generic_visit(node)
        node.test = self._fixed(node.test)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        node.test = self._fixed(node.test)
        return node

    def _fixed(self, test: ast.expr) -> ast.expr:
        answer = test
        for truth in (True, False):
            constant = ast.copy_location(ast.Constant(value=truth), test)
            answer = self._offer(test, constant) if answer is test else answer
        return answer

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            other = ast.Constant(value=not node.value)
        elif isinstance(node.value, int | float):
            other = ast.Constant(value=node.value + 1)
        else:
            return node
        return self._offer(node, ast.copy_location(other, node))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.args = self.visit(node.args)
        node.body = [self.visit(statement) for statement in node.body]
        return node
