"""Tests of `smtp_relay.inbound.grammar`."""
