"""Why a script, or a sync, could not be done."""


class RunFailedError(Exception):
    """The run fails with this.

    Parameters
    ----------
    message : str
        For the run's owner.
    code : str
        The run's error code.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
