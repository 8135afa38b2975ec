"""The value of a field's last bit, as it is written: `2*pi/144`, exactly as float64 has it."""

from __future__ import annotations

import ast
import math
import operator
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from keras_ae.errors import InputError

_OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class LastBit:
    """What one unit of a hardware value is worth, in the unit of its field.

    `text` is an expression of numbers, `pi`, `+ - * / **` and parentheses; `value` is what it
    gives in float64, by Python's rules.

    Raises:
        InputError: another expression, or one whose value is not positive and finite.
    """

    text: str

    def __post_init__(self) -> None:
        value = self.value
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"last_bit must be positive and finite, got {self.text}")

    @property
    def value(self) -> float:
        """In float64."""
        try:
            return float(_value_of(ast.parse(self.text, mode="eval").body))
        except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise InputError(
                "last_bit must be a number, or an expression of numbers and pi such as 2*pi/144, "
                f"got {self.text!r}"
            ) from error

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, given: Any) -> LastBit:
        """Of an expression, or of a number."""
        if isinstance(given, LastBit):
            return given
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        return cls(repr(given) if is_number else str(given))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In YAML it is its text."""
        return core_schema.no_info_plain_validator_function(
            cls.of, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


def _value_of(node: ast.AST) -> float:
    """Of an expression of numbers, and of nothing else that Python knows."""
    number = node.value if isinstance(node, ast.Constant) else None
    if isinstance(number, int | float) and not isinstance(number, bool):
        return float(number)
    if isinstance(node, ast.Name) and node.id == "pi":
        return math.pi
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value_of(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        found = _OPERATORS[type(node.op)](_value_of(node.left), _value_of(node.right))
        return float(found)
    raise ValueError(ast.dump(node))
