"""A browser without scripts: it gets pages, fills their forms in and sends them, as HTML says."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from flask.testing import FlaskClient

PASSWORD = "Correct-horse-7"


@dataclass
class Form:
    """A form as a page shows it: the fields that it would send untouched, and its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._text_of: str | None = None
        self._has_option: bool | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
        elif self.forms and tag == "select":
            self.forms[-1].fields.append((values["name"], ""))
            self._has_option = False
        elif self.forms and tag == "option" and self._has_option is not None:
            if "selected" in values or not self._has_option:
                self.forms[-1].fields[-1] = (self.forms[-1].fields[-1][0], values["value"])
            self._has_option = True
        elif self.forms and "name" in values and tag in {"input", "button", "textarea"}:
            pair = values["name"], values.get("value", "")
            if tag == "button":
                self.forms[-1].buttons.append(pair)
            elif values.get("type") != "checkbox" or "checked" in values:
                self.forms[-1].fields.append(pair)
            self._text_of = values["name"] if tag == "textarea" else None

    def handle_data(self, data: str) -> None:
        if self._text_of is not None:
            self.forms[-1].fields[-1] = (self._text_of, data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text_of = None
        if tag == "select":
            self._has_option = None


class Visitor:
    """Somebody at a browser: their cookies, and the page they see."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.answer: Any = None
        self.path = ""

    @property
    def text(self) -> str:
        """The page as it came."""
        return str(self.answer.get_data(as_text=True))

    @property
    def status(self) -> int:
        """The status of the page."""
        return int(self.answer.status_code)

    def get(self, path: str, **headers: str) -> Visitor:
        """Go to an address, and on where it leads."""
        return self._seen(path, self.client.get(path, headers=headers))

    def sign_in(self, username: str, password: str = PASSWORD) -> Visitor:
        """Sign in from the first page."""
        return self.get("/app/").send("/app/sign-in", username=username, password=password)

    def form(self, action: str, button: tuple[str, str] | None = None) -> Form:
        """Find the form that goes to an address, of several the one with the button."""
        parser = _Forms()
        parser.feed(self.text)
        path = urlsplit(action).path
        found = [form for form in parser.forms if urlsplit(urljoin(self.path, form.action)).path == path]
        found = [form for form in found if button is None or button in form.buttons]
        assert found, f"no form to {action} with {button} on {self.path}"
        return found[0]

    def filled(self, action: str, button: tuple[str, str] | None, fields: dict[str, Any]) -> str:
        """Fill a form in and return what would be sent."""
        kept = [pair for pair in self.form(action, button).fields if pair[0] not in fields]
        given = [(name, each) for name, value in fields.items() for each in _several(value)]
        return urlencode([*kept, *given, *([button] if button else [])])

    def send(self, action: str, button: tuple[str, str] | None = None, **fields: Any) -> Visitor:
        """Fill a form in, press its button, and go where that leads."""
        return self.post(action, self.filled(action, button, fields))

    def post(self, action: str, body: str, **headers: str) -> Visitor:
        """Send what was filled in."""
        content_type = "application/x-www-form-urlencoded"
        return self._seen(action, self.client.post(action, data=body, content_type=content_type, headers=headers))

    def press(self, act: str) -> Visitor:
        """Press a button of the list of tickets."""
        return self.send("/app/desk/act", ("act", act))

    def _seen(self, path: str, answer: Any) -> Visitor:
        for _ in range(5):
            if answer.status_code not in {302, 303}:
                break
            path = answer.headers["Location"]
            answer = self.client.get(path)
        self.answer, self.path = answer, path
        return self


def _several(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]
