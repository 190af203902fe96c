"""Other servers that do the same work, as their users write them."""
