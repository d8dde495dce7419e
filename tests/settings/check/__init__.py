"""Tests of what `config check` finds."""
