"""Writes the lines of all clients in one batch, in a thread of its own, and hands out the ink while it is written.

    engine = Engine(model, recogniser, Limits())
    order = engine.submit([LineSpec("Hello World", seed=(7, 0))], client="127.0.0.1")
    async for events in order.events():
        ...
    engine.close()

The rows of the batch advance by some points in a call of the network (`Batch`). Between two calls a line that waits
takes the place of one that has ended: of the order that has the fewest lines in the batch, so that no client waits for
all lines of another one. A line that has ended is judged in a second thread; if it failed, it is gone on from its first
faulty word, before the lines that wait. An order that is cancelled frees its rows at the next call.
"""

import dataclasses
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from scribe.network.blas import one_thread
from scribe.web.batches import PLACES, Batch
from scribe.web.limits import Limits, RequestError
from scribe.web.orders import Ended, Failed, Ink, LineSpec, Order, Writing, hand_out
from scribe.web.trails import Memory
from scribe.writing.adapted import adapted_copy
from scribe.writing.line_writer import Line
from scribe.writing.proofread import DEFAULT_ATTEMPTS, judge_lines
from scribe.writing.rows import PLACES_AFTER
from scribe.writing.word_starts import BEGUN

log = logging.getLogger("scribe.web")

LEARNED_HANDS = 8  # at a time: a network of each has 15 MB
BACKGROUND_ROWS = 6  # of lines that may wait for all others
# Tries of a word, where a request names none, while so many others have lines written.
TRIES_OF_CROWD = {4: 3, 10: 2, 20: 1}


class Engine:
    """The thread that writes, and its queue.

    Args:
        model: a HandwritingModel. recogniser: judges lines; None: the attention alone does. limits: of the queue.
    """

    def __init__(self, model, recogniser, limits: Limits):
        self.model, self.recogniser, self.limits = model, recogniser, limits
        self._orders: list[Order] = []  # that are not done
        self._changed = threading.Condition()
        self._closed = False
        self._number = 0
        self._trails = Memory(limits.cache // 2)
        self._results = Memory(limits.cache // 2)
        # A batch for each network: that of the model first, then those of learned hands by the keys of these.
        self._batches: OrderedDict[str, Batch] = OrderedDict([("", Batch(model))])
        self._ended: list[Writing] = []  # lines that are to be judged
        self._judged: list[tuple] = []
        self._threads = [threading.Thread(target=f, name=f.__name__, daemon=True) for f in (self._write, self._judge)]
        for thread in self._threads:
            thread.start()

    # ---- for the clients, in their threads

    def submit(self, specs: Sequence[LineSpec], client: str = "", background: bool = False) -> Order:
        """Puts lines into the queue; from a coroutine.

        Args:
            client: whose they are, such as an address. background: for lines of the server itself, which may wait for
                all others; they take no place of a visitor's, and their number has no limit.

        Raises:
            RequestError: the queue is full, or too short for a text of so many lines.
        """
        with self._changed:
            if self._closed:
                raise RequestError("the server is stopping.", 503, 5)
            assert all(len(spec.text) <= PLACES - PLACES_AFTER for spec in specs)
            if not background:
                self._check_room(len(specs), client)
            self._number += 1
            order = Order(specs, client, self._number, background)
            self._orders.append(order)
            self._changed.notify_all()
        return order

    def _check_room(self, count, client):
        """Raises RequestError where so many further lines of a client may not wait."""
        share = max(1, int(self.limits.waiting * self.limits.client_share))
        if count > share:
            raise RequestError(f"text: it is written as {count} lines, and one address may have {share} at a time.")
        visitors = [order for order in self._orders if not order.background]
        if sum(order.left for order in visitors) + count > self.limits.waiting:
            raise RequestError("too many lines wait to be written: try again in a moment.", 503, 3)
        if sum(order.left for order in visitors if order.client == client) + count > share:
            raise RequestError("too many lines of this address wait to be written: try again.", 429, 3)

    def cancel(self, order: Order) -> None:
        """Forgets what is left of an order, and frees its rows."""
        with self._changed:
            order.cancelled = True
            order.waiting.clear()
            if order in self._orders:
                self._orders.remove(order)
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the thread; orders that are not done raise RequestError."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def usual_tries(self) -> int:
        """Tries of a word where a request names none: fewer while the lines of many others are written, since each of
        them waits longer for each line that is written again."""
        with self._changed:
            others = sum(not order.background for order in self._orders)
        return min((tries for least, tries in TRIES_OF_CROWD.items() if others >= least), default=DEFAULT_ATTEMPTS)

    def load(self) -> dict[str, int]:
        """How many lines wait and how many are being written."""
        with self._changed:
            return {"waiting": sum(len(order.waiting) for order in self._orders), "writing": self._busy()}

    # ---- the thread

    def _write(self):
        with one_thread():
            self._write_all()

    def _write_all(self):
        while True:
            with self._changed:
                while not (self._closed or self._judged or self._busy() or self._next_order()):
                    self._changed.wait()
                if self._closed:
                    break
                judged, self._judged = self._judged, []
            try:
                touched = {result[0].order for result in judged}
                for result in judged:
                    self._after_judging(*result)
                self._fill_rows(touched)
                for batch in list(self._batches.values()):
                    touched |= self._advance(batch)
            except Exception as error:  # a bug must not leave the others waiting for ever
                log.exception("The writer failed")
                touched = self._drop_all(error)
            hand_out(touched)
        hand_out(self._drop_all(RequestError("the server is stopping.", 503, 5)))

    def _busy(self):
        """How many lines are being written."""
        return sum(len(batch.writing) for batch in list(self._batches.values()))

    def _next_order(self):
        """The order whose line begins next; None where no line waits or may begin."""
        busy = self._busy()
        if busy >= self.limits.rows:
            return None
        waiting = [order for order in self._orders if order.waiting and not order.background]
        if not waiting and busy < BACKGROUND_ROWS:
            waiting = [order for order in self._orders if order.waiting]
        return min(waiting, key=lambda order: (order.busy, order.number), default=None)

    def _batch_of(self, spec):
        """The batch that a line joins: a learned hand has a network of its own, or a line to go on from."""
        hand = spec.hand
        if hand is None or not (hand.differences or hand.line):
            return self._batches[""]
        if spec.hand_id not in self._batches:
            idle = [name for name, batch in self._batches.items() if name and not batch.writing]
            if len(self._batches) > LEARNED_HANDS and idle:
                del self._batches[idle[0]]
            model = adapted_copy(self.model, hand) if hand.differences else self.model
            self._batches[spec.hand_id] = Batch(model, hand)
        self._batches.move_to_end(spec.hand_id)
        return self._batches[spec.hand_id]

    def _drop_all(self, error):
        with self._changed:
            orders = set(self._orders)
        for batch in self._batches.values():
            orders |= {writing.order for writing in batch.writing}
        self._drop(orders, error)
        return orders

    def _drop(self, orders, error):
        """Ends orders with an error; the others go on."""
        with self._changed:
            self._orders = [order for order in self._orders if order not in orders]
        for batch in self._batches.values():
            batch.drop([writing for writing in batch.writing if writing.order in orders])
        known = isinstance(error, RequestError)
        for order in orders:
            order.waiting.clear()
            order.tell(error if known else RequestError("writing failed; the server's log says why.", 503, 5))

    def _fill_rows(self, touched):
        """Gives the free rows to lines that wait."""
        for batch in self._batches.values():
            gone = [writing for writing in batch.writing if writing.order.cancelled]
            for writing in gone:
                self._leave(writing)
            batch.drop(gone)
        while True:
            with self._changed:
                order = self._next_order()
                if order is None:
                    return
                writing = order.waiting.popleft()
                order.number = self._number = self._number + 1  # the next one has its turn
            touched.add(order)
            try:
                if not self._from_memory(writing):
                    self._begin(writing)
            except Exception as error:  # of this order alone, such as one in a hand that the network cannot write in
                log.exception("A line could not be begun")
                self._drop({order}, error)

    def _from_memory(self, writing):
        """Whether the whole line is in the memory; then it is handed out at once."""
        known = None if writing.attempt else self._results.get(_result_key(writing))
        if known is None:
            return False
        ended, offsets = known
        if writing.spec.live:
            writing.order.tell(Ink(writing.line, ended.kept, 0, offsets, ended.written.phis.argmax(axis=1)))
        self._end(writing, dataclasses.replace(ended, line=writing.line))
        return True

    def _begin(self, writing):
        trail = writing.trail
        if writing.spec.live:
            before = self._trails.get(_trail_key(writing))
            known = before and before.gone_on(writing.spec.text)
            if known and known.shared == trail.shared and known.points > trail.points:
                known.marks |= trail.marks
                writing.trail = known
            self._tell_ink(writing)
            self._remember(writing)
        self._batch_of(writing.spec).begin(writing)
        writing.order.busy += 1

    def _tell_ink(self, writing, rest=None):
        """Hands out what is new of a line that somebody watches; rest: as in `Ink`.

        What did not last when the same beginning was written before is held back until the line has been judged: most
        likely it will not last this time. So is what may give way to the rest of the attempt before.
        """
        trail, first = writing.trail, writing.told
        last = trail.points if trail.left is None else trail.left
        if writing.rest is not None:
            last = min(last, trail.before_word(writing.rest[1]))
        if writing.spec.live and (first < last or rest is not None):
            points, phis, _ = trail.between(first, last)
            characters = phis[:, : len(trail.text)].argmax(axis=1)
            writing.order.tell(Ink(writing.line, writing.attempt, first, points, characters, rest))
            writing.told = last

    def _advance(self, batch):
        """Lets the rows of a batch write on; returns the orders that something is to be told."""
        touched = set()
        for writing, part, state, ended, finished in batch.advance() if batch.writing else []:
            trail = writing.trail
            trail.add(part, state)
            if ended:
                trail.finished = finished
            elif writing.rest is not None and len(part[0]) and trail.position() >= writing.rest[1] + BEGUN:
                ended = self._take_over(batch, writing)
            if ended:  # perhaps in another way
                writing.rest = None
            self._tell_ink(writing)
            touched.add(writing.order)
            if ended:
                self._leave(writing)
                with self._changed:
                    self._ended.append(writing)
                    self._changed.notify_all()
        return touched

    def _take_over(self, batch, writing):
        """Ends a line, which has come to what may stay of the attempt before, with that. False: it cannot follow."""
        trail = writing.trail.with_rest(*writing.rest)
        if trail is not None:
            batch.drop([writing])
            self._tell_ink(writing)
            writing.trail = trail
        writing.rest = None
        self._tell_ink(writing, rest=trail is not None)
        return trail is not None

    def _remember(self, writing):
        self._trails.put(_trail_key(writing), writing.trail, writing.trail.size())

    def _leave(self, writing):
        writing.order.busy -= 1
        if writing.spec.live:
            self._remember(writing)

    # ---- judging, in a thread beside

    def _judge(self):
        while True:
            with self._changed:
                while not (self._closed or self._ended):
                    self._changed.wait()
                if self._closed:
                    return
                ended, self._ended = [w for w in self._ended if not w.order.cancelled], []
            try:
                lines = [_as_line(writing.trail) for writing in ended]
                verdicts = judge_lines([line for line, _ in lines], self.recogniser)
                judged = list(zip(ended, lines, verdicts, strict=True))
            except Exception:
                log.exception("Lines could not be judged")
                judged = [(writing, None, None) for writing in ended]
            with self._changed:
                self._judged += judged
                self._changed.notify_all()

    def _after_judging(self, writing, line, verdict):
        order = writing.order
        if order.cancelled:
            return
        if line is None:
            order.tell(RequestError("writing failed; the server's log says why.", 503, 5))
            return
        writing.attempts.take(line, writing.trail, verdict)
        # A slip that nobody is warned of only decides which attempt is kept: somebody watches, and waits for the line.
        again = writing.attempts.go_on()
        if again:
            self._go_back(writing, again[0], verdict.failures)
        else:
            self._keep_best(writing)

    def _go_back(self, writing, again, failures):
        """Lets a line wait for its next attempt."""
        order, before, told = writing.order, writing.trail, writing.told
        writing.trail, writing.seed, writing.told = again.before.from_word(again.word, again.seed), again.seed, 0
        may_stay = None if again.rest is None else again.before.kept_from(again.rest)
        writing.rest = None if may_stay is None else (again.before, again.rest)
        if writing.spec.live:
            before.left = writing.trail.in_common(before.between()[0])
            writing.told = min(before.left, told)
            # What is on the paper may be another attempt than the one that is gone on from.
            rest = () if may_stay is None else (again.rest, before.rest_as(again.before, again.rest))
            order.tell(Failed(writing.line, writing.attempt - 1, failures, writing.told, again.word, *rest))
        with self._changed:
            if not order.cancelled:
                order.waiting.appendleft(writing)

    def _keep_best(self, writing):
        attempts, trail = writing.attempts, writing.trail
        line, offsets = attempts.line
        ended = Ended(writing.line, line, attempts.kept, attempts.failures, attempts.count)
        if writing.spec.live:
            common = trail.in_common(offsets)
            trail.left = common if attempts.kept < attempts.count - 1 else None
            start = min(common, writing.told)
            if start < max(len(offsets), writing.told):
                characters = line.phis[start:].argmax(axis=1)
                writing.order.tell(Ink(writing.line, attempts.kept, start, offsets[start:], characters))
            size = sum(v.nbytes for v in (line.strokes, line.phis, line.kappas, offsets))
            self._results.put(_result_key(writing), (ended, offsets), size)
        self._end(writing, ended)

    def _end(self, writing, ended):
        order = writing.order
        order.tell(ended)
        order.left -= 1
        if not order.left:
            with self._changed:
                if order in self._orders:
                    self._orders.remove(order)


def _trail_key(writing):
    return (*writing.key(), writing.trail.seeds)


def _result_key(writing):
    return (*writing.key(), writing.spec.text, writing.spec.attempts)


def _as_line(trail):
    """The `Line` of an attempt that has ended, and its points as offsets [n, 6]."""
    points, phis, kappas = trail.between()
    strokes = points.copy()
    strokes[0, :2] = 0.0
    strokes[:, :2] = np.cumsum(strokes[:, :2], axis=0)
    return Line(trail.text, strokes, phis[:, : len(trail.text)].copy(), kappas, trail.finished), points
