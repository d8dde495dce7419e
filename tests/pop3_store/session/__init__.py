"""Tests of POP3 sessions, without a socket."""
