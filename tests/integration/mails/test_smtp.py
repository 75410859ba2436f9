"""Letters to a real SMTP server that misbehaves: what is known of a letter's fate, and when it is not known."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from scripts.ports import free_port
from service.domain.mail_rules import SmtpServer
from service.mail.smtp import SmtpCarrier
from service.usecases.ports.mails import (
    CarrierUnavailable,
    Letter,
    NotSent,
    OutcomeUnknown,
    RefusedForGood,
    RefusedForNow,
)
from tests.integration.mails.mail_server import Post, mail_server, trusting

CONTENT = b"Subject: Printer on fire\r\n\r\n.hidden\r\n..\r\nwords\r\n"
LETTER = Letter(name="8", sender="desk@example.com", recipient="ann@example.com", content=CONTENT)
LARGE = replace(LETTER, content=CONTENT + (b"x" * 900 + b"\r\n") * 20_000)
"""More than the sockets of both sides hold."""


class Handed:
    """Count what was handed over."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def server(post: Post) -> Iterator[SmtpServer]:
    with mail_server(post) as running:
        yield running


@pytest.fixture
def carrier(server: SmtpServer) -> Iterator[SmtpCarrier]:
    made = SmtpCarrier(server, connect_s=30, command_s=30, reply_s=30)
    yield made
    made.close()


@pytest.fixture
def handed() -> Handed:
    return Handed()


def test_a_letter_arrives_as_it_was_written(carrier: SmtpCarrier, post: Post, handed: Handed) -> None:
    carrier.send(LETTER, hand_over=handed)
    assert (post.senders, post.recipients, handed.times) == (["desk@example.com"], ["ann@example.com"], 1)
    [letter] = post.letters
    assert letter["Subject"] == "Printer on fire"
    assert letter.get_payload() == ".hidden\r\n..\r\nwords\r\n"


def test_several_letters_go_over_one_connection(carrier: SmtpCarrier, post: Post, handed: Handed) -> None:
    for _ in range(5):
        carrier.send(LETTER, hand_over=handed)
    assert (len(post.letters), post.connections) == (5, 1)


def test_a_connection_is_not_used_for_ever(server: SmtpServer, post: Post, handed: Handed) -> None:
    carrier = SmtpCarrier(server, most_letters=2)
    for _ in range(5):
        carrier.send(LETTER, hand_over=handed)
    carrier.close()
    assert (len(post.letters), post.connections) == (5, 3)


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
@pytest.mark.parametrize(("code", "kind"), [(550, RefusedForGood), (450, RefusedForNow), (421, CarrierUnavailable)])
def test_a_refusal_before_the_letter_hands_nothing_over(
    carrier: SmtpCarrier, post: Post, handed: Handed, command: str, code: int, kind: type[NotSent]
) -> None:
    post.answers[command] = [f"{code} not today"]
    with pytest.raises(kind, match=f"{code} not today"):
        carrier.send(LETTER, hand_over=handed)
    assert (post.letters, handed.times) == ([], 0)
    carrier.send(LETTER, hand_over=handed)
    assert (len(post.letters), handed.times) == (1, 1)


@pytest.mark.parametrize("command", ["DATA", "letter"])
@pytest.mark.parametrize(("code", "kind"), [(554, RefusedForGood), (452, RefusedForNow)])
def test_a_refusal_of_the_letter_is_certain_and_another_can_follow(
    carrier: SmtpCarrier, post: Post, handed: Handed, command: str, code: int, kind: type[NotSent]
) -> None:
    post.answers[command] = [f"{code} not this"]
    with pytest.raises(kind, match=f"{code} not this"):
        carrier.send(LETTER, hand_over=handed)
    carrier.send(LETTER, hand_over=handed)
    assert (len(post.letters), post.connections) == (1, 1)


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_a_connection_that_breaks_before_the_letter_hands_nothing_over(
    carrier: SmtpCarrier, post: Post, handed: Handed, command: str
) -> None:
    post.answers[command] = ["break"]
    with pytest.raises(CarrierUnavailable):
        carrier.send(LETTER, hand_over=handed)
    assert handed.times == 0


def test_a_connection_that_has_gone_stale_is_replaced(carrier: SmtpCarrier, post: Post, handed: Handed) -> None:
    carrier.send(LETTER, hand_over=handed)
    post.answers["MAIL"] = ["break"]
    carrier.send(LETTER, hand_over=handed)
    assert (len(post.letters), post.connections, handed.times) == (2, 2, 2)


def test_a_connection_that_breaks_at_data_is_certain(carrier: SmtpCarrier, post: Post, handed: Handed) -> None:
    post.answers["DATA"] = ["break"]
    with pytest.raises(RefusedForNow, match="before the message was complete"):
        carrier.send(LETTER, hand_over=handed)
    assert (post.letters, handed.times) == ([], 1)


def test_a_connection_that_breaks_within_the_letter_is_certain(
    carrier: SmtpCarrier, post: Post, handed: Handed
) -> None:
    post.answers["DATA"] = ["break within"]
    with pytest.raises(RefusedForNow, match="before the message was complete"):
        carrier.send(LARGE, hand_over=handed)
    assert post.letters == []


def test_a_connection_that_breaks_after_the_letter_leaves_its_fate_unknown(
    carrier: SmtpCarrier, post: Post, handed: Handed
) -> None:
    post.answers["letter"] = ["break"]
    with pytest.raises(OutcomeUnknown, match="fell silent"):
        carrier.send(LETTER, hand_over=handed)
    assert len(post.letters) == 1


def test_a_server_that_never_answers_the_letter_leaves_its_fate_unknown(
    server: SmtpServer, post: Post, handed: Handed
) -> None:
    heard = threading.Event()
    post.on_letter = lambda: heard.wait(60) and None
    carrier = SmtpCarrier(server, reply_s=0.2)
    try:
        with pytest.raises(OutcomeUnknown, match="fell silent"):
            carrier.send(LETTER, hand_over=handed)
    finally:
        heard.set()


def test_an_answer_that_makes_no_sense_leaves_its_fate_unknown(
    carrier: SmtpCarrier, post: Post, handed: Handed
) -> None:
    post.answers["letter"] = ["354 what?"]
    with pytest.raises(OutcomeUnknown, match="makes no sense"):
        carrier.send(LETTER, hand_over=handed)


def test_a_letter_that_may_not_be_handed_over_is_not_sent(carrier: SmtpCarrier, post: Post, handed: Handed) -> None:
    def refuse() -> None:
        raise KeyError("another has it")

    with pytest.raises(KeyError):
        carrier.send(LETTER, hand_over=refuse)
    carrier.send(LETTER, hand_over=handed)
    assert len(post.letters) == 1


def test_a_server_that_is_not_there_is_unavailable(handed: Handed) -> None:
    nowhere = SmtpServer(
        host="127.0.0.1", port=free_port(), user="", password="", is_tls=False, starttls=False, verify=True
    )
    with pytest.raises(CarrierUnavailable, match="ConnectionRefusedError"):
        SmtpCarrier(nowhere).send(LETTER, hand_over=handed)
    assert handed.times == 0


@contextmanager
def _listener(serve: Callable[[socket.socket], None]) -> Iterator[SmtpServer]:
    """Something that listens and is no mail server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            caller, _ = listening.accept()
            with caller:
                serve(caller)

        thread = threading.Thread(target=accept)
        thread.start()
        port = listening.getsockname()[1]
        yield SmtpServer(host="127.0.0.1", port=port, user="", password="", is_tls=False, starttls=False, verify=True)
        thread.join(60)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"554 go away\r\n", b"\xff" * 9000])
def test_what_is_no_mail_server_is_unavailable(greeting: bytes, handed: Handed) -> None:
    with _listener(lambda caller: caller.sendall(greeting)) as server, pytest.raises(CarrierUnavailable):
        SmtpCarrier(server, connect_s=30, command_s=30).send(LETTER, hand_over=handed)
    assert handed.times == 0


def test_a_mute_server_is_unavailable_after_a_while(handed: Handed) -> None:
    over = threading.Event()
    with _listener(lambda _: over.wait(60) and None) as server:
        with pytest.raises(CarrierUnavailable):
            SmtpCarrier(server, connect_s=0.2).send(LETTER, hand_over=handed)
        over.set()


@pytest.mark.parametrize("kind", ["starttls", "is_tls"])
def test_letters_travel_encrypted_and_signed_in(post: Post, handed: Handed, kind: str) -> None:
    with mail_server(post, wants_login=True, starttls=kind == "starttls", is_tls=kind == "is_tls") as server:
        carrier = SmtpCarrier(server, tls=trusting(), connect_s=30, command_s=30, reply_s=30)
        carrier.send(LETTER, hand_over=handed)
        carrier.send(LETTER, hand_over=handed)
        carrier.close()
    assert len(post.letters) == 2


@pytest.mark.parametrize("kind", ["starttls", "is_tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(post: Post, handed: Handed, kind: str) -> None:
    with mail_server(post, starttls=kind == "starttls", is_tls=kind == "is_tls") as server:
        with pytest.raises(CarrierUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            SmtpCarrier(server, connect_s=30).send(LETTER, hand_over=handed)
        unchecked = SmtpCarrier(replace(server, verify=False), connect_s=30)
        unchecked.send(LETTER, hand_over=handed)
        unchecked.close()
    assert (len(post.letters), handed.times) == (1, 1)


def test_without_starttls_nothing_is_said(server: SmtpServer, post: Post, handed: Handed) -> None:
    with pytest.raises(CarrierUnavailable, match="offers no STARTTLS"):
        SmtpCarrier(replace(server, starttls=True), connect_s=30).send(LETTER, hand_over=handed)
    assert post.letters == []


def test_a_wrong_password_is_told_and_not_shown(post: Post, handed: Handed) -> None:
    with mail_server(post, wants_login=True, starttls=True) as server:
        wrong = replace(server, password="not-for-showing")
        with pytest.raises(CarrierUnavailable, match="535") as caught:
            SmtpCarrier(wrong, tls=trusting(), connect_s=30).send(LETTER, hand_over=handed)
    assert "not-for-showing" not in caught.value.why
