"""Making a service: its folder, settings file, key and certificate, store and postmaster.

Called by the CLI and the demo.  May import the store, settings and values of
the core; knows no door and no supervisor.
"""
