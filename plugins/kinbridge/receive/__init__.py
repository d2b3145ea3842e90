"""Receive: the steps that a delivery goes through, each one transaction, each safe to repeat after a kill."""


def preload() -> None:
    """Import and read what the steps need, for a process whose forks will take them: it saves each task seconds.

    Declarations are read for their texts: a text that is the same when a task reads it is not taken apart again.

    What is there by then is never looked at by the garbage collector again. In each fork every full collection would
    go through three hundred thousand objects of libraries, a quarter of a second each time, and make the fork's own
    copy of the memory that they share.
    """
    import gc

    import great_expectations  # noqa: F401

    import kinbridge.receive.collect
    import kinbridge.receive.load
    import kinbridge.receive.receipt
    import kinbridge.receive.validate  # noqa: F401
    from kinbridge.errors import catalogue
    from kinbridge.validation.documents import page_maker

    catalogue()
    page_maker()
    _read_declarations()
    gc.collect()
    gc.freeze()


def _read_declarations() -> None:
    """Take the declarations of now apart, and leave what is wrong with them to the tasks, which say so."""
    from contextlib import suppress

    from kinbridge.agreement.reader import read_agreements, read_use_cases
    from kinbridge.contract.odcs import feeds
    from kinbridge.errors import KinbridgeError

    for read in (feeds, read_agreements, read_use_cases):
        with suppress(KinbridgeError, OSError):
            read()
    # The texts' documents stay known; which contracts there are, each task finds out for itself.
    feeds.cache_clear()
