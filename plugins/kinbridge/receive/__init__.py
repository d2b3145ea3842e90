"""Receive: the steps that a delivery goes through, each one transaction, each safe to repeat after a kill."""


def preload() -> None:
    """Import what the steps need, for a process whose forks will take them: it saves each task seconds of imports."""
    import great_expectations  # noqa: F401

    import kinbridge.receive.collect
    import kinbridge.receive.load
    import kinbridge.receive.receipt
    import kinbridge.receive.validate  # noqa: F401
