"""Provisioning: from the files of the personnel office to people in the store.

    tables      octets -> rows, with the encoding and the delimiter that were found
    columns     what headers mean, in French and English: data
    rows        cells -> values, and what is wrong with them
    units, posts, people, naming     values -> the documents that are wanted
    plan, plan_file, reasons         wanted against kept -> changes, as a file
    applying    changes -> the store, in slices; and back
    corrections what could not go in, as a file to correct

A NUMEN goes in at `rows` and comes out of `people` as two keyed digests; no
value of this room beyond that holds one.  Called by the CLI and the demo.
"""
