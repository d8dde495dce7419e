"""Tests of `mailserver.values.text`."""
