"""Cutting the power of a real service at every answer, without a real power cut.

strace writes down what the service's processes write, sync, rename and send
(`trace`); `disk` is a file system that forgets everything unsynced; `cuts`
rebuilds the store at the instants when a promise left the house and asks the
store itself what it still knows.  `service` is the traced program, `recipe`
runs it under load.  `python -m tests.powercut` is the long form.
"""
