"""Tests of the delivery agent, over the real store and real sockets."""
