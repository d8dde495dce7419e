"""Tests of the shell around POP3 sessions."""
