"""mailserver/directory/deciding, tested."""
