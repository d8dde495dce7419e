"""The demonstration: a fictional academy, its people and schools, and a tour.

`cast` reads who is there from `config/demo.toml`; `academy` makes the service; `screen` says what
to try; `tour` sends one message and follows it.  In: a folder and a seed.  Out: a service with
people, and a tour.  Called by the CLI. May not know a door: it talks to them over the wire, as mail
programs do.
"""
