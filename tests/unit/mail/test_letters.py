"""Letters: two parts that say the same, and headers that nobody can break."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.mail_rules import parse_sender
from service.domain.model import Cause, Priority, TicketStatus
from service.domain.notices import NoticeKind
from service.mail.letters import MOST_LINES, Letters
from service.usecases.ports.mails import MailLine, Recipient, RefusedForGood, TakenMail

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
ANN = Recipient(address="ann@example.com", name="Ann Ånström")
LETTERS = Letters(
    sender=parse_sender("The Desk <desk@example.com>"), public_url="https://fairdeal.example.com", now=lambda: NOW
)


def line(ticket_id: int = 7, **values: Any) -> MailLine:
    plain = MailLine(
        ticket_id=ticket_id, subject="Printer on fire", status=TicketStatus.ASSIGNED, priority=Priority.HIGH,
        age_s=3 * 3600, cause=Cause.REASSIGN, actor="root", note="",
    )  # fmt: skip
    return replace(plain, **values)


def mail(*lines: MailLine, kind: NoticeKind = NoticeKind.ASSIGNED, **values: Any) -> TakenMail:
    plain = TakenMail(
        id=8, attempt=1, tries_left=13, kind=kind, message_id=UUID(int=8), happened_at=NOW, recipient=ANN, lines=lines
    )
    return replace(plain, **values)


def read(taken: TakenMail, recipient: Recipient = ANN) -> EmailMessage:
    content = LETTERS.letter(taken, recipient).content
    return cast("EmailMessage", email.message_from_bytes(content, policy=email.policy.default))


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_both_parts_name_subject_priority_age_and_page() -> None:
    message = read(mail(line(note="she asked for you"), line(9, subject="Slow VPN", priority=Priority.LOW)))
    for words in (part(message, "plain"), part(message, "html")):
        for expected in ("Printer on fire", "Slow VPN", "high", "low", "3 h", "Ann Ånström", "reassigned by root"):
            assert expected in words
        assert "https://fairdeal.example.com/desk/tickets/7" in words
        assert "she asked for you" in words


@pytest.mark.parametrize(
    ("kind", "one", "several"),
    [
        (NoticeKind.FETCHED, "You fetched ticket 7: Printer on fire", "You fetched 2 tickets"),
        (NoticeKind.ASSIGNED, "Ticket 7 is now yours: Printer on fire", "2 tickets are now yours"),
        (
            NoticeKind.PRIORITY_CHANGED,
            "Ticket 7 has high priority now: Printer on fire",
            "2 of your tickets have another priority now",
        ),
        (NoticeKind.HOLD_WARNING, "Ticket 7 is about to go back: Printer on fire", "2 tickets are about to go back"),
        (NoticeKind.TAKEN_AWAY, "Ticket 7 is no longer yours: Printer on fire", "2 tickets are no longer yours"),
    ],
)
def test_the_subject_says_what_it_is_about(kind: NoticeKind, one: str, several: str) -> None:
    assert read(mail(line(), kind=kind))["Subject"] == one
    assert read(mail(line(), line(9), kind=kind))["Subject"] == several


def test_every_cause_can_be_told() -> None:
    for cause in Cause:
        for kind in NoticeKind:
            assert part(read(mail(line(cause=cause, actor=None), kind=kind)), "html")


def test_the_message_id_is_the_mails_own_and_stays() -> None:
    first, second = read(mail(line())), read(mail(line(), line(9), attempt=2))
    assert first["Message-ID"] == second["Message-ID"] == f"<{UUID(int=8)}@example.com>"
    assert (first["Auto-Submitted"], first["From"]) == ("auto-generated", "The Desk <desk@example.com>")


def test_what_people_wrote_is_text_and_not_html() -> None:
    html = part(read(mail(line(subject="<script>alert(1)</script>", note="<b>&</b>"))), "html")
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in html


HOSTILE = "x\r\nBcc: all@example.com\r\n\r\n.\r\nMAIL FROM:<a@b>\u2028\x00\x1b"


def test_no_header_can_be_injected() -> None:
    taken = mail(line(subject=HOSTILE, note=HOSTILE, actor=HOSTILE))
    message = read(taken, Recipient(address="ann@example.com", name=HOSTILE))
    assert message["Bcc"] is None
    assert {name.lower() for name in message.keys()} == {  # noqa: SIM118 - a message is no mapping
        "from", "to", "subject", "date", "message-id", "auto-submitted", "x-auto-response-suppress", "mime-version",
        "content-type",
    }  # fmt: skip
    assert message["To"].addresses[0].addr_spec == "ann@example.com"


@given(st.text(), st.text(), st.text())
def test_any_text_makes_a_letter_with_the_same_headers(subject: str, note: str, name: str) -> None:
    storable = [text.encode("utf-8", "ignore").decode() for text in (subject, note, name)]
    message = read(mail(line(subject=storable[0], note=storable[1])), replace(ANN, name=storable[2]))
    assert len(message.keys()) == 9
    assert message["To"].addresses[0].addr_spec == ANN.address


@given(st.text())
def test_any_letter_is_plain_ascii_of_short_lines(subject: str) -> None:
    content = LETTERS.letter(mail(line(subject=subject.encode("utf-8", "ignore").decode())), ANN).content
    assert content.isascii()
    assert all(len(row) <= 998 for row in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")


@pytest.mark.parametrize("address", ["nobody", "a@b\r\nRCPT TO:<c@d>", "ä@example.com", "a b@example.com"])
def test_an_impossible_address_is_refused_for_good(address: str) -> None:
    with pytest.raises(RefusedForGood, match="must be an email address"):
        LETTERS.letter(mail(line()), Recipient(address=address, name="x"))


def test_a_long_list_is_cut() -> None:
    message = read(mail(*(line(n) for n in range(1, MOST_LINES + 4))))
    assert "and 3 more." in part(message, "plain")
    assert "and 3 more." in part(message, "html")
    assert message["Subject"] == f"{MOST_LINES + 3} tickets are now yours"


def test_without_a_public_url_there_are_no_links() -> None:
    letters = Letters(sender=parse_sender("desk@example.com"), public_url=None, now=lambda: NOW)
    content = letters.letter(mail(line()), ANN).content
    assert b"http" not in content


def test_what_somebody_has_lost_leads_nowhere() -> None:
    message = read(mail(line(), kind=NoticeKind.TAKEN_AWAY))
    assert "/desk/tickets/" not in part(message, "plain") + part(message, "html")


def test_a_trial_says_where_it_comes_from() -> None:
    letter = LETTERS.trial("ann@example.com")
    message = cast("EmailMessage", email.message_from_bytes(letter.content, policy=email.policy.default))
    assert "https://fairdeal.example.com" in part(message, "plain")
    assert (letter.sender, letter.recipient) == ("desk@example.com", "ann@example.com")
