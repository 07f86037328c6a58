"""The errors of the canary."""


class CannotMeasure(Exception):
    """The bound can't be measured: a worker was not reached, or the service is away. The text says why."""
