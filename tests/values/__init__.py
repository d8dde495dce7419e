"""Addresses, ids, replies, secrets, NUMENs."""
