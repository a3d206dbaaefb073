"""What can keep the local runner from working, in words for the person at the terminal."""


class LocalError(Exception):
    """The runner cannot start or go on; the message says why and what to do."""


class TemplateError(LocalError):
    """template.yaml, samconfig.toml or a file they name cannot be used."""


class PortTakenError(LocalError):
    """Another process listens on the port already."""

    def __init__(self, port: int, variable: str) -> None:
        super().__init__(f"port {port} is taken: stop what listens there, or set {variable} to a free port")


class DemoError(LocalError):
    """Something in the demonstration came out otherwise than it should."""
