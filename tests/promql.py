"""As much of PromQL as our alerts use, evaluated on two scrapes: the expressions are parsed by a real parser.

The older scrape counts as taken five minutes before the newer one, whenever it was.
"""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Scrape = Mapping[str, Vector]
WINDOW_S = 300.0

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "/": lambda a, b: a / b if b else float("nan"),
    "*": operator.mul,
    "-": operator.sub,
    "+": operator.add,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "!=": operator.ne,
}  # fmt: skip
KINDS = {
    "NumberLiteral": "_number", "ParenExpr": "_paren", "VectorSelector": "_vector", "AggregateExpr": "_aggregate",
    "Call": "_call", "BinaryExpr": "_binary",
}  # fmt: skip
TOGETHER: dict[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min}


def read(exposition: str) -> Scrape:
    """Read what /metrics answered."""
    found: dict[str, Vector] = defaultdict(dict)
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found[sample.name][frozenset(sample.labels.items())] = sample.value
    return found


def names(expression: str) -> set[str]:
    """Name the metrics of an expression. Raises `ValueError` for what is no PromQL."""
    return {selector.name for selector in selectors(expression)}


def selectors(expression: str) -> list[Any]:
    """List the selectors of an expression."""
    found: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def select(selector: Any, scrape: Scrape) -> Vector:
    """Select from one scrape."""
    return {
        labels: value
        for labels, value in scrape.get(selector.name, {}).items()
        if all(_matches(matcher, dict(labels).get(matcher.name, "")) for matcher in selector.matchers.matchers)
    }


def _matches(matcher: Any, value: str) -> bool:
    kind = str(matcher.op).rpartition(".")[2]
    if kind in ("Equal", "NotEqual"):
        return (value == matcher.value) == (kind == "Equal")
    return (re.fullmatch(matcher.value, value) is not None) == (kind == "Re")


class Evaluator:
    """Evaluate an expression between two scrapes."""

    def __init__(self, before: Scrape, after: Scrape) -> None:
        self._before = before
        self._after = after

    def fires(self, expression: str) -> Vector:
        """Return what an alert of this expression would fire for; empty when it would not."""
        found = self._of(promql_parser.parse(expression))
        assert isinstance(found, dict)
        return found

    def _of(self, node: Any) -> Any:
        return getattr(self, KINDS[type(node).__name__])(node)

    def _number(self, node: Any) -> float:
        return float(node.val)

    def _paren(self, node: Any) -> Any:
        return self._of(node.expr)

    def _vector(self, node: Any) -> Vector:
        return select(node, self._after)

    def _aggregate(self, node: Any) -> Vector:
        kept = set(node.modifier.labels) if node.modifier else set()
        groups: dict[Labels, list[float]] = defaultdict(list)
        for labels, value in self._of(node.expr).items():
            groups[frozenset(one for one in labels if one[0] in kept)].append(value)
        return {labels: TOGETHER[str(node.op)](values) for labels, values in groups.items()}

    def _call(self, node: Any) -> Any:
        return getattr(self, f"_call_{node.func.name}")(*node.args)

    def _call_absent(self, argument: Any) -> Vector:
        return {} if self._of(argument) else {frozenset(): 1.0}

    def _pairs(self, argument: Any) -> Iterator[tuple[Labels, float, float]]:
        before = select(argument.vector_selector, self._before)
        for labels, value in select(argument.vector_selector, self._after).items():
            yield labels, before.get(labels, 0.0), value

    def _call_rate(self, argument: Any) -> Vector:
        return {labels: max(0.0, new - old) / WINDOW_S for labels, old, new in self._pairs(argument)}

    def _call_delta(self, argument: Any) -> Vector:
        return {labels: new - old for labels, old, new in self._pairs(argument)}

    def _call_min_over_time(self, argument: Any) -> Vector:
        return {labels: min(old, new) for labels, old, new in self._pairs(argument)}

    def _call_histogram_quantile(self, share: Any, argument: Any) -> Vector:
        groups: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
        for labels, count in self._of(argument).items():
            rest = frozenset(one for one in labels if one[0] != "le")
            groups[rest].append((float(dict(labels)["le"]), count))
        return {labels: _quantile(share.val, sorted(buckets)) for labels, buckets in groups.items()}

    def _binary(self, node: Any) -> Any:
        left, right, sign = self._of(node.lhs), self._of(node.rhs), str(node.op)
        if sign == "and":
            return left if right else {}
        if sign in COMPARISONS:
            return {labels: value for labels, value in left.items() if COMPARISONS[sign](value, right)}
        return {labels: ARITHMETIC[sign](value, right[labels]) for labels, value in left.items() if labels in right}


def _quantile(share: float, buckets: list[tuple[float, float]]) -> float:
    """Name the bound of the bucket in which the quantile lies; Prometheus would go on within it."""
    wanted = share * buckets[-1][1]
    bounds = [bound for bound, count in buckets if count >= wanted]
    return bounds[0] if buckets[-1][1] else float("nan")
