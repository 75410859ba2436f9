"""What `python -m service prepare` reports."""

from __future__ import annotations

from dataclasses import dataclass, field

COMMAND = ("service", "prepare")
"""Migrates, makes the first admin and, with --demo, the demo data: in one process, as importing takes longest."""

_ADMIN, _PASSWORD, _DEMO = "admin: ", "generated password: ", "demo: "
_UNUSED = "ADMIN_PASSWORD was not used"


@dataclass
class Prepared:
    """The report, read line by line."""

    admin: str = ""
    password: str = field(default="", repr=False)
    unused: str = ""
    demo: list[str] = field(default_factory=list)

    def take(self, line: str) -> bool:
        """Read a line; say whether it is part of the report, to be shown when all is ready."""
        if self.demo or line.startswith(_DEMO):
            self.demo.append(line)
        elif line.startswith(_ADMIN):
            self.admin = line.removeprefix(_ADMIN)
        elif line.startswith(_PASSWORD):
            self.password = line.removeprefix(_PASSWORD)
        elif line.startswith(_UNUSED):
            self.unused = line
        else:
            return False
        return True

    @property
    def login(self) -> str:
        """Say how to log in as the admin."""
        if self.password:
            return f"{self.admin} / {self.password}   (shown only this once: keep it)"
        return f"{self.admin}, with the password of the first start"
