"""`config check`: what is wrong or unwise in settings that are well-formed, a sentence each.

In: settings, and what this machine says of ports, disks, keys and certificates.  Out: findings.
May not change or start anything, nor ask the network.
"""
