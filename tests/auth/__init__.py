"""The gate, its backends, and passwords."""
