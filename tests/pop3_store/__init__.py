"""Tests of door 2: transcripts against the core, and against the live door."""
