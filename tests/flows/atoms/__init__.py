"""Tests of what a flow may need."""
