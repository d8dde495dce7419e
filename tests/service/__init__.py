"""The whole service, driven as a newcomer would: real programs, real messages, one NUMEN."""
