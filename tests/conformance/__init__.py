"""The conformance vectors of `docs/conformance`, and what runs them."""
