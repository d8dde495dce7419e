"""Making a service: its folder, settings file, key and certificate, store and postmaster.

In: names that an operator gave.  Out: files, whole or not at all.  Called by the CLI and the demo.
May not know a door or the supervisor.
"""
