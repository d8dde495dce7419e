"""Provisioning: from the files of the personnel office to people in the store.

    reading/    octets -> rows of values, and what is wrong with them
    deciding/   rows against what is kept -> a plan of changes, each with its reason
    plan_file   a plan as a file;  corrections: what could not go in, as a file to correct
    applying    changes -> the store, in slices; and back
    letters/    first passwords on paper
    imports, service     what is asked of the store and of the settings
    visibility  who sees what of an entry

A NUMEN goes in at `rows` and comes out of `people` as two keyed digests; no
value of this room beyond that holds one.  In: files, and words of an operator.  Out: changes
through `imports`.  May not know statements or a door; called by the CLI, the keeper and the demo.
"""
