"""mailserver/directory/reading, tested."""
