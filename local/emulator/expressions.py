"""DynamoDB's expressions, read once each.

A service makes the same few hundred expressions all the time; moto reads each of them up to three times a request.
"""

import functools
import pickle
import re
from typing import Any

from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node
from moto.dynamodb.parsing.expressions import UpdateExpressionParser

_NAME = r"(:|#)?[A-z0-9\-_]+"
_WORDS = (
    (ConditionExpressionParser.Nonterminal.WHITESPACE, re.compile(r" +")),
    (ConditionExpressionParser.Nonterminal.COMPARATOR, re.compile(r"<>|<=|>=|=|<|>")),
    (ConditionExpressionParser.Nonterminal.OPERAND, re.compile(rf"{_NAME}(\.{_NAME}|\[[0-9]\])*")),
    (ConditionExpressionParser.Nonterminal.COMMA, re.compile(r",")),
    (ConditionExpressionParser.Nonterminal.LEFT_PAREN, re.compile(r"\(")),
    (ConditionExpressionParser.Nonterminal.RIGHT_PAREN, re.compile(r"\)")),
)
"""The words of a condition, by moto's own patterns."""


@functools.cache
def apply() -> None:
    """Replace the readers, once per process."""
    read = UpdateExpressionParser.make

    @functools.lru_cache(maxsize=1000)
    def make(expression: str) -> Any:
        # Nobody changes the tree: who walks it takes a copy, which is cheaper made from this.
        tree = read(expression)
        tree.written = pickle.dumps(tree)
        return tree

    UpdateExpressionParser.make = make
    copy = validators.deepcopy
    validators.deepcopy = lambda value: pickle.loads(value.written) if hasattr(value, "written") else copy(value)  # noqa: S301
    ConditionExpressionParser._lex_one_node = _read_word  # noqa: SLF001 - moto has no other way
    DepthFirstTraverser.traverse_node_recursively = _traverse


def _read_word(parser: Any, remaining: str) -> tuple[Any, str]:
    for nonterminal, pattern in _WORDS:
        match = pattern.match(remaining)
        if match:
            text = match.group()
            return parser.Node(nonterminal, parser.Kind.LITERAL, text, text, []), remaining[len(text) :]
    raise ValueError(f"Cannot parse condition starting at:{remaining}")


@functools.cache
def _is_node(kind: Any) -> bool:
    return issubclass(kind, Node)


@functools.cache
def _is_wanted(kind: Any, wanted: Any) -> bool:
    return issubclass(kind, wanted)


def _traverse(self: Any, node: Any, child_id: int = -1) -> Any:
    """Walk as moto does, but ask once what is looked for, and once for each kind of node."""
    if not _is_node(node.__class__):
        return node
    wanted = self.__dict__.get("_wanted")
    if wanted is None:
        wanted = self._wanted = self.nodes_to_be_processed()
    parent = node.parent
    for number, child in enumerate(node.children or ()):
        self.pre_processing_of_child(node, number)
        _traverse(self, child, number)
    if _is_wanted(node.__class__, wanted):
        node = self.process(node)
        node.parent = parent
        if parent:
            parent.children[child_id] = node
    return node
