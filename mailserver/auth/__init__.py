"""Who may sign in: one gate for every door, passwords, and the pool that hashes.

Called by doors and by the CLI; imports values, settings, telemetry and the
store's ports.  The backend behind the gate is the store's `Credentials`; another
(a directory server) would implement `backend.CredentialBackend`.
"""
