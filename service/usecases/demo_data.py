"""The demo's people and tickets: made up, always the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.domain.model import Availability, Level, Priority
from service.usecases.ports.tickets import Buyer, TicketDraft

EMAIL_DOMAIN = "demo.fairdeal.example"
"""All demo accounts have an address here, by which they are known."""

REFERENCE = "DEMO-"
"""Every demo ticket's description ends in a reference that begins so."""

TICKETS = 300

OPERATOR = ("olivia", "Olivia", "Operating")


@dataclass(frozen=True, slots=True)
class Person:
    """A demo agent, and what they have done by the time the demo begins: of `takes` tickets, so many sold and so on."""

    username: str
    first_name: str
    last_name: str
    level: Level = Level.JUNIOR
    capacity: int = 15
    availability: Availability = Availability.AVAILABLE
    takes: int = 0
    sells: int = 0
    resolves: int = 0
    starts: int = 0


AGENTS = (
    Person("ada", "Ada", "Okafor", Level.SENIOR, takes=12, sells=3, resolves=2, starts=4),
    Person("bruno", "Bruno", "Castellani", Level.SENIOR, takes=9, sells=2, starts=3),
    Person("chiara", "Chiara", "Lindqvist", Level.SENIOR, capacity=10),
    Person("dmitri", "Dmitri", "Haddad", takes=15, starts=5),
    Person("elena", "Elena", "Brandt", takes=8, sells=4, resolves=1, starts=2),
    Person("farid", "Farid", "Nakamura", takes=5, starts=1),
    Person("greta", "Greta", "Mbeki", capacity=8, takes=6, sells=1),
    Person("hugo", "Hugo", "Alvarez"),
    Person("ines", "Ines", "Kowalska", capacity=5),
    Person("jonas", "Jonas", "Petrov", availability=Availability.AWAY),
)

CUSTOMERS = (
    Buyer(name="Meridian Coffee Roasters", email="orders@meridian.example"),
    Buyer(name="Halvorsen & Daughters", email="office@halvorsen.example"),
    Buyer(name="Blue Harbour Hotel", email="reception@blueharbour.example"),
    Buyer(name="Tomasz Zielinski", email="tomasz.z@mail.example"),
    Buyer(name="Priya Raman", email="priya.raman@mail.example"),
)

_PRODUCTS = ("Aurora desk lamp", "Nimbus router", "Pico printer", "Terra backpack", "Vela headphones", "Orbit watch",
             "Sierra tent", "Lumen projector", "Cobalt keyboard", "Marina e-bike", "Quill tablet")  # fmt: skip
_CITIES = ("Lyon", "Porto", "Leeds", "Graz", "Turku", "Ghent", "Cork", "Brno", "Malmö")
_PEOPLE = ("Mrs Adeyemi", "Mr Fontaine", "a reseller", "Dr Weiss", "the Silva family", "Ms O'Connor", "a school")

_HIGH = (
    (
        "Charged twice for order {order}",
        "{person} was charged twice for the {product} and wants the {amount} EUR back today.",
    ),
    (
        "{product} gets hot while charging",
        "{person} in {city} smelled burning and has unplugged the {product}. Safety case.",
    ),
    ("Account of {person} taken over", "Somebody ordered a {product} to {city} that {person} knows nothing about."),
)
_MEDIUM = (
    (
        "Where is order {order}?",
        "The {product} should have arrived in {city} last Tuesday. Tracking has not moved since.",
    ),
    (
        "{product} arrived damaged",
        "The box for {person} was dented. Photos are attached; a replacement would be welcome.",
    ),
    ("Wrong colour: {product}", "Order {order} said graphite, the parcel in {city} held sand."),
    (
        "Return of the {product}",
        "{person} asks how to send the {product} back and when the {amount} EUR will be refunded.",
    ),
    ("Invoice for order {order}", "{person} needs an invoice over {amount} EUR with a VAT number for the tax office."),
    ("{product} will not pair", "Tried with two phones after the latest update. It worked until last week."),
    ("Change the address of order {order}", "Please deliver to {city} instead; {person} has moved."),
    (
        "Discount code refused for the {product}",
        "The code from the newsletter is said to have expired, it is from yesterday.",
    ),
    ("Spare part for the {product}", "{person} lost a screw and the small key. Can both be bought in {city}?"),
    (
        "{product} shows error E{number}",
        "The error comes after some ten minutes. Switching it off and on helps for an hour.",
    ),
    ("Cancel order {order}", "Ordered by mistake this morning; the {product} has not been sent yet."),
    (
        "Only half of order {order} came",
        "Two of the four parts for the {product} were in the parcel. Nothing about a second one.",
    ),
    (
        "Warranty of the {product}",
        "Bought in {city} 23 months ago, broken since Monday. {person} has kept the receipt.",
    ),
    (
        "Cannot sign in to see order {order}",
        "The link to reset the password never arrives, also not in the junk folder.",
    ),
)
_LOW = (
    ("Does the {product} work abroad?", "{person} will take it to a country with other plugs and voltage."),
    ("Praise for the {product}", "{person} in {city} writes that it is the best one they have had. Please pass it on."),
    ("Catalogue to {city}, please", "A printed one, if there is still such a thing. {person} does not like screens."),
)

_BY_TEN = (Priority.MEDIUM, Priority.MEDIUM, Priority.LOW, Priority.MEDIUM, Priority.MEDIUM,
           Priority.MEDIUM, Priority.HIGH, Priority.MEDIUM, Priority.MEDIUM, Priority.LOW)  # fmt: skip
"""The priorities of each ten tickets in a row; every other tenth high one is a medium one."""

_TEXTS = {Priority.HIGH: _HIGH, Priority.MEDIUM: _MEDIUM, Priority.LOW: _LOW}


def demo_tickets() -> Iterator[TicketDraft]:
    """Make up the tickets, in order."""
    for n in range(TICKETS):
        priority = _BY_TEN[n % 10]
        texts = _TEXTS[priority]
        subject, description = texts[(n // 10 + n) % len(texts)]
        facts = {
            "order": f"F-{104_000 + 37 * n}",
            "product": _PRODUCTS[(3 * n + n // 11) % len(_PRODUCTS)],
            "city": _CITIES[(5 * n + n // 9) % len(_CITIES)],
            "person": _PEOPLE[(2 * n + n // 7) % len(_PEOPLE)],
            "amount": f"{19 + (n * 53) % 480}.90",
            "number": 10 + n % 80,
        }
        worded = description.format(**facts)
        yield TicketDraft(
            subject=subject.format(**facts),
            description=f"{worded[0].upper()}{worded[1:]}\n\nReference: {REFERENCE}{n + 1:04}",
            priority=priority,
        )
