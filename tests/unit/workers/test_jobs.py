"""Jobs are named by string, as the service knows nothing of the workers: each name must lead somewhere."""

from __future__ import annotations

import inspect

from rq.utils import import_attribute

from service.usecases import away, hold_limit, imports, mailing, reconciliations, throttle, webhook_sending


def test_the_reconcilers_job_exists_and_takes_what_it_is_given() -> None:
    job = import_attribute(reconciliations.JOB)
    inspect.signature(job).bind("full", "clock")
    inspect.signature(job).bind("full", "api", 7)


def test_the_job_of_imports_exists_and_takes_what_it_is_given() -> None:
    inspect.signature(import_attribute(imports.JOB)).bind(9)


def test_the_job_that_takes_tickets_back_exists_and_takes_nothing() -> None:
    inspect.signature(import_attribute(away.JOB)).bind()


def test_the_job_of_the_hold_limit_exists_and_takes_nothing() -> None:
    inspect.signature(import_attribute(hold_limit.JOB)).bind()


def test_the_job_that_sends_mails_exists_and_takes_nothing() -> None:
    inspect.signature(import_attribute(mailing.JOB)).bind()


def test_the_jobs_of_webhooks_exist_and_take_nothing() -> None:
    for name in (webhook_sending.SEND_JOB, webhook_sending.TIDY_JOB):
        inspect.signature(import_attribute(name)).bind()


def test_the_job_that_removes_old_tries_exists_and_takes_nothing() -> None:
    inspect.signature(import_attribute(throttle.JOB)).bind()
