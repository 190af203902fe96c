"""Who is asking: bound anew for every request."""

from flows.engine import Tag

from flows.actor import Actor

actor = Tag[Actor]("actor")
