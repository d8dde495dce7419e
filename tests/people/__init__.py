"""Names: identifiers, addresses, establishments."""
