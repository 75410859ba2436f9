"""Signatures, against the examples of Standard Webhooks' own libraries."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from service.domain.webhook_signing import is_secret, new_secret, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = new_secret()
EXAMPLE = {"message_id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "timestamp": 1614265330, "body": b'{"test": 2432232314}'}
PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


def test_the_example_of_the_standard_is_signed_as_there() -> None:
    assert signed_headers([SECRET], **EXAMPLE) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_sign_beside_each_other() -> None:
    both = signed_headers([OTHER, SECRET], **EXAMPLE)["webhook-signature"].split()
    assert len(both) == 2
    assert both[1] == signed_headers([SECRET], **EXAMPLE)["webhook-signature"]


def test_drawn_secrets_are_secrets_and_differ() -> None:
    drawn = {new_secret() for _ in range(50)}
    assert len(drawn) == 50
    assert all(is_secret(secret) for secret in drawn)


@pytest.mark.parametrize("length", [24, 64])
def test_a_secret_may_be_as_short_and_as_long(length: int) -> None:
    assert is_secret("whsec_" + base64.b64encode(b"x" * length).decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_not base64 at all, this one!!",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_ä" * 5,
    ],
)
def test_what_is_no_secret_is_told_apart(text: str) -> None:
    assert not is_secret(text)


class TestSnippet:
    """The page shows how receivers verify; what it shows is run here."""

    @pytest.fixture
    def verify(self) -> Any:
        code = re.search(r"```python verify\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert code is not None
        shown: dict[str, Any] = {}
        exec(code[1], shown)
        return shown["verify"]

    def test_it_takes_what_was_signed(self, verify: Any) -> None:
        headers = signed_headers([SECRET], **EXAMPLE)
        assert verify(SECRET, headers, EXAMPLE["body"], now=1614265330 + 299)

    def test_it_takes_one_of_two_signatures(self, verify: Any) -> None:
        headers = signed_headers([OTHER, SECRET], **EXAMPLE)
        assert verify(SECRET, headers, EXAMPLE["body"], now=1614265330)
        assert verify(OTHER, headers, EXAMPLE["body"], now=1614265330)

    @pytest.mark.parametrize(
        "change",
        [
            {"webhook-id": "msg_other"},
            {"webhook-timestamp": "1614265331"},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
            {"webhook-signature": ""},
        ],
    )
    def test_it_refuses_what_was_changed(self, verify: Any, change: dict[str, str]) -> None:
        headers = {**signed_headers([SECRET], **EXAMPLE), **change}
        assert not verify(SECRET, headers, EXAMPLE["body"], now=1614265330)

    def test_it_refuses_another_body_secret_or_time(self, verify: Any) -> None:
        headers = signed_headers([SECRET], **EXAMPLE)
        assert not verify(SECRET, headers, b"{}", now=1614265330)
        assert not verify(OTHER, headers, EXAMPLE["body"], now=1614265330)
        assert not verify(SECRET, headers, EXAMPLE["body"], now=1614265330 + 301)
        assert not verify(SECRET, headers, EXAMPLE["body"], now=1614265330 - 301)
