"""`mailserver status`: what is wrong with the service, and what to do, in a sentence each.

In: the supervisor's window, what workers told, the store, disks, certificates, keys.
Out: findings and an exit status.  May not write: the disk may be full.
"""
