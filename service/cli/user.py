"""`fairdeal user`: who may sign in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from service.cli.passwords import choose_password, password_options
from service.cli.printing import examples, json_option, print_json, print_table
from service.cli.setup import Setup, pass_setup
from service.domain.errors import NotFound
from service.domain.model import MAX_CAPACITY, Level, Role, User
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentDraft, UserChanges, UserDraft, UserFilter
from service.usecases.users import Users

PAGE = 500


@click.group()
def user() -> None:
    """Make and change the accounts of admins, agents and operators."""


@user.command(
    epilog=examples(
        "fairdeal user create anna --role agent --level senior --email anna@example.com",
        "fairdeal user create ops --role operator --generate-password",
        "echo $PASSWORD | fairdeal user create root --role admin --password-stdin",
    )
)
@click.argument("username")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What they may do.")
@click.option("--email", help="Where to reach them.")
@click.option("--first-name", default="", help="Given name.")
@click.option("--last-name", default="", help="Family name.")
@click.option("--level", type=click.Choice([level.value for level in Level]), help="Of an agent (default: junior).")
@click.option("--capacity", type=click.IntRange(1, MAX_CAPACITY), help="Tickets an agent may hold (default: 15).")
@password_options
@pass_setup
def create(
    setup: Setup, *, username: str, role: str, level: str | None, capacity: int | None,
    password_stdin: bool, generate_password: bool, **about: Any,
) -> None:  # fmt: skip
    """Make an account. The password is asked for unless an option says otherwise."""
    if role != Role.AGENT and (level is not None or capacity is not None):
        raise click.UsageError("--level and --capacity are for agents only.")
    container = setup.container
    password = choose_password(password_stdin=password_stdin, generate=generate_password)
    if role == Role.AGENT:
        hand: dict[str, Any] = {"level": Level(level or Level.JUNIOR), "capacity": capacity or MAX_CAPACITY}
        user_id = container.agents.create(AgentDraft(username=username, password=password.text, **about, **hand)).id
    else:
        draft = UserDraft(username=username, password=password.text, role=Role(role), **about)
        user_id = container.users.create(draft).id
    click.echo(f"created {role} {username} with id {user_id}")
    password.show_if_generated()


@user.command("ensure-admin", epilog=examples("ADMIN_USERNAME=root fairdeal user ensure-admin"))
@pass_setup
def ensure_admin(setup: Setup) -> None:
    """Make the first admin, unless there is an active one.

    ADMIN_USERNAME (default: admin) and ADMIN_PASSWORD say who. Without ADMIN_PASSWORD a password is generated and
    printed, once.
    """
    ensure_first_admin(setup)


def ensure_first_admin(setup: Setup) -> None:
    """Make the first admin from the settings and say what happened."""
    given = setup.settings.admin_password
    admins = UserFilter(role=Role.ADMIN, is_active=True)
    unused = given is not None and bool(setup.container.users.page(admins, PageRequest(limit=1)).items)
    admin, generated = setup.container.users.ensure_admin(
        setup.settings.admin_username, None if given is None else given.get_secret_value()
    )
    click.echo(f"admin: {admin.username}")
    if generated is not None:
        click.echo(f"generated password: {generated}")
    if unused:
        click.echo("ADMIN_PASSWORD was not used: an admin exists")


@user.command("list", epilog=examples("fairdeal user list --role agent", "fairdeal user list --json"))
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Only these.")
@json_option
@pass_setup
def list_users(setup: Setup, *, role: str | None, as_json: bool) -> None:
    """List the accounts."""
    wanted = UserFilter(role=None if role is None else Role(role))
    found = list(_all_users(setup.container.users, wanted))
    if as_json:
        print_json(found)
        return
    print_table(
        ["id", "username", "role", "active", "name", "email"],
        [
            [one.id, one.username, one.role, "yes" if one.is_active else "no",
             f"{one.first_name} {one.last_name}".strip(), one.email]
            for one in found
        ],
    )  # fmt: skip


@user.command("set-password", epilog=examples("fairdeal user set-password anna --generate-password"))
@click.argument("username")
@password_options
@pass_setup
def set_password(setup: Setup, *, username: str, password_stdin: bool, generate_password: bool) -> None:
    """Give an account a new password; all its sessions end."""
    users = setup.container.users
    found = find_user(users, username)
    password = choose_password(password_stdin=password_stdin, generate=generate_password)
    users.set_password(found.id, password.text, actor_id=None)
    click.echo(f"{found.username} has a new password")
    password.show_if_generated()


@user.command(epilog=examples("fairdeal user deactivate anna --yes"))
@click.argument("username")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_setup
def deactivate(setup: Setup, *, username: str, yes: bool) -> None:
    """Lock an account; an agent's tickets go back to their places in the queue."""
    users = setup.container.users
    found = find_user(users, username)
    if not yes:
        consequence = ", and put their tickets back in the queue" if found.role is Role.AGENT else ""
        click.confirm(f"Lock {found.username} ({found.role}) out{consequence}?", abort=True)
    users.update(found.id, UserChanges(is_active=False), actor_id=None)
    click.echo(f"{found.username} is deactivated")


@user.command(epilog=examples("fairdeal user activate anna"))
@click.argument("username")
@pass_setup
def activate(setup: Setup, *, username: str) -> None:
    """Let a deactivated account in again."""
    users = setup.container.users
    found = find_user(users, username)
    users.update(found.id, UserChanges(is_active=True), actor_id=None)
    click.echo(f"{found.username} is active")


def find_user(users: Users, username: str) -> User:
    """Find an account by its exact name, in any case. Raises `NotFound`, `InvalidInput`."""
    for found in _all_users(users, UserFilter(text=username)):
        if found.username.lower() == username.lower():
            return found
    raise NotFound(f"There is no user {username!r}")


def _all_users(users: Users, wanted: UserFilter) -> Iterator[User]:
    request = PageRequest(limit=PAGE)
    while True:
        page = users.page(wanted, request)
        yield from page.items
        if page.next is None:
            return
        request = PageRequest(limit=PAGE, cursor=page.next)
