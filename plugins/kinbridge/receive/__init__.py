"""Receive: the steps that a delivery goes through, each one transaction, each safe to repeat after a kill."""


def preload() -> None:
    """Import and read what the steps need, for a process whose forks will take them: it saves each task seconds."""
    import great_expectations  # noqa: F401

    import kinbridge.receive.collect
    import kinbridge.receive.load
    import kinbridge.receive.receipt
    import kinbridge.receive.validate  # noqa: F401
    from kinbridge.errors import catalogue
    from kinbridge.validation.documents import page_maker

    catalogue()
    page_maker()
