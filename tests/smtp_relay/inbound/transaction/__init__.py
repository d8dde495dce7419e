"""Tests of `smtp_relay.inbound.transaction`."""
