"""mailserver/directory/letters, tested."""
