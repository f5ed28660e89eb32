"""What matching costs: the index against a loop, and what building the index takes.

    python bench/filters_bench.py [--counts 1,1000,10000] [--events 100000] [--loop]

Of the filters exactly one matches each event. Times are the best of five rounds.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable

from eventing.event import Event
from eventing.filters import Filter, FilterIndex, compile_filter


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


def mixed(number: int) -> Filter:
    return (exact, exact_pair, shared_type, prefix, suffix)[number % 5](number)


SHAPES: dict[str, Callable[[int], Filter]] = {
    "exact": exact,
    "exact x2": exact_pair,
    "all, one shared": shared_type,
    "prefix": prefix,
    "suffix": suffix,
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
        }
    )


def best(run: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost of matching one event against many filters.")
    parser.add_argument("--counts", default="1,1000,10000", help="numbers of filters, comma-separated")
    parser.add_argument("--events", type=int, default=100_000, help="events per round")
    parser.add_argument("--loop", action="store_true", help="also time a plain loop over the filters")
    options = parser.parse_args()
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
