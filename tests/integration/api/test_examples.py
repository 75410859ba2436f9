"""Every request of the Postman collection and of the .http file, sent in order, as their readers will send them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.render_requests import COLLECTION, HTTP
from service.domain.model import Role
from service.usecases.ports.people import UserDraft
from tests.integration.api.conftest import PASSWORD


@dataclass(frozen=True)
class Example:
    """One request as a file describes it, places not yet filled; `keep` says what is kept of the answer, by path."""

    title: str
    method: str
    address: str
    headers: dict[str, str]
    body: str | None
    status: int
    keep: dict[str, str]


def of_postman() -> Iterator[Example]:
    for folder in json.loads(COLLECTION.read_text())["item"]:
        for item in folder["item"]:
            request, lines = item["request"], item["event"][0]["script"]["exec"]
            headers = {each["key"]: each["value"] for each in request["header"]}
            if request["auth"]["type"] == "bearer":
                headers["Authorization"] = f"Bearer {request['auth']['bearer'][0]['value']}"
            yield Example(
                title=item["name"],
                method=request["method"],
                address=request["url"]["raw"],
                headers=headers,
                body=request.get("body", {}).get("raw"),
                status=int(re.search(r"have\.status\((\d+)\)", lines[0])[1]),  # type: ignore[index]
                keep=dict(re.findall(r'set\("(\w+)", pm\.response\.json\(\)\.([\w.\[\]]+)\);', "\n".join(lines[1:]))),
            )


def of_http() -> Iterator[Example]:
    for block in HTTP.read_text().split("\n### ")[1:]:
        title, *lines = block.split("\n")
        status = int(re.search(r"# Answers (\d+)", lines[0])[1])  # type: ignore[index]
        kept = dict(re.findall(r"^@(\w+) = \{\{\w+\.response\.body\.\$\.([\w.\[\]]+)\}\}$", block, re.MULTILINE))
        sent = [line for line in lines if not line.startswith(("# ", "@"))]
        method, address = sent[0].split(" ")
        end = sent.index("")
        headers = dict(line.split(": ", 1) for line in sent[1:end])
        body = "\n".join(sent[end + 1 :]).strip("\n")
        yield Example(title, method, address, headers, body or None, status, kept)


def picked(answer: Any, path: str) -> Any:
    for key in re.findall(r"\w+", path):
        answer = answer[int(key)] if key.isdigit() else answer[key]
    return answer


@pytest.mark.parametrize("examples", [of_postman, of_http])
def test_the_examples_work_from_the_first_to_the_last(
    app: Any, container: Any, examples: Callable[[], Iterator[Example]]
) -> None:
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    client = app.test_client()
    seconds = itertools.count(1_700_000_000)
    known = {
        "base_url": "",
        "admin_username": "root",
        "admin_password": PASSWORD,
        "webhook_url": "https://93.184.215.14/",
    }

    def filled(text: str) -> str:
        told = re.sub(r"\{\{\$timestamp\}\}", lambda _: str(next(seconds)), text)
        return re.sub(r"\{\{(\w+)\}\}", lambda name: str(known[name[1]]), told)

    sent = 0
    for example in examples():
        answer = client.open(
            filled(example.address),
            method=example.method,
            headers={name: filled(value) for name, value in example.headers.items()},
            data=None if example.body is None else filled(example.body),
        )
        assert answer.status_code == example.status, f"{example.title}: {answer.get_data(as_text=True)}"
        known |= {name: picked(answer.get_json(), path) for name, path in example.keep.items()}
        sent += 1
    assert sent > 100


def test_both_files_hold_the_same_requests() -> None:
    assert [(each.method, each.address, each.status, each.keep) for each in of_postman()] == [
        (each.method, each.address, each.status, each.keep) for each in of_http()
    ]
