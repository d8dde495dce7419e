"""Small changes to the code at random, and which of them no test of the same room finds.

In: the rooms to sample, a seed.  Out: survivors, and a table of rooms.  `changes` knows
what can be changed in a text of Python (pure), `rooms` which tests speak for a module,
`trial` shows a change to them in a copy of the tree, `session` holds a room's tests,
imported once, `watch` notes which test runs which lines, `report` prints.  The tree
itself is never touched.
"""
