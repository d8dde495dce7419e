"""Tests of `smtp_relay.inbound.commands`."""
