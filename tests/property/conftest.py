"""The long stories are left out unless `./scripts/test --faults` or their names ask for them."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr or any("test_long" in argument for argument in config.args):
        return
    long = {item for item in items if HERE in item.path.parents and item.get_closest_marker("faults")}
    if long:
        config.hook.pytest_deselected(items=list(long))
        items[:] = [item for item in items if item not in long]
