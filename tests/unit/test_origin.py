"""What a job is told of the request that called for it."""

from __future__ import annotations

import pytest

from service import origin
from service.observability import request_id


def test_nothing_is_told_where_no_request_is_served() -> None:
    assert origin.told() == {}


def test_what_is_told_is_taken_up_again_and_let_go_of_at_the_end() -> None:
    with origin.of({"request_id": "r-1", "traceparent": "00-1-2-01"}):
        told = origin.told()
    assert told == {"request_id": "r-1", "traceparent": "00-1-2-01"}
    assert origin.told() == {}


def test_a_job_without_origin_does_not_inherit_one() -> None:
    token = request_id.set("somebody else's")
    try:
        with origin.of({}):
            assert origin.told() == {}
        assert request_id.get() == "somebody else's"
    finally:
        request_id.reset(token)


@pytest.mark.parametrize("odd", [7, None, ["r"], {"a": 1}])
def test_what_is_no_text_is_no_origin(odd: object) -> None:
    with origin.of({"request_id": odd}):
        assert origin.told() == {}
