"""Tests of `smtp_relay.inbound.message`."""
