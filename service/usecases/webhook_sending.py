"""Telling webhooks of what happened: reading the history on, and sending what is due, several receivers at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime

from service.domain.webhook_signing import signed_headers
from service.domain.webhooks import Outcome, Retries, Verdict, payload, rest_s
from service.usecases.ports.webhooks import Attempt, Consequence, Courier, Outbox, Turn

log = logging.getLogger(__name__)

SEND_JOB = "workers.jobs.send_webhooks"
TIDY_JOB = "workers.jobs.tidy_webhooks"
TIDY_EVERY_S = 3600.0

RECEIVERS_AT_ONCE = 8
TURN_SENDS = 20
"""Deliveries to one receiver before the others have their turn."""
TURN_S = 2.0
"""Seconds after which a turn ends, with the delivery that is under way."""
RUN_S = 10.0
"""How long one run begins turns, seconds: other messages wait for the same worker."""
LOOK_EVERY_S = 0.25
HEADERS = {"Content-Type": "application/json", "User-Agent": "Fairdeal-Webhooks/1", "Connection": "close"}
PAGE = 1_000
"""Lines of history read at a time."""


class WebhookSending:
    """Send what is due. Two may run at once: each receiver is served by one of them at a time, in order."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        courier: Courier,
        retries: Retries,
        timeout_s: float,
        keep_days: int,
        write: Callable[[Mapping[str, object]], bytes],
        clock: Callable[[], float],
        now: Callable[[], datetime],
        chance: Callable[[], float],
        run_s: float = RUN_S,
    ) -> None:
        """`timeout_s` is the longest that the courier takes; `chance` returns a random number from 0 to 1."""
        self._outbox = outbox
        self._courier = courier
        self._retries = retries
        self._lease_s = 2 * timeout_s + 10
        self._keep_s = keep_days * 24 * 3600.0
        self._write = write
        self._clock = clock
        self._now = now
        self._chance = chance
        self._run_s = run_s

    def run(self) -> int:
        """Spread and send until nothing is due or the time is up, and count what was sent. Raises `StoreUnavailable`.

        A receiver that takes long keeps its own thread waiting; the others are served meanwhile, in threads beside it.
        """
        until, sent = self._clock() + self._run_s, 0
        turns: set[Future[int]] = set()
        with ThreadPoolExecutor(RECEIVERS_AT_ONCE, thread_name_prefix="webhooks") as pool:
            while True:
                self._spread(until)
                while self._clock() < until and len(turns) < RECEIVERS_AT_ONCE:
                    turn = self._outbox.take_turn(lease_s=self._lease_s)
                    if turn is None:
                        break
                    turns.add(pool.submit(self._serve, turn, until))
                if not turns:
                    return sent
                done, turns = wait(turns, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
                sent += sum(turn.result() for turn in done)

    def tidy(self) -> int:
        """Remove deliveries that are kept no longer, and count them. Raises `StoreUnavailable`.

        While nobody listens, nothing else reads the history: it is passed over here.
        """
        self._outbox.spread(limit=PAGE)
        return self._outbox.prune(older_than_s=self._keep_s)

    def _spread(self, until: float) -> None:
        while self._outbox.spread(limit=PAGE) and self._clock() < until:
            pass

    def _serve(self, turn: Turn, until: float) -> int:
        """Send to one receiver what is due, up to a number and a time, or until something goes wrong."""
        sent, until = 0, min(until, self._clock() + TURN_S)
        try:
            while sent < TURN_SENDS and self._clock() < until:
                attempt = self._outbox.next_attempt(turn, lease_s=self._lease_s)
                if attempt is None:
                    break
                sent += 1
                if not self._try(attempt):
                    break
        finally:
            self._outbox.release(turn)
        return sent

    def _try(self, attempt: Attempt) -> bool:
        """Send once and write down what came of it; say whether to go on with this receiver."""
        outcome = self._courier.post(attempt.url, *self._message(attempt))
        verdict = self._retries.judge(outcome, tries=attempt.tries)
        consequence = self._consequence(attempt, verdict)
        is_ours = self._outbox.settle(attempt, outcome, consequence, disable_after=self._retries.disable_after)
        _log(attempt, outcome, verdict)
        return is_ours and verdict is Verdict.DONE

    def _message(self, attempt: Attempt) -> tuple[dict[str, str], bytes]:
        body = self._write(payload(attempt.delivery, attempt.events))
        signed = signed_headers(
            attempt.secrets,
            message_id=str(attempt.delivery.message_id),
            timestamp=int(self._now().timestamp()),
            body=body,
        )
        return {**HEADERS, **signed}, body

    def _consequence(self, attempt: Attempt, verdict: Verdict) -> Consequence:
        if verdict is Verdict.DONE:
            return Consequence(verdict=verdict)
        pause_s = self._retries.pause_s(tries=attempt.tries, chance=self._chance())
        rested = min(pause_s, rest_s(failures=attempt.failures + 1, chance=self._chance()))
        return Consequence(verdict=verdict, pause_s=pause_s, rest_s=rested)


def _log(attempt: Attempt, outcome: Outcome, verdict: Verdict) -> None:
    level = logging.INFO if verdict is Verdict.DONE else logging.WARNING
    fields = {
        "webhook_id": attempt.turn.webhook_id,
        "delivery_id": attempt.delivery.id,
        "tries": attempt.tries,
        "status": outcome.status,
        "why": outcome.error,
        "duration_ms": outcome.duration_ms,
        "verdict": verdict.value,
    }
    log.log(level, "webhook_tried", extra=fields)
