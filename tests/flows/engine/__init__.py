"""Tests of the engine: one for each sentence of what must be true of it."""
