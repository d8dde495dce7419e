"""Tests of mailserver.quota."""
