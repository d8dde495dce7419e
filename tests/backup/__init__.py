"""Backups of a whole service, and what becomes of them."""
