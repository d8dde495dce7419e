"""Signing what leaves (RFC 6376, RFC 8463): canonical forms, hashes, keys, the record to publish.

Used by the door that accepts a message and by whoever makes one; verification
comes with the rest of sender authentication.  Pure but for the reading of the
key files.  In: a header block and the digest of a body.  Out: fields
to put before it.  May not know a door, nor where a message goes.
"""
