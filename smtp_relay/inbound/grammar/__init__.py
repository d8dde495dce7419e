"""The syntax of command lines: paths, ESMTP parameters, SASL messages.

In: text or octets as they were sent.  Out: values, or an error that says why not.
Pure; may not know who sends, the store, or any other folder.
"""
