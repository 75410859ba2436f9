"""Jobs are named by string, as the service knows nothing of the workers: each name must lead somewhere."""

from __future__ import annotations

import inspect

from rq.utils import import_attribute

from service.usecases import reconciliations


def test_the_reconcilers_job_exists_and_takes_what_it_is_given() -> None:
    job = import_attribute(reconciliations.JOB)
    inspect.signature(job).bind("full", "clock")
    inspect.signature(job).bind("full", "api", 7)
