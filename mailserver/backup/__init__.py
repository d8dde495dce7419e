"""Backups of a whole service, and what makes a service of one again.

Owns the form of a backup on disk (`manifest`), what belongs to it (`places`),
how it is made while the service runs (`making`) and put back (`restoring`).
In: a service that may run, or a backup.  Out: the other.  Called by the command line.
May not know a database: the store copies its own.
"""
