"""What of a store lies beside its database: bodies, the reserve, the room on the disk.

In: octets of large bodies, and names of those that no row needs.  Out: durable
files, and how much room is left.  May not know a statement or a table.
"""
