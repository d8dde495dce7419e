"""What can be changed in a module, one small thing at a time.

Comparisons turned, `and` and `or` exchanged, their conditions dropped one by one,
conditions fixed, `not` dropped, numbers and truths moved, calls that stand alone left
out.  Docstrings, texts, annotations, decorators, log lines and arguments that decide
nothing (`strict=`, `slots=`) are left alone: what they say is not decided by a test.
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
_DECIDES_NOTHING = {
    "compare",
    "daemon",
    "exc_info",
    "frozen",
    "kw_only",
    "maxsize",
    "repr",
    "slots",
    "stacklevel",
    "strict",
}
_LOGS = {"debug", "info", "warning", "error", "exception", "critical"}
NOTHING = "pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change with this number in a module; `before` and `after` are in Python.

    first_line, last_line: of the statement it stands in, without the statements inside that.
    is_at_import: it is no part of a function's body, so no test alone runs it.
    """

    number: int
    line: int
    first_line: int
    last_line: int
    is_at_import: bool
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
    return ast.unparse(changed_tree(source, number))


def changed_tree(source: str, number: int) -> ast.Module:
    """The same, with the lines of the source.  Raises: IndexError, SyntaxError."""
    changer = _Changer(wanted=number)
    tree: ast.Module = changer.visit(ast.parse(source))  # type: ignore[assignment]
    if number >= len(changer.found):
        raise IndexError(number)
    return ast.fix_missing_locations(tree)


class _Changer(ast.NodeTransformer):
    """Numbers the places, and makes the wanted change."""

    def __init__(self, *, wanted: int | None) -> None:
        self.found: list[Change] = []
        self._wanted = wanted
        self._function_depth = 0
        self._lines = (0, 0)

    def visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, ast.stmt):
            return super().visit(node)  # type: ignore[no-any-return]
        outer, self._lines = self._lines, _own_lines(node)
        try:
            return super().visit(node)  # type: ignore[no-any-return]
        finally:
            self._lines = outer

    def _is_wanted(self, node: ast.AST, before: ast.AST, after: str) -> bool:
        number = len(self.found)
        first, last = self._lines
        change = Change(
            number=number,
            line=getattr(node, "lineno", first),
            first_line=first,
            last_line=last,
            is_at_import=not self._function_depth,
            before=ast.unparse(before),
            after=after,
        )
        self.found.append(change)
        return number == self._wanted

    def _offer(self, node: ast.expr, other: ast.expr) -> ast.expr:
        ast.copy_location(other, node)
        return other if self._is_wanted(node, node, ast.unparse(other)) else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        answer: ast.expr = node
        for place, operator in enumerate(node.ops):
            turned = _TURNED.get(type(operator))
            if turned is not None and answer is node:
                operators = [*node.ops[:place], turned(), *node.ops[place + 1 :]]
                other = ast.Compare(left=node.left, ops=operators, comparators=node.comparators)
                answer = self._offer(node, other)
        return answer

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        operator = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        answer = self._offer(node, ast.BoolOp(op=operator, values=node.values))
        for place in range(len(node.values)):
            if answer is node:
                values = node.values[:place] + node.values[place + 1 :]
                alone = values[0] if len(values) == 1 else ast.BoolOp(op=node.op, values=values)
                answer = self._offer(node, alone)
        return answer

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return self._offer(node, node.operand) if isinstance(node.op, ast.Not) else node

    def visit_If(self, node: ast.If) -> ast.AST:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return node
        self.generic_visit(node)
        node.test = self._fixed(node.test, True, False)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.test, ast.Constant):
            node.test = self._fixed(node.test, False)  # for ever is found by any test
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        node.test = self._fixed(node.test, True, False)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs = [self._fixed(test, True) for test in node.ifs]
        return node

    def _fixed(self, test: ast.expr, *truths: bool) -> ast.expr:
        answer = test
        for truth in truths:
            constant = ast.Constant(value=truth)
            answer = self._offer(test, constant) if answer is test else answer
        return answer

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            return self._offer(node, ast.Constant(value=not node.value))
        if isinstance(node.value, int | float):
            return self._offer(node, ast.Constant(value=node.value + 1))
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if not isinstance(call, ast.Call) or _does_nothing(call):
            return node
        self.generic_visit(node)
        wanted = self._is_wanted(node, node, NOTHING)
        return ast.copy_location(ast.Pass(), node) if wanted else node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        return node if node.arg in _DECIDES_NOTHING else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)  # type: ignore[assignment]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [self.visit(statement) for statement in node.body]  # type: ignore[misc]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.args = self.visit(node.args)  # type: ignore[assignment]
        self._function_depth += 1
        node.body = [self.visit(statement) for statement in node.body]  # type: ignore[misc]
        self._function_depth -= 1
        return node


def _own_lines(node: ast.stmt) -> tuple[int, int]:
    """First and last line of a statement, without the statements inside it."""
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
    return node.lineno, max(node.lineno, last)


def _does_nothing(call: ast.Call) -> bool:
    """A log line, or what only a type checker reads."""
    if isinstance(call.func, ast.Name):
        return call.func.id == "assert_never"
    return isinstance(call.func, ast.Attribute) and call.func.attr in _LOGS
