"""What of a store lies beside its database: bodies, the reserve, the room on the disk.

In: octets of large bodies, and names of those that no row needs.  Out: durable
files, and how much room is left.  Knows no statement and no table.
"""
