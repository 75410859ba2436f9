"""Settings: everything the environment may say, read here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from service.domain.hold_limit import HoldLimit
from service.domain.service_levels import DEFAULT_ASSIGN_MINUTES, DEFAULT_RESOLVE_MINUTES, Targets, parse_minutes
from service.domain.webhook_targets import Allowed, parse_allowed
from service.retention_settings import RetentionSettings
from service.setting_problems import ConfigurationError as ConfigurationError
from service.setting_problems import worded
from service.setting_values import (
    AllowedTargets,
    CollectorUrl,
    Minutes,
    PublicUrl,
    QueuePrefix,
    Sender,
    SigningKey,
    SmtpUrl,
    StrongPassword,
    Username,
)

LONGEST_DEFAULT_WARNING_S = 3_600


class Settings(RetentionSettings):
    """Hold the service's settings, frozen, one field for each environment variable."""

    # Where the service listens
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on")
    port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on")
    web_workers: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, 8),
        ge=1,
        le=64,
        description="gunicorn processes (default: one per CPU, at most 8)",
    )
    web_threads: int = Field(default=8, ge=1, le=256, description="Threads in each gunicorn process")
    pin_workers: bool = Field(
        default=False,
        description="Keep each gunicorn process on a CPU of its own, if there are as many (`true` or `false`)",
    )

    # Who may come in
    jwt_secret_key: SigningKey = Field(
        min_length=32,
        description="Key that signs tokens, 32 characters at least; `./scripts/run` generates and keeps one",
    )
    access_token_minutes: int = Field(default=15, ge=1, le=1440, description="Life of an access token, minutes")
    refresh_token_days: int = Field(default=14, ge=1, le=365, description="Life of an unused refresh token, days")
    secure_cookies: Literal["auto", "always"] = Field(
        default="auto",
        description="When browsers may send the page's cookies over https alone: `auto`, if the request came by https "
        "(a proxy on this machine may say so by X-Forwarded-Proto); `always`, if https ends elsewhere",
    )
    sign_in_tries: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Wrong passwords in a row that an account allows; they are regained evenly over `SIGN_IN_WINDOW_S`",
    )
    sign_in_address_tries: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="The same for an address, whichever accounts are tried from there; all behind a proxy that is not "
        "counted in `TRUSTED_PROXIES` share one",
    )
    sign_in_window_s: int = Field(
        default=600, ge=10, le=86_400, description="Time in which all tries at passwords are regained, s"
    )
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Proxies between clients and this service that add to X-Forwarded-For and X-Forwarded-Proto; "
        "0: the headers are not believed",
    )
    admin_username: Username = Field(
        default="admin",
        description="Name of the first admin, made on an empty database",
    )
    admin_password: StrongPassword | None = Field(
        default=None,
        description="Password of the first admin; one is generated and printed once when not given",
    )

    # How the queue behaves
    queue_prefix: QueuePrefix = Field(
        default="fairdeal", description="Name that all Redis keys share (a cluster hash tag)"
    )
    redis_timeout_ms: int = Field(
        default=500, ge=10, le=10_000, description="Longest wait for Redis before PostgreSQL serves instead, ms"
    )
    statement_timeout_ms: int = Field(
        default=5_000, ge=100, le=60_000, description="Longest PostgreSQL statement of a request, ms"
    )
    claim_lease_s: int = Field(
        default=12,
        ge=1,
        le=600,
        description="Age at which an unconfirmed claim is given back, s; at least twice the statement timeout",
    )
    reconcile_fast_s: float = Field(default=2.0, ge=0.5, le=3600, description="Pause between fast reconciliations, s")
    reconcile_full_s: float = Field(default=60.0, ge=1, le=86_400, description="Pause between full reconciliations, s")

    # How long tickets may take
    assign_minutes: Minutes = Field(
        default=DEFAULT_ASSIGN_MINUTES,
        description="Target by priority: minutes from a ticket's creation to its first assignment",
    )
    resolve_minutes: Minutes = Field(
        default=DEFAULT_RESOLVE_MINUTES,
        description="Target by priority: minutes from a ticket's creation to its resolution or sale",
    )
    # What happens by itself
    away_grace_s: int = Field(
        default=900,
        ge=0,
        le=604_800,
        description="Time an agent may be away before tickets they have not begun go back, s; 0: they never do",
    )

    hold_limit_s: int = Field(
        default=0,
        ge=0,
        le=604_800,
        description="Time a ticket may lie with an agent who has not begun it before it goes back, s; 0: for ever",
    )
    hold_warning_s: int = Field(
        default=0,
        ge=0,
        le=604_800,
        description="Time before that limit at which the agent is warned, s; 0: half the limit, an hour at the most",
    )

    # Whom it writes to
    smtp_url: SmtpUrl | None = Field(
        default=None,
        description="Mail server; without one, mails go to files under `VAR_DIR/outbox/`. TLS is required and checked; "
        "`?starttls=no` and `?verify=no` do without",
        examples=["smtp://fairdeal:secret@mail.example:587"],
    )
    mail_from: Sender = Field(
        default="Fairdeal <fairdeal@localhost>",
        description="Sender of mails, and where undeliverable ones come back to",
    )
    public_url: PublicUrl | None = Field(
        default=None,
        description="Where people find the service, for links in mails; without it, mails have none",
        examples=["https://fairdeal.example.com"],
    )

    # Whom it tells
    webhook_allow: AllowedTargets = Field(
        default="",
        description="Networks, addresses and host names that webhooks may lead to although they are not public, "
        "with commas between, such as `10.1.0.0/16,hooks.internal`",
    )
    webhook_timeout_s: float = Field(
        default=10.0, ge=0.1, le=60, description="Longest wait for the receiver of a webhook, s"
    )
    webhook_retry_s: float = Field(
        default=5.0,
        ge=0.1,
        le=3600,
        description="Pause before a failed delivery is tried again, s; twice as long each time, 12 hours at the most",
    )
    webhook_max_tries: int = Field(default=16, ge=1, le=50, description="Tries before a delivery is given up")
    webhook_disable_after: int = Field(
        default=5, ge=1, le=1000, description="Deliveries given up in a row that switch a webhook off"
    )
    webhook_keep_days: int = Field(default=14, ge=1, le=365, description="Days that deliveries are kept to look at")
    dispatch_every_s: float = Field(
        default=15.0,
        ge=1,
        le=3600,
        description="Pause between two looks for tickets to dispatch that no change has woken dispatch for, s",
    )

    # How it talks
    max_body_bytes: int = Field(
        default=1_048_576,
        ge=1024,
        le=1_073_741_824,
        description="Largest request body accepted, bytes",
    )
    max_import_bytes: int = Field(
        default=134_217_728,
        ge=1024,
        le=1_073_741_824,
        description="Largest file of tickets accepted over HTTP, bytes",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged")
    log_format: Literal["json", "text"] = Field(default="json", description="Shape of a log line")
    otel_exporter_otlp_endpoint: CollectorUrl | None = Field(
        default=None,
        description="OpenTelemetry collector that traces go to by OTLP over HTTP; without it none are kept. Needs "
        "`requirements-otel.txt`, which `./scripts/run` then installs",
        examples=["http://collector.example:4318"],
    )

    @property
    def webhook_allowed(self) -> Allowed:
        """Where webhooks may lead besides public addresses."""
        return parse_allowed(self.webhook_allow)

    @property
    def targets(self) -> Targets:
        """The service levels aimed at."""
        return Targets(assign_s=parse_minutes(self.assign_minutes), resolve_s=parse_minutes(self.resolve_minutes))

    @property
    def hold_limit(self) -> HoldLimit:
        """When tickets that nobody has begun go back, and when their agents are warned."""
        warning_s = self.hold_warning_s or max(1, min(self.hold_limit_s // 2, LONGEST_DEFAULT_WARNING_S))
        return HoldLimit(self.hold_limit_s, warning_s)

    @field_validator("claim_lease_s")
    @classmethod
    def _outlives_statements(cls, value: int, info: ValidationInfo) -> int:
        """Compare with the statement timeout, unless that is bad itself; a claim must outlive what may confirm it."""
        timeout_ms = info.data.get("statement_timeout_ms")
        if timeout_ms is not None and value * 1000 < 2 * timeout_ms:
            raise ValueError(
                f"{value} s is shorter than twice STATEMENT_TIMEOUT_MS ({timeout_ms} ms); "
                f"use at least {-(-2 * timeout_ms // 1000)}"
            )
        return value

    @field_validator("hold_warning_s")
    @classmethod
    def _comes_before_the_limit(cls, value: int, info: ValidationInfo) -> int:
        """Compare with the limit, unless there is none or it is bad itself."""
        limit_s = info.data.get("hold_limit_s", 0)
        if limit_s and value >= limit_s:
            raise ValueError(f"{value} s is not before HOLD_LIMIT_S ({limit_s} s); use at most {limit_s - 1}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls by position
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings calls by position
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings calls by position
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings calls by position
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read from the constructor alone: `load` is what hands the environment in."""
        return (init_settings,)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (default: the process environment).

    An empty variable counts as not given. Raises `ConfigurationError` naming every bad variable.
    """
    source = os.environ if environ is None else environ
    values = {name: source[name.upper()] for name in Settings.model_fields if source.get(name.upper())}
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False)
        problems = [
            worded(name, Settings.model_fields[name], error["type"], error.get("ctx", {}))
            for error in errors
            for name in [str(error["loc"][0])]
        ]
        raise ConfigurationError(problems) from None  # pydantic's error repeats the values
