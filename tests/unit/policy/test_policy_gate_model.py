"""The gate against a plain model: what it must never do, and that it always reopens."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eventing.policy.gate import FAILURES, FIRST_PAUSE, Gate
from eventing.policy.rate import TICKS, Rate


class Gates(RuleBasedStateMachine):
    """The model keeps what a person would write down: what runs, the longest hold, failures since the last success."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(1, breaker=True)
        self.now = 1000.0
        self.slots = 1
        self.breaker = True
        self.running = 0
        self.held = -math.inf
        self.paused = False
        self.row = 0
        # While the breaker is open or the ramp goes on: successes since, which bound how many may run.
        self.restricted_since: int | None = None
        self.open_until = -math.inf
        # When attempts started since the rate is what it is, but for the abandoned ones; and those under way, None before that.
        self.rate: Rate | None = None
        self.starts: list[float] = []
        self.under_way: list[float | None] = []

    @initialize(slots=st.integers(1, 70), breaker=st.booleans())
    def begin(self, slots: int, breaker: bool) -> None:
        self.gate = Gate(slots, breaker=breaker)
        self.slots, self.breaker = slots, breaker

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.gate.next_change(self.now) is not None)
    @rule()
    def wait_for_the_change(self) -> None:
        change = self.gate.next_change(self.now)
        assert change is not None
        assert change > self.now
        before = self.gate.allowed(self.now)
        assert self.gate.allowed((self.now + change) / 2) == before
        assert self.gate.allowed(math.nextafter(change, -math.inf)) == before
        self.now = change

    @rule(wanted=st.integers(1, 80))
    def start(self, wanted: int) -> None:
        allowed = self.gate.allowed(self.now)
        started = 0
        while started < wanted and self.gate.start(self.now):
            started += 1
        # `allowed` is exact: neither more nor fewer may start.
        assert started == min(wanted, allowed)
        self.running += started
        self.starts += [self.now] * started
        self.under_way += [self.now] * started

    @precondition(lambda self: self.running > 0)
    @rule(count=st.integers(1, 30))
    def succeed(self, count: int) -> None:
        for _ in range(min(count, self.running)):
            self.gate.succeeded(self.now)
            self.running -= 1
            self.under_way.pop(0)
            self.row = 0
            self.open_until = -math.inf
            if self.restricted_since is not None:
                self.restricted_since += 1

    @precondition(lambda self: self.running > 0)
    @rule(count=st.integers(1, 30))
    def fail(self, count: int) -> None:
        for _ in range(min(count, self.running)):
            open_before = self.gate.reason(self.now) == "breaker"
            self.gate.failed(self.now)
            self.running -= 1
            self.under_way.pop(0)
            self.row += 1
            opens = self.gate.reason(self.now) == "breaker" and not open_before
            if self.breaker and self.restricted_since is None and not self.paused and self.now >= self.held:
                # Never opened or paused before: it opens at the twentieth failure in a row, and not sooner.
                assert opens is (self.row == FAILURES)
            if self.breaker and self.restricted_since is None and self.row == FAILURES:
                opens = True
            if opens:
                assert self.breaker
                self.restricted_since = 0
                self.open_until = self.now + FIRST_PAUSE

    @precondition(lambda self: self.running > 0)
    @rule(newest=st.booleans())
    def abandon(self, newest: bool) -> None:
        self.gate.abandoned()
        self.running -= 1
        start = self.under_way.pop(-1 if newest else 0)
        if start is not None:
            self.starts.remove(start)

    @rule(per_second=st.none() | st.sampled_from([0.01, 1.0, 3.0, 40.0, 1000.0]))
    def limit(self, per_second: float | None) -> None:
        rate = None if per_second is None else Rate(per_second)
        if rate != self.rate:
            self.starts.clear()
            self.under_way = [None] * self.running
        self.gate.limit(rate, self.now)
        self.rate = rate

    @rule(seconds=st.floats(-5, 100))
    def hold(self, seconds: float) -> None:
        until = self.now + seconds
        self.gate.hold(until)
        self.held = max(self.held, until)

    @rule()
    def pause(self) -> None:
        self.gate.pause()
        self.paused = True

    @rule()
    def resume(self) -> None:
        self.gate.resume()
        if self.paused:
            self.row = 0
            self.open_until = -math.inf
            if self.breaker:
                self.restricted_since = 0
        self.paused = False

    @invariant()
    def counts_and_bounds(self) -> None:
        allowed = self.gate.allowed(self.now)
        assert self.gate.running == self.running
        assert allowed >= 0
        assert allowed + self.running <= max(self.slots, self.running)
        if self.paused or self.now < self.held or self.now < self.open_until:
            assert allowed == 0
            assert self.gate.reason(self.now) is not None
        if self.restricted_since is not None and allowed:
            # 1, 2, 4, ...: a limit of n takes at least n - 1 successes.
            limit = max(1, self.restricted_since + 1)
            if limit < self.slots:
                assert allowed + self.running <= limit
        elif not self.breaker and not self.paused and self.now >= self.held and self.rate is None:
            assert allowed or self.running

    @invariant()
    def keeps_to_the_rate(self) -> None:
        if self.rate is not None:
            for number, start in enumerate(self.starts):
                most = self.rate.burst + self.rate.per_second * (self.now - start + 1 / TICKS)
                assert len(self.starts) - number <= most

    @invariant()
    def never_stuck(self) -> None:
        """Nothing allowed and nothing running: then a moment is named, or a person must resume."""
        if self.gate.allowed(self.now) == 0 and self.running == 0 and not self.paused:
            change = self.gate.next_change(self.now)
            assert change is not None
            assert self.gate.allowed(change) >= 1

    def teardown(self) -> None:
        """From wherever it stands: once successes come, all slots come back."""
        self.gate.resume()
        self.gate.limit(None, self.now)
        while self.running:
            self.gate.succeeded(self.now)
            self.running -= 1
        for _ in range(10):
            self.now = self.gate.next_change(self.now) or self.now
            allowed = self.gate.allowed(self.now)
            assert allowed >= 1
            if allowed == self.slots:
                return
            for _ in range(allowed):
                assert self.gate.start(self.now)
            for _ in range(allowed):
                self.gate.succeeded(self.now)
        raise AssertionError("the slots did not come back")


Gates.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestGates = Gates.TestCase
