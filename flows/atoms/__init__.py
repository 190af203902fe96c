"""What a flow may need: ports to the outside, tags that travel with a request, values made once."""
