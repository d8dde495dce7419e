"""Tests of `smtp_relay.inbound.connection`."""
