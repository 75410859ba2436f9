"""Mails to agents: written from the history, sent one by one, never twice.

A mail passes through three commits. It is taken, which only tells senders apart. It is noted as handed over when the
server has agreed to everything but the message itself. Its end is written when the server has answered. A sender that
dies before the second leaves a mail that certainly was not sent, and is tried again; one that dies between the second
and the third leaves one that may have arrived, which is shown as `unknown` and sent again by an admin or not at all.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from service.domain.backoff import pause_s
from service.domain.errors import Conflict, NotFound
from service.domain.model import Page
from service.usecases.ports.mails import (
    Carrier,
    CarrierUnavailable,
    LetterWriter,
    Mail,
    MailFilter,
    MailState,
    MailStore,
    NotSent,
    OutcomeUnknown,
    Recipient,
    RefusedForGood,
    TakenMail,
)
from service.usecases.ports.paging import PageRequest

log = logging.getLogger(__name__)

JOB = "workers.jobs.send_mails"

PAGE = 500
"""Lines of history read at once; what of them concerns the same person in the same way makes one mail."""

NEARLY_THERE = 50
"""A pass that read no more lines has all but caught up with the history."""

MAX_TRIES = 14
FIRST_PAUSE_S = 15.0
LONGEST_PAUSE_S = 3_600.0
"""Fourteen tries at pauses that double up to an hour take about six hours."""

FRESH_S = 24 * 3_600.0
"""Nobody is told what happened longer ago, after an outage that long."""

SILENT_S = 300.0
"""A mail in a sender's hands for so long has been left; a sender is done or gives up sooner."""

SLICE_S = 10.0
"""How long one job goes on; then others that talk to servers have their turn, and the clock asks for the next one."""

KEEP_S = 30 * 24 * 3_600.0
"""How long a mail is kept after it came to its end."""
PRUNED_AT_ONCE = 1_000


class _TakenByAnother(Exception):
    """Another sender has taken the mail meanwhile."""


class Mailing:
    """Write and send what is due."""

    def __init__(
        self,
        *,
        store: MailStore,
        writer: LetterWriter,
        carrier: Carrier,
        clock: Callable[[], float],
        silent_s: float = SILENT_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._writer = writer
        self._carrier = carrier
        self._clock = clock
        self._silent_s = silent_s
        self._chance = chance

    def is_wanted(self) -> bool:
        """Say whether `run` would find anything to do. Raises `StoreUnavailable`."""
        return self._store.is_wanted(silent_s=self._silent_s)

    def run(self) -> None:
        """Catch up with the history, then send what is due, each for a while. Raises `StoreUnavailable`."""
        self._store.prune(older_than_s=KEEP_S, limit=PRUNED_AT_ONCE)
        again, unknown = self._store.settle_abandoned(silent_s=self._silent_s)
        if again or unknown:
            log.warning("mails_left_by_their_sender", extra={"again": again, "unknown": unknown})
        self._catch_up()
        self._send_due()

    def _catch_up(self) -> None:
        """Read on until little is left: under load there is always some, and letters must go out all the same."""
        until = self._clock() + SLICE_S / 2
        while self._plan() > NEARLY_THERE and self._clock() < until:
            pass

    def _plan(self) -> int:
        return self._store.plan(limit=PAGE, attempts_allowed=MAX_TRIES, fresh_s=FRESH_S)

    def _send_due(self) -> None:
        until = self._clock() + SLICE_S
        try:
            while self._clock() < until and (mail := self._store.take()) is not None:
                if not self._deal_with(mail):
                    return
        finally:
            self._carrier.close()

    def _deal_with(self, mail: TakenMail) -> bool:
        """Send one mail and write what became of it; False when there is no point in going on with others."""
        if mail.recipient is None or not mail.lines:
            self._settle(mail, MailState.DROPPED, "Nobody to send it to: no address, or not active any more")
            return True
        try:
            self._send(mail, mail.recipient)
        except _TakenByAnother:
            log.warning("mail_taken_by_another", extra={"mail_id": mail.id})
        except OutcomeUnknown as exc:
            self._settle(mail, MailState.UNKNOWN, exc.why)
            self._store.postpone(pause_s=FIRST_PAUSE_S)
            return False
        except RefusedForGood as exc:
            self._settle(mail, MailState.FAILED, exc.why)
        except CarrierUnavailable as exc:
            log.warning("mail_carrier_unavailable", extra={"why": exc.why})
            self._again(mail, exc)
            self._store.postpone(pause_s=FIRST_PAUSE_S)
            return False
        except NotSent as exc:
            self._again(mail, exc)
        else:
            self._settle(mail, MailState.SENT)
        return True

    def _send(self, mail: TakenMail, recipient: Recipient) -> None:
        letter = self._writer.letter(mail, recipient)

        def hand_over() -> None:
            if not self._store.hand_over(mail, address=letter.recipient):
                raise _TakenByAnother

        self._carrier.send(letter, hand_over=hand_over)

    def _settle(self, mail: TakenMail, state: MailState, why: str | None = None) -> None:
        if not self._store.settle(mail, state, error=why):
            log.warning("mail_taken_by_another", extra={"mail_id": mail.id})
            return
        happy = state in {MailState.SENT, MailState.DROPPED}
        log.log(
            logging.INFO if happy else logging.WARNING,
            "mail_settled",
            extra={"mail_id": mail.id, "kind": mail.kind.value, "state": state.value, "attempt": mail.attempt},
        )

    def _again(self, mail: TakenMail, failure: NotSent) -> None:
        """Let the mail wait for its next try, if it has one."""
        tries = max(1, MAX_TRIES - mail.tries_left)
        pause = pause_s(tries, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S, chance=self._chance())
        if mail.tries_left > 0:
            self._store.retry(mail, pause_s=pause, error=failure.why)
            log.warning("mail_tried_in_vain", extra={"mail_id": mail.id, "attempt": mail.attempt, "pause_s": pause})
        else:
            self._settle(mail, MailState.FAILED, f"Given up after {MAX_TRIES} tries: {failure.why}")


class Mails:
    """Look after mails by hand."""

    def __init__(self, *, store: MailStore, writer: LetterWriter, carrier: Carrier) -> None:
        self._store = store
        self._writer = writer
        self._carrier = carrier

    def page(self, wanted: MailFilter, request: PageRequest) -> Page[Mail]:
        """List mails. Raises `InvalidInput` for a sort or a cursor that will not do."""
        return self._store.page(wanted, request)

    def get(self, mail_id: int) -> Mail:
        """Read one. Raises `NotFound`."""
        mail = self._store.get(mail_id)
        if mail is None:
            raise NotFound(f"There is no mail {mail_id}")
        return mail

    def redeliver(self, mail_id: int) -> Mail:
        """Have a mail sent again that failed, was dropped, or may not have arrived. Raises `NotFound`, `Conflict`."""
        mail = self._store.redeliver(mail_id, attempts_allowed=MAX_TRIES)
        if mail is None:
            found = self.get(mail_id)
            raise Conflict(
                f"Mail {mail_id} is '{found.state}'; only one that is failed, unknown or dropped is sent again",
                state=found.state.value,
            )
        log.info("mail_redelivered", extra={"mail_id": mail_id})
        return mail

    def send_trial(self, address: str) -> str:
        """Send a letter that shows that letters arrive, and say where it went. Raises `NotSent`."""
        try:
            self._carrier.send(self._writer.trial(address), hand_over=lambda: None)
        finally:
            self._carrier.close()
        return self._carrier.where()
