"""Tests of the flows: no Django, no database, about a millisecond each."""
