"""Stands for the fault suite: real processes, each test on its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.stand import Options, Stand
from tests.faults.template import Template, shared_template

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long part out unless it is asked for: by its mark, or by a path in this directory."""
    named = any(
        HERE in (path := Path(argument.split("::")[0]).absolute()).parents or path == HERE for argument in config.args
    )
    if config.option.markexpr or named:
        return
    long = [item for item in items if item.get_closest_marker("faults")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture(params=[True, False], ids=["reconciler-on", "reconciler-off"])
def reconciling(request: pytest.FixtureRequest) -> bool:
    """Whether worker and clock run: safety must hold without repair, or repair hides bugs."""
    return bool(request.param)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, worker_name: str) -> Template:
    """The data to start from, made once for all workers of this run."""
    base = tmp_path_factory.getbasetemp()
    return shared_template((base if worker_name == "main" else base.parent) / "fault-template")


@pytest.fixture
def open_stand(tmp_path: Path, template: Template) -> Iterator[Callable[..., Stand]]:
    """Start a stand; whatever is left of it is gone after the test."""
    stands: list[Stand] = []

    def start(**options: Any) -> Stand:
        start_from = options.pop("start_from", template)
        known = set(Options.__dataclass_fields__)
        environ = {name: str(options.pop(name)) for name in list(options) if name not in known}
        directory = tmp_path / f"stand-{len(stands)}"
        directory.mkdir()
        stand = Stand(directory, start_from, Options(**options, environ=environ))
        stands.append(stand)
        stand.start()
        return stand

    try:
        yield start
    finally:
        for stand in stands:
            stand.close()
            shutil.rmtree(stand.directory, ignore_errors=True)
