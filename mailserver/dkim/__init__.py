"""Signing what leaves (RFC 6376, RFC 8463): canonical forms, hashes, keys, the record to publish.

Used by the door that accepts a message and by whoever makes one; verification
comes with the rest of sender authentication.  Pure but for the reading of the
key files.  May import values, settings and telemetry; knows no door.
"""
