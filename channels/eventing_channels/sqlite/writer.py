"""The writer thread: takes what waits, runs it in one transaction, commits, and hands the outcomes back (DATAPATH, "SQLite").

It alone writes and checkpoints. An error of the disk fails what was in the transaction; then the file is closed and opened
again and what it holds is read afresh, for nobody knows what such a commit did. It is never repeated.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence

from eventing.errors import ChannelClosed, ChannelCorrupt, ChannelError, ChannelFull, ChannelUnavailable
from eventing.ports.channel import ChannelContext
from eventing_channels.clock import Clock
from eventing_channels.sqlite import books as books_module
from eventing_channels.sqlite import database, failures, leases
from eventing_channels.sqlite.failures import Kind
from eventing_channels.sqlite.jobs import Job, JobQueue, end_future
from eventing_channels.sqlite.log import Append, append_all, append_alone, is_one_statement
from eventing_channels.sqlite.opening import open_writer
from eventing_channels.sqlite.outcomes import Outcomes, Published
from eventing_channels.sqlite.ownership import Ownership
from eventing_channels.sqlite.settings import Settings
from eventing_channels.sqlite.settle import Settle
from eventing_channels.sqlite.space import Space
from eventing_channels.sqlite.status import Status
from eventing_channels.sqlite.steps import passed
from eventing_channels.sqlite.transaction import Refusal, Transaction
from eventing_channels.sqlite.upkeep import Upkeep
from eventing_channels.sqlite.wal import WriteAheadLog


class Writer:
    """``publish``: see `Outcomes`. ``resync``: on the event loop, after the file was opened again, each broker's last position.
    ``lost``: on the event loop, why the file was given up. `start` to `stop` belong to the event loop, all below them to the
    thread."""

    def __init__(
        self,
        settings: Settings,
        context: ChannelContext,
        publish: Callable[[Published], None],
        resync: Callable[[Mapping[str, int]], None],
        lost: Callable[[ChannelError], None],
        ownership: Ownership,
    ) -> None:
        self._ownership, self._lost = ownership, lost
        self._settings, self._context = settings, context
        self._resync = resync
        self._space = Space(settings.path, settings.min_free, settings.ballast)
        self._wal = WriteAheadLog(settings.checkpoint_bytes, settings.wal_limit)
        self.status = Status(settings.path, self._space, self._wal)
        self.queue = JobQueue(settings.queue_bytes)
        self._outcomes = Outcomes(publish, self.queue)
        self._thread = threading.Thread(target=self._run, name="eventing-sqlite-writer", daemon=True)
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection: sqlite3.Connection | None = None
        self._file_id = ""

    clock: Clock
    books: books_module.Books
    _upkeep: Upkeep

    async def start(self, timeout: float) -> None:
        """Open the file in the thread. Raises what `database` raises. Where it is cancelled, the thread ends first: until then
        nobody else may open the file. It has ``timeout`` seconds for that."""
        self._thread.start()
        try:
            await asyncio.shield(self._started)
        except asyncio.CancelledError:
            self.queue.close()
            await asyncio.wait([self._ended], timeout=timeout)
            raise

    @property
    def ended(self) -> bool:
        """Whether the thread is done with the file."""
        return self._ended.done()

    async def stop(self, timeout: float) -> None:
        """Write what waits, close the file, end the thread. Raises `ChannelUnavailable` where the disk doesn't answer in time."""
        self.queue.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), timeout)
        except TimeoutError:
            raise ChannelUnavailable(f"{self._settings.path}: the disk doesn't answer, the file isn't closed") from None
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._open_first()
        except BaseException as error:  # noqa: BLE001 (handed to the one who waits)
            self._close_connection()
            self._outcomes.tell(end_future, self._started, failures.translate(error, self._settings.path), self._ended)
            return
        self._outcomes.tell(end_future, self._started)
        try:
            self._serve()
        finally:
            self._outcomes.refuse(self.queue.take_all(), ChannelClosed("the channel is closed"))
            self._close_connection()
            self._outcomes.tell(end_future, self._ended)

    def _open_first(self) -> None:
        database.inspect(self._settings.path)
        connection = self._connection = open_writer(self._settings.path, self._space, self._context.log, fresh=True)
        self._ownership.opened()
        self._file_id = database.file_id(connection)
        leases.void_all(connection)
        self.books = books_module.load(connection)
        self.clock = Clock(self._context.wall, self.books.clock)
        self._upkeep = Upkeep(self._settings, self._space, self._wal, self.clock)
        self._space.check(force=True)

    def _serve(self) -> None:
        while True:
            batch = self.queue.take(self._upkeep.pause(self.books))
            if not batch and self.queue.closed:
                if self._connection is not None:
                    self._attempt([], upkeep=True)
                return
            try:
                self._process(batch)
                self._keep_up(idle=not batch)
            except Exception as error:  # noqa: BLE001 (an unforeseen fault must neither end the thread nor leave anyone waiting)
                self._outcomes.refuse(
                    [job for job in batch if not job.handed_back], ChannelUnavailable("an unforeseen fault; nothing is known")
                )
                self._context.log("SQLite writer failed", {"error": failures.name(error)})
                self._recover(error)

    def _process(self, batch: Sequence[Job]) -> None:
        if self._connection is None:
            self._outcomes.refuse(batch, self.status.unusable() or ChannelClosed("the channel is closed"))
            return
        if writing := [job for job in batch if job.writes]:
            self._attempt(writing)
        looking = [job for job in batch if not job.writes]
        looked, fault = 0, None
        while looked < len(looking) and self._connection is not None and fault is None:
            fault = self._look(self._connection, looking[looked])
            looked += 1
        # The file may be away for long: nobody of this batch waits for that.
        self._outcomes.hand_back(looking[:looked])
        self._outcomes.refuse(looking[looked:], self.status.unusable() or ChannelUnavailable("the file is opened again"))
        if fault is not None:
            self._recover(fault)

    def _transaction(self, connection: sqlite3.Connection) -> Transaction:
        return Transaction(connection, self.books, self.clock.now(), self._context.fault, self._context.log)

    def _look(self, connection: sqlite3.Connection, job: Job) -> Exception | None:
        """Run what needs no transaction; returns an error after which the file has to be opened again."""
        try:
            job.outcome = job.run(self._transaction(connection))
        except Refusal as refusal:
            job.error = refusal.error
        except Exception as error:  # noqa: BLE001 (it belongs to the one who asked)
            job.error = failures.translate(error, self._settings.path)
            if failures.classify(error) is Kind.CORRUPT:
                self._break(error)
            return error if failures.classify(error) is Kind.IO else None
        return None

    def _attempt(self, jobs: Sequence[Job], *, upkeep: bool = False, reserve: bool = False) -> None:
        """Run jobs in one transaction and hand them back. ``reserve``: the disk was full and the ballast is given up."""
        connection = self._connection
        assert connection is not None
        if not self._ownership.held and (lost := self._ownership.lost()) is not None:
            self._lose(lost, jobs)
            return
        tx = self._transaction(connection)
        committed = False
        try:
            if is_one_statement(jobs, self.books) and self._upkeep.has_nothing(tx):
                append_alone(tx, jobs)
            else:
                connection.execute("BEGIN IMMEDIATE")
                self._run_jobs(tx, jobs)
                self._upkeep.within(tx, idle=upkeep)
                tx.flush()
                passed(tx.fault, "settle.before_commit", jobs, Settle)
                connection.execute("COMMIT")
            committed = True
            passed(tx.fault, "append.committed", jobs, Append)
            passed(tx.fault, "settle.committed", jobs, Settle)
        except BaseException as error:  # noqa: BLE001 (each kind has its rule)
            committed = committed or tx.is_stored
            self._roll_back(connection, tx)
            for job in jobs:
                job.outcome, job.error = None, None
            self._failed(jobs, error, unknown=committed, reserve=reserve)
            return
        if not self._ownership.in_place and (lost := self._ownership.lost()) is not None:
            # SQLite doesn't notice that it commits to a file which nobody will find again.
            tx.roll_back_books()
            self._lose(lost, jobs)
            return
        tx.forget()
        self._wal.wrote(sum(job.size for job in jobs), len(jobs))
        self._upkeep.wrote()
        self._outcomes.hand_back(jobs, tx.published)

    def _run_jobs(self, tx: Transaction, jobs: Sequence[Job]) -> None:
        appends = [job for job in jobs if isinstance(job, Append)]
        if appends:
            tx.fault("append.begin")
            append_all(tx, appends)
            tx.fault("append.written")
        for job in jobs:
            if not job.is_append:
                try:
                    job.outcome = job.run(tx)
                except Refusal as refusal:
                    job.error = refusal.error

    def _roll_back(self, connection: sqlite3.Connection, tx: Transaction) -> None:
        tx.roll_back_books()
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            # The file is opened again then, which rolls back as well.
            self._context.log("SQLite rollback failed", {"error": failures.name(error)})
            self._recover(error)

    def _failed(self, jobs: Sequence[Job], error: BaseException, *, unknown: bool, reserve: bool) -> None:
        kind = Kind.IO if unknown else failures.classify(error)
        path = self._settings.path
        if self._connection is None:
            self._outcomes.refuse(jobs, self.status.unusable() or ChannelUnavailable(f"{path} can't be used"))
        elif kind is Kind.FULL:
            self._full(jobs, error, reserve=reserve)
        elif kind is Kind.CORRUPT:
            self._break(error)
            self._outcomes.refuse(jobs, failures.corrupt(path, failures.name(error)))
        elif kind is Kind.BUSY:
            self._outcomes.refuse(jobs, ChannelUnavailable(f"{path} is locked by another program"))
        elif kind is Kind.IO:
            self._outcomes.refuse(
                jobs, ChannelUnavailable(f"{path}: the disk failed, what was stored is unknown ({failures.name(error)})")
            )
            self._recover(error)
        elif len(jobs) > 1:
            # One of them is at fault, and must not fail its neighbours.
            for job in jobs:
                if self._connection is None:
                    self._outcomes.refuse([job], self.status.unusable() or ChannelUnavailable(f"{path} can't be used"))
                else:
                    self._attempt([job], reserve=reserve)
        elif jobs:
            jobs[0].error = failures.translate(error, path)
            self._outcomes.hand_back(jobs)
        else:
            self._context.log("SQLite upkeep failed", {"error": failures.name(error)})
            self._upkeep.rest(5.0)

    def _full(self, jobs: Sequence[Job], error: BaseException, *, reserve: bool) -> None:
        self._space.full()
        self._upkeep.rest(1.0)
        refused = [job for job in jobs if job.is_append or reserve]
        self._outcomes.refuse(refused, ChannelFull(f"{self._settings.path}: no room left on the disk ({failures.name(error)})"))
        rest = [job for job in jobs if not job.is_append and not reserve]
        if not rest:
            return
        if self._space.give_up_ballast():
            self._context.log("disk full: the ballast file is given up so that settling goes on", {})
        connection = self._connection
        assert connection is not None
        try:
            self._wal.checkpoint(connection)
        except sqlite3.Error as failure:
            self._context.log("checkpoint failed on a full disk", {"error": failures.name(failure)})
        self._attempt(rest, reserve=True)

    def _keep_up(self, *, idle: bool) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            if self._upkeep.after(connection) and (lost := self._ownership.lost()) is not None:
                self._lose(lost)
            elif idle and self._upkeep.wants_transaction(self.books):
                self._attempt([], upkeep=True)
            elif idle and self._upkeep.wants_vacuum:
                self._upkeep.vacuum(connection)
        except (sqlite3.Error, OSError) as error:
            kind = failures.classify(error)
            if kind is Kind.CORRUPT:
                self._break(error)
            elif kind is Kind.FULL:
                self._space.full()
                self._upkeep.rest(1.0)
            elif kind is Kind.IO:
                self._recover(error)
            else:
                self._context.log("SQLite upkeep failed", {"error": failures.name(error)})
                self._upkeep.rest(5.0)

    def _lose(self, error: ChannelError, jobs: Sequence[Job] = ()) -> None:
        """The path doesn't lead to the file that is open (see `Ownership.lost`): wait for it, or end."""
        if isinstance(error, ChannelUnavailable):
            self.status.trouble = str(error)
            self._outcomes.refuse(jobs, error)
            self._recover(error)
            return
        self.status.broken = error
        self._outcomes.refuse(jobs, error)
        self._context.log("the SQLite file is lost", {"error": str(error)})
        if self._connection is not None and self._ownership.held:
            # A log that was removed still holds what was accepted, and only as long as it is open.
            try:
                self._connection.execute("PRAGMA wal_checkpoint(FULL)")
            except sqlite3.Error as failure:
                self._context.log("the write-ahead log can't be moved into the file", {"error": failures.name(failure)})
        self._close_connection()
        self._outcomes.tell(self._lost, error)

    def _break(self, error: BaseException) -> None:
        """The file is damaged: stop using it, keep it."""
        self.status.broken = failures.corrupt(self._settings.path, failures.name(error))
        self._context.log("SQLite file is damaged", {"error": failures.name(error)})
        self._close_connection()

    def _recover(self, error: BaseException) -> None:
        """Close, open again, and read afresh what the file holds; until it succeeds or the channel is closed."""
        path = self._settings.path
        if not isinstance(error, ChannelUnavailable):
            self.status.trouble = f"{path} failed ({failures.name(error)}) and is being opened again"
        self._context.log("SQLite file failed, opening it again", {"error": failures.name(error)})
        delay = 0.1
        while True:
            lost = self._ownership.lost()
            if lost is not None and not isinstance(lost, ChannelUnavailable):
                self._lose(lost)
                return
            self._close_connection()
            try:
                if lost is not None:
                    raise lost
                connection = self._connection = open_writer(path, self._space, self._context.log, fresh=False)
                self._ownership.opened()
                if database.file_id(connection) != self._file_id:
                    raise ChannelCorrupt(f"{path} was replaced by another file while in use")
                self.books = books_module.load(connection, self.books)
                self._space.check(force=True)
                break
            except ChannelCorrupt as corrupt:
                self.status.broken = corrupt
                self._close_connection()
                return
            except (ChannelError, OSError, sqlite3.Error) as failure:
                self._close_connection()
                if failures.classify(failure) is Kind.CORRUPT:
                    self._break(failure)
                    return
                self.status.trouble = str(lost or f"{path} can't be opened again ({failures.name(failure)})")
                self._outcomes.refuse(self.queue.take_all(), ChannelUnavailable(self.status.trouble))
                if self.queue.pause(delay):
                    return
                delay = min(delay * 2, 5.0)
        self._outcomes.tell(self._resync, {uid: broker.last for uid, broker in self.books.brokers.items()})
        self.status.trouble = ""
        self._context.log("SQLite file opened again", {})

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        self._ownership.closed()
        try:
            if connection is not None:
                connection.close()
        except sqlite3.Error as error:
            self._context.log("SQLite file didn't close", {"error": failures.name(error)})
