"""Metric math: arithmetic of series and numbers, point by point, and FILL; anything else is refused, never guessed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from datetime import datetime

Series = dict[datetime, float]
Operand = Series | float

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class UnsupportedExpression(ValueError):
    """An expression that is malformed, or beyond what the lab evaluates."""


def evaluate(expression: str, series: Mapping[str, Series]) -> Series:
    """The series of an expression over the other queries' series, by their ids.

    A point exists where every series of the expression has one; a division by zero leaves no point, as in CloudWatch.
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise UnsupportedExpression(f"cannot parse {expression!r}") from error
    result = _evaluate(tree.body, series)
    if not isinstance(result, dict):
        raise UnsupportedExpression(f"{expression!r} is a number, not a time series")
    return result


def _evaluate(node: ast.AST, series: Mapping[str, Series]) -> Operand:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Name):
        if node.id not in series:
            raise UnsupportedExpression(f"no query has the id {node.id!r}")
        return series[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _combine(operator.sub, 0.0, _evaluate(node.operand, series))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _combine(_OPERATORS[type(node.op)], _evaluate(node.left, series), _evaluate(node.right, series))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "FILL":
        return _fill(node, series)
    raise UnsupportedExpression(f"the lab does not evaluate {ast.unparse(node)!r}")


def _combine(function: Callable[[float, float], float], left: Operand, right: Operand) -> Operand:
    if isinstance(left, float) and isinstance(right, float):
        if function is operator.truediv and right == 0:
            raise UnsupportedExpression("division of a number by zero")
        return function(left, right)
    moments = [set(operand) for operand in (left, right) if isinstance(operand, dict)]
    result: Series = {}
    for moment in set.intersection(*moments):
        values = [operand[moment] if isinstance(operand, dict) else operand for operand in (left, right)]
        if function is not operator.truediv or values[1] != 0:
            result[moment] = function(*values)
    return result


def _fill(node: ast.Call, series: Mapping[str, Series]) -> Series:
    """FILL(series, number): the number wherever another series has a point and this one has none."""
    arguments = [_evaluate(argument, series) for argument in node.args]
    filled, value = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(filled, dict) or not isinstance(value, float):
        raise UnsupportedExpression("the lab evaluates FILL with a series and a number only")
    moments = set().union(*series.values())
    return {moment: filled.get(moment, value) for moment in moments}
