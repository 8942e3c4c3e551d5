"""A server for tests: the application on a model, and what a client reads from its streams."""

import json

from scribe.hands.catalogue import Catalogue
from scribe.web.limits import Limits


def make_app(model, catalogue=None, recogniser=None, others=(), **limits):
    """The application; without a catalogue there are no hands to choose from."""
    from scribe.web.app import create_app

    hosts = limits.pop("hosts", ())
    return create_app(model, recogniser, catalogue or Catalogue([], {}), list(others), Limits(**limits), hosts)


def events_of(content):
    """The events of a stream as (name, content)."""
    events = []
    for part in content.strip().split("\n\n"):
        name, data = part.split("\n", 1)
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events
