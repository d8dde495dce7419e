"""Tests of `smtp_relay.inbound.authors`."""
