"""From an expression's text to its tree (CloudEvents SQL 1.0, section 2; precedence: section 3.6 and the ANTLR grammar).

From the tightest: function calls; NOT and unary `-`; LIKE and IN, which follow their operand; `*` `/` `%`; `+` `-`;
comparisons; AND, OR and XOR, which have one precedence. All associate to the left but AND, OR and XOR, which associate to
the right, as the grammar says. So `NOT type LIKE 'a%'` is `(NOT type) LIKE 'a%'`, and `a AND b OR c` is `a AND (b OR c)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from eventing.errors import InvalidFilter
from eventing.filters.cesql.lexer import KEYWORDS, Kind, Token, fault, tokens
from eventing.filters.cesql.tree import (
    Arithmetic,
    Call,
    Equality,
    Exists,
    Identifier,
    In,
    Like,
    Literal,
    Logic,
    Negate,
    Node,
    Not,
    Operator,
    Ordering,
    walk,
)
from eventing.filters.cesql.values import MAX_INTEGER, MIN_INTEGER

MAX_DEPTH = 50
"""How deep parentheses and operators may be nested. A run of one of AND, OR and XOR is one level, however long."""

MAX_NODES = 1024
"""How many operators, calls, attributes and literals an expression may have."""

_TOO_DEEP = f"an expression may be nested at most {MAX_DEPTH} deep"
_TOO_MANY = f"an expression may have at most {MAX_NODES} operators, function calls, attributes and literals"
_TOKENS_PER_NODE = 6

_NAME = re.compile(r"[A-Za-z0-9]+")
_FUNCTION = re.compile(r"[A-Za-z][A-Za-z_]*")
_DIGITS = re.compile(r"[0-9]+")
_LONGEST = len(str(MAX_INTEGER))

_LOGIC: Mapping[str, Operator] = {"AND": Operator.AND, "OR": Operator.OR, "XOR": Operator.XOR}
_EQUALITY: Mapping[str, bool] = {"=": False, "!=": True, "<>": True}
_COMPARISON, _SUM, _PRODUCT = 1, 2, 3
_LEVELS: Mapping[str, int] = {
    **dict.fromkeys(("=", "!=", "<>", "<", "<=", ">", ">="), _COMPARISON),
    **dict.fromkeys(("+", "-"), _SUM),
    **dict.fromkeys(("*", "/", "%"), _PRODUCT),
}


def parse(text: str) -> Node:
    """The expression as a tree no deeper than `MAX_DEPTH`. Raises `InvalidFilter`, without a path, naming the character."""
    root = _Parser(text).whole()
    depths = [depth for _, depth in walk(root)]
    if len(depths) > MAX_NODES:
        raise InvalidFilter(_TOO_MANY)
    if max(depths) > MAX_DEPTH:
        raise InvalidFilter(_TOO_DEEP)
    return root


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        # No tree is made of what is far too long: even with a sign, a comma and parentheses a node takes few tokens.
        if len(self._tokens) > _TOKENS_PER_NODE * MAX_NODES:
            raise InvalidFilter(_TOO_MANY)
        root = self._expression()
        if self._token.kind is not Kind.END:
            raise self._unexpected("an operator")
        return root

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _is(self, *words: str) -> bool:
        token = self._token
        return token.kind in (Kind.WORD, Kind.SYMBOL) and token.text in words

    def _expect(self, symbol: str) -> Token:
        if not self._is(symbol):
            raise self._unexpected(repr(symbol))
        return self._take()

    def _unexpected(self, wanted: str) -> InvalidFilter:
        return fault(self._text, self._token.start, f"expected {wanted}, found {self._token}")

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidFilter(_TOO_DEEP)
        operands = [self._binary(_COMPARISON)]
        operators: list[Operator] = []
        while self._is(*_LOGIC):
            operators.append(_LOGIC[self._take().text])
            operands.append(self._binary(_COMPARISON))
        self._depth -= 1
        node = operands.pop()
        while operators:
            # The last run of one operator, with what was made of all behind it as its last operand.
            run, operator = [node], operators[-1]
            while operators and operators[-1] is operator:
                operators.pop()
                run.append(operands.pop())
            run.reverse()
            node = Logic(run[0].start, node.end, operator, tuple(run))
        return node

    def _binary(self, lowest: int) -> Node:
        left = self._postfix()
        while True:
            level = _LEVELS.get(self._token.text, 0) if self._token.kind is Kind.SYMBOL else 0
            if level < lowest:
                return left
            symbol = self._take().text
            right = self._binary(level + 1)
            start, end = left.start, right.end
            if symbol in _EQUALITY:
                left = Equality(start, end, left, right, _EQUALITY[symbol])
            elif level == _COMPARISON:
                left = Ordering(start, end, Operator(symbol), left, right)
            else:
                left = Arithmetic(start, end, Operator(symbol), left, right)

    def _postfix(self) -> Node:
        node = self._unary()
        while self._is("NOT", "LIKE", "IN"):
            negated = self._is("NOT")
            if negated:
                self._take()
            if self._is("LIKE"):
                self._take()
                if self._token.kind is not Kind.STRING:
                    raise self._unexpected("a string literal as the pattern of LIKE")
                pattern = self._take()
                node = Like(node.start, pattern.end, node, _unquoted(pattern.text))
            elif self._is("IN"):
                self._take()
                self._expect("(")
                elements, end = self._list(empty=False)
                node = In(node.start, end, node, elements)
            else:
                raise self._unexpected("LIKE or IN")
            if negated:
                node = Not(node.start, node.end, node)
        return node

    def _unary(self) -> Node:
        signs: list[Token] = []
        while self._is("NOT", "-") and not self._is_signed():
            signs.append(self._take())
        node = self._primary()
        for sign in reversed(signs):
            node = (Not if sign.text == "NOT" else Negate)(sign.start, node.end, node)
        return node

    def _is_signed(self) -> bool:
        """Whether a sign stands here directly before digits, which makes them one literal."""
        sign, digits = self._tokens[self._next], self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        return self._is("+", "-") and digits.start == sign.end and _DIGITS.fullmatch(digits.text) is not None

    def _primary(self) -> Node:
        token = self._token
        if self._is_signed():
            self._take()
            return self._integer(token.start, token.text)
        if token.kind is Kind.STRING:
            self._take()
            return Literal(token.start, token.end, _unquoted(token.text))
        if self._is("("):
            self._take()
            node = self._expression()
            # With its parentheses, so that what is cut out of the text around it has both.
            return replace(node, start=token.start, end=self._expect(")").end)
        if self._is("TRUE", "FALSE"):
            self._take()
            return Literal(token.start, token.end, token.text == "TRUE")
        if self._is("EXISTS"):
            self._take()
            name = self._name("the name of an attribute")
            return Exists(token.start, self._tokens[self._next - 1].end, name)
        if token.kind is not Kind.WORD:
            raise self._unexpected("a value")
        if _DIGITS.fullmatch(token.text):
            return self._integer(token.start, "")
        following = self._tokens[self._next + 1]
        if following.kind is Kind.SYMBOL and following.text == "(":
            return self._call()
        name = self._name("a value")
        return Identifier(token.start, token.end, name)

    def _integer(self, start: int, sign: str) -> Node:
        token = self._take()
        digits = token.text.lstrip("0") or "0"
        number = int(sign + digits) if len(digits) <= _LONGEST else MAX_INTEGER + 1
        if not MIN_INTEGER <= number <= MAX_INTEGER:
            raise fault(self._text, start, f"an Integer has 32 bits: {MIN_INTEGER} to {MAX_INTEGER}")
        return Literal(start, token.end, number)

    def _name(self, wanted: str) -> str:
        token = self._token
        if token.kind is not Kind.WORD or token.text in KEYWORDS:
            raise self._unexpected(wanted)
        if not _NAME.fullmatch(token.text) or _DIGITS.fullmatch(token.text):
            raise fault(self._text, token.start, f"{token} is no attribute name (letters and digits, with at least one letter)")
        return self._take().text.lower()

    def _call(self) -> Node:
        token = self._token
        if token.text in KEYWORDS:
            raise self._unexpected("a value")
        if not _FUNCTION.fullmatch(token.text):
            raise fault(self._text, token.start, f"{token} is no function name (letters and underscores)")
        self._take()
        self._take()
        arguments, end = self._list(empty=True)
        return Call(token.start, end, token.text.upper(), arguments)

    def _list(self, *, empty: bool) -> tuple[tuple[Node, ...], int]:
        """What stands in parentheses, of which the first is taken, and the end of the last."""
        if empty and self._is(")"):
            return (), self._take().end
        found = [self._expression()]
        while self._is(","):
            self._take()
            found.append(self._expression())
        if not self._is(")"):
            raise self._unexpected("',' or ')'")
        return tuple(found), self._take().end


def _unquoted(text: str) -> str:
    """A string literal's value: only its own quote is escaped within it, every other backslash stands for itself."""
    quote = text[0]
    return text[1:-1].replace(f"\\{quote}", quote)
