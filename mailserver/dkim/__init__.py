"""Signing what leaves (RFC 6376, RFC 8463): canonical forms, hashes, keys, the record to publish.

Pure but for the key files.  Used by the doors that accept a message and by
whoever makes one; verification comes with the rest of sender authentication.
"""
