"""What matching costs: the index against a loop, and what building the index takes.

    python bench/filters_bench.py [--counts 1,1000,10000] [--events 100000] [--loop] [--expression TEXT]

Of the filters exactly one matches each event. Times are the best of five rounds. With `--expression` one CESQL expression is
timed instead, compiled and by the naive evaluator of the tests.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import reduce
from pathlib import Path

from eventing.event import Event
from eventing.filters import Cesql, Filter, FilterIndex, compile_filter
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
    Ordering,
)


def exact(number: int) -> Filter:
    return compile_filter(None, {"type": f"com.example.order.{number}"})


def exact_pair(number: int) -> Filter:
    return compile_filter([{"exact": {"type": f"com.example.order.{number}", "source": "/shop/7"}}], None)


def shared_type(number: int) -> Filter:
    return compile_filter([{"exact": {"specversion": "1.0"}}, {"exact": {"type": f"com.example.order.{number}"}}], None)


def prefix(number: int) -> Filter:
    return compile_filter([{"prefix": {"subject": f"/customer/{number}/"}}], None)


def suffix(number: int) -> Filter:
    return compile_filter([{"suffix": {"type": f".order.{number}"}}], None)


def cesql(number: int) -> Filter:
    return compile_filter([{"cesql": f"type = 'com.example.order.{number}' AND priority > 4"}], None)


def cesql_like(number: int) -> Filter:
    return compile_filter([{"cesql": f"EXISTS priority AND subject LIKE '/customer/{number}/%'"}], None)


def mixed(number: int) -> Filter:
    return (exact, exact_pair, shared_type, prefix, suffix, cesql, cesql_like)[number % 7](number)


SHAPES: dict[str, Callable[[int], Filter]] = {
    "exact": exact,
    "exact x2": exact_pair,
    "all, one shared": shared_type,
    "prefix": prefix,
    "suffix": suffix,
    "cesql": cesql,
    "cesql LIKE": cesql_like,
    "mixed": mixed,
}


def event(number: int) -> Event:
    return Event(
        {
            "specversion": "1.0",
            "id": "8f14e45f-ceea-467f-a0e6-b8a3c3a1c2d3",
            "source": "/shop/7",
            "type": f"com.example.order.{number}",
            "datacontenttype": "application/json",
            "time": "2026-01-01T00:00:00Z",
            "subject": f"/customer/{number}/order",
            "priority": 5,
        }
    )


def best(run: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def one_expression(text: str, events: int) -> None:
    """What one evaluation costs, against the evaluator that the tests compare with."""
    # The repository's root isn't on the path of a script in this folder.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.unit.cesql.naive import Expression, evaluate  # noqa: PLC0415

    filter_, happened = Cesql.compile(text), event(1)
    tree: Expression = _as_tuples(filter_.expression.root)
    attributes = happened.attributes
    assert filter_.matches(happened) is (evaluate(tree, attributes) == (True, None))

    def compiled() -> None:
        matches = filter_.matches
        for _ in range(events):
            matches(happened)

    def naive() -> None:
        for _ in range(events):
            evaluate(tree, attributes)

    build = best(lambda: Cesql.compile(text), 3)
    fast, slow = best(compiled) / events, best(naive) / events
    sys.stdout.write(f"compiled {fast * 1e6:.2f} us, naive {slow * 1e6:.2f} us, compiling it {build * 1e6:.0f} us\n")


def _as_tuples(node: Node) -> tuple[object, ...]:
    """The naive evaluator's form of a tree."""
    match node:
        case Literal(value=value):
            return ("literal", value)
        case Identifier(name=name):
            return ("attribute", name)
        case Exists(name=name):
            return ("exists", name)
        case Not(operand=operand):
            return ("NOT", _as_tuples(operand))
        case Negate(operand=operand):
            return ("minus", _as_tuples(operand))
        case Logic(operator=operator, operands=operands):
            parts = [_as_tuples(operand) for operand in operands]
            return reduce(lambda right, left: (operator.value, left, right), reversed(parts[:-1]), parts[-1])
        case Equality(left=left, right=right, negated=negated):
            return ("!=" if negated else "=", _as_tuples(left), _as_tuples(right))
        case Ordering(operator=operator, left=left, right=right) | Arithmetic(operator=operator, left=left, right=right):
            return (operator.value, _as_tuples(left), _as_tuples(right))
        case Like(operand=operand, pattern=pattern):
            return ("LIKE", _as_tuples(operand), pattern)
        case In(operand=operand, elements=elements):
            return ("IN", _as_tuples(operand), [_as_tuples(element) for element in elements])
        case Call(name=name, arguments=arguments):
            return ("call", name, [_as_tuples(argument) for argument in arguments])
        case _:
            raise TypeError(type(node).__name__)


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost of matching one event against many filters.")
    parser.add_argument("--counts", default="1,1000,10000", help="numbers of filters, comma-separated")
    parser.add_argument("--events", type=int, default=100_000, help="events per round")
    parser.add_argument("--loop", action="store_true", help="also time a plain loop over the filters")
    parser.add_argument("--expression", help="time this CESQL expression alone")
    options = parser.parse_args()
    if options.expression is not None:
        one_expression(options.expression, options.events)
        return 0
    write = sys.stdout.write
    write(
        f"{'filters':>8}  {'shape':<16} {'match us':>9} {'build ms':>9} {'index KiB':>10}"
        + ("   loop us\n" if options.loop else "\n")
    )
    for count in (int(part) for part in options.counts.split(",")):
        for name, shape in SHAPES.items():
            items = [(number, shape(number)) for number in range(count)]
            happened = event(count // 2)
            tracemalloc.start()
            index = FilterIndex(items)
            memory = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            if index.match(happened) != [count // 2]:
                parser.error(f"{name}: the index does not find the one filter")

            def match(index: FilterIndex[int] = index, happened: Event = happened) -> None:
                find = index.match
                for _ in range(options.events):
                    find(happened)

            build = best(lambda items=items: FilterIndex(items), 3)  # type: ignore[misc]
            took = best(match) / options.events
            write(f"{count:>8}  {name:<16} {took * 1e6:>9.2f} {build * 1e3:>9.1f} {memory / 1024:>10.0f}")
            if options.loop:

                def loop(items: list[tuple[int, Filter]] = items, happened: Event = happened) -> list[int]:
                    return [key for key, filter_ in items if filter_.matches(happened)]

                write(f" {best(loop) * 1e6:>9.1f}")
            write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
