"""Files of tickets through the page: kept, imported by a worker, watched, and said what was wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]
PATH = "/app/tickets/import"
GOOD = b"subject,priority,external_id\nFirst,high,a\nSecond,,b\n"
MIXED = b"subject,priority\nFirst,high\n,low\nThird,urgent\nFourth,low\n"


def uploaded(seen: Visitor, content: bytes, name: str = "tickets.csv", **fields: Any) -> Visitor:
    """Choose a file and press Import."""
    form = dict(seen.get(PATH).form(PATH).fields)
    form.pop("file", None)
    data = {**form, **fields, "file": FileStorage(io.BytesIO(content), filename=name)}
    boundary, body = encode_multipart(data)  # the client itself would leave a large one in an open file
    answer = seen.client.post(PATH, data=body, content_type=f"multipart/form-data; boundary={boundary}")
    return seen._seen(PATH, answer)


def number(seen: Visitor) -> int:
    """Say which import the page shows."""
    return int(seen.path.rpartition("/")[2])


def test_a_file_is_imported_by_a_worker_and_watched(visitor: Visit, root: int, container: Any) -> None:
    seen = uploaded(visitor("root"), GOOD)
    assert "It waits for a worker." in seen.text
    assert 'data-poll-s="2"' in seen.text
    assert "<progress" in seen.text
    container.imports.run(number(seen))
    seen.get(seen.path)
    assert "All 3 lines dealt with." in seen.text
    assert "data-poll-s" not in seen.text
    assert seen.get("/app/tickets?sort=id").text.index("First") < seen.text.index("Second")
    assert "2 tickets created" in seen.get(PATH).text


def test_a_look_that_finds_nothing_new_is_a_304(visitor: Visit, root: int, container: Any) -> None:
    seen = uploaded(visitor("root"), GOOD)
    etag = seen.answer.headers["ETag"]
    assert seen.client.get(seen.path, headers={"If-None-Match": etag}).status_code == 304
    container.imports.run(number(seen))
    assert seen.client.get(seen.path, headers={"If-None-Match": etag}).status_code == 200


def test_bad_rows_are_named_by_their_lines(visitor: Visit, root: int, container: Any) -> None:
    seen = uploaded(visitor("root"), MIXED)
    container.imports.run(number(seen))
    seen.get(seen.path)
    rows = re.findall(r'<td class="number right">(\d+)</td><td class="subject">([^<]+)<', seen.text)
    assert [int(line) for line, _ in rows] == [3, 4]
    assert "must not be empty" in rows[0][1]
    assert "must be high, medium or low" in rows[1][1]


def test_an_import_may_stop_at_the_first_bad_row(visitor: Visit, root: int, container: Any) -> None:
    seen = uploaded(visitor("root"), MIXED, on_error="abort")
    container.imports.run(number(seen))
    assert "It stopped at a bad row, on line 3." in seen.get(seen.path).text
    assert seen.get("/app/tickets").text.count('name="ticket"') == 1


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "", "The file must be chosen."),
        (b"x", "tickets.xlsx", "Format must be given as csv or ndjson"),
        (b"\xff\xfes\x00", "tickets.csv", "The file is UTF-16"),
        (b"no,columns,of,ours\n1,2,3,4\n", "tickets.csv", "The file "),
    ],
)
def test_a_file_that_will_not_do_is_refused_with_the_form(
    visitor: Visit, root: int, content: bytes, name: str, said: str
) -> None:
    seen = uploaded(visitor("root"), content, name, on_error="abort")
    assert seen.status == 400
    assert said in seen.text
    assert 'value="abort" selected' in seen.text


def test_a_file_above_the_limit_of_other_forms_is_taken(visitor: Visit, root: int, container: Any) -> None:
    assert container.settings.max_body_bytes < 1_500_000
    content = b"subject,description\n" + b"".join(b"Ticket %d,%s\n" % (n, b"x" * 700) for n in range(2200))
    seen = uploaded(visitor("root"), content)
    assert seen.path.startswith("/app/tickets/imports/")
    assert seen.client.post("/app/account", data={"csrf": "x" * 2_000_000}).status_code == 413


def test_an_upload_sent_twice_is_imported_once(visitor: Visit, root: int) -> None:
    seen = visitor("root").get(PATH)
    key = dict(seen.form(PATH).fields)["key"]
    first = uploaded(seen, GOOD, key=key).path
    assert uploaded(seen, GOOD, key=key).path == first
    assert uploaded(seen, MIXED, key=key).path != first  # gone back in the browser, and another file chosen


def test_a_file_without_our_token_is_refused(visitor: Visit, root: int) -> None:
    seen = visitor("root").get(PATH)
    answer = seen.client.post(PATH, data={"file": (io.BytesIO(GOOD), "a.csv")}, content_type="multipart/form-data")
    assert answer.status_code == 403
    assert "Last imports" not in seen.get(PATH).text


def test_no_such_import_is_said_so(visitor: Visit, root: int) -> None:
    assert visitor("root").get("/app/tickets/imports/99").status == 404
