"""Tests of the tools of the repository."""
