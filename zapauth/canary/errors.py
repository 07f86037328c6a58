class CannotMeasure(Exception):
    """Nothing is known about the bound: a worker was not reached, or the service is away. The text says why."""
