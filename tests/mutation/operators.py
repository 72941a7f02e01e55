"""Small faults put into a module, one at a time: what ``tests.mutation.run`` asks the tests to find.

Of a module's syntax tree these places are changed, and nothing else: comparisons, arithmetic and set operators,
``not``, ``~`` and minus, ``and`` and ``or``, conditions turned round, numbers, truth values and strings, ``return`` of
None, a statement left out (a call, an assignment to an item, an update in place, a ``raise``), the first two arguments
of a call swapped, and a named argument left out.

Left alone are annotations, docstrings, decorators, the wording of errors and of log lines, ``strict`` of ``zip``
(a net below code that keeps the lengths equal) and ``encoding`` (its default is the same on every tested machine).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

COMPARISONS: dict[type, type] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
}  # fmt: skip
LOOKALIKES = {"nearest-exact": "nearest", "left": "right", "mean": "sum", "sum": "mean"}


class Mutation(NamedTuple):
    """A node of the tree and what stands in its place."""

    line: int
    before: str
    after: str
    owner: ast.AST
    field: str
    index: int | None
    node: ast.AST

    def __str__(self) -> str:
        return f"line {self.line}: {self.before} -> {self.after}"

    def compiled(self, tree: ast.Module, path: str) -> Any:
        """The module's code with this mutation; the tree is as before afterwards."""
        holder: Any = getattr(self.owner, self.field)
        if self.index is None:
            setattr(self.owner, self.field, self.node)
        else:
            kept, holder[self.index] = holder[self.index], self.node
        try:
            return compile(tree, path, "exec", dont_inherit=True)
        finally:
            if self.index is None:
                setattr(self.owner, self.field, holder)
            else:
                holder[self.index] = kept


def find_mutations(tree: ast.Module, left_out: Collection[str] = ()) -> list[Mutation]:
    """Every mutation of a module but for the functions and classes named in ``left_out``, in the order of its lines."""
    return sorted(_below(tree, left_out), key=lambda mutation: mutation.line)


def _below(owner: ast.AST, left_out: Collection[str]) -> Iterator[Mutation]:
    for field, value in ast.iter_fields(owner):
        if field in ("annotation", "returns", "decorator_list", "ctx", "op", "ops"):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_left_alone(node, left_out):
                continue
            for after in _variants(node):
                ast.fix_missing_locations(ast.copy_location(after, node))
                line = getattr(node, "lineno", None) or node.value.lineno  # type: ignore[attr-defined]
                yield Mutation(line, _text(node), _text(after), owner, field, index, after)
            if isinstance(node, ast.Raise):  # its condition is the parent's, its words are no number
                continue
            yield from _below(node, left_out)


def _is_left_alone(node: ast.AST, left_out: Collection[str]) -> bool:
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return node.name in left_out
        case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logger" | "warnings")))):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "logger")]) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Literal" | "NDArray" | "dict"))):
            return True
        case ast.keyword():
            return node.arg in ("strict", "encoding")
    return False


def _variants(node: Any) -> Iterator[Any]:
    yield from _other_operators(node)
    match node:
        case ast.Constant():
            yield from (ast.Constant(value) for value in _other_values(node.value))
        case ast.If() | ast.IfExp() | ast.While() if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            yield _changed(node, test=ast.UnaryOp(ast.Not(), copy.deepcopy(node.test)))
        case ast.Return() if node.value is not None and not _is_none(node.value):
            yield ast.Return(ast.Constant(None))
        case ast.Call():
            yield from _other_calls(node)
    if _can_be_left_out(node):
        yield ast.Pass()


def _other_operators(node: Any) -> Iterator[Any]:
    match node:
        case ast.Compare():
            for place, op in enumerate(node.ops):
                yield _changed(node, ops=[*node.ops[:place], COMPARISONS[type(op)](), *node.ops[place + 1 :]])
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC:
            yield _changed(node, op=ARITHMETIC[type(node.op)]())
        case ast.UnaryOp(operand=operand):
            yield copy.deepcopy(operand)
        case ast.BoolOp():
            yield _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())


def _other_values(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value * 1000 if 0 < abs(value) < 1e-2 else value + 1
    elif isinstance(value, str):
        yield LOOKALIKES.get(value, f"XX{value}XX")


def _other_calls(node: ast.Call) -> Iterator[ast.Call]:
    first = node.args[:2]
    if len(first) == 2 and not any(isinstance(argument, ast.Starred) for argument in first):
        yield _changed(node, args=[first[1], first[0], *node.args[2:]])
    for place, keyword in enumerate(node.keywords):
        if keyword.arg not in ("strict", "encoding", None):
            yield _changed(node, keywords=[*node.keywords[:place], *node.keywords[place + 1 :]])


def _can_be_left_out(node: ast.AST) -> bool:
    match node:
        case ast.Raise() | ast.AugAssign() | ast.Expr(value=ast.Call()):
            return True
        case ast.Assign(targets=[ast.Subscript()]):
            return True
    return False


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _changed(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:87]}..."
