"""Who may sign in: one gate for every door, passwords, and the pool that hashes.

In: a user name and a password as octets.  Out: an account, a refusal, or "later"; never which of
them was wrong.  Called by doors and by the CLI.  May not know a protocol.  The backend behind the
gate is the store's `Credentials`; another (a directory server) would implement
`backend.CredentialBackend`.
"""
