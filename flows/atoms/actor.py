"""Who is asking: bound anew for every request."""

from flows.actor import Actor
from flows.engine import Tag

actor = Tag[Actor]("actor")
