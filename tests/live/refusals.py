"""Check whether a live server accepts a phone's tokens, often enough that each worker answers."""

# Each request has its own connection, which the kernel gives to one of the workers. The chance that 20 requests
# all miss one of two workers is one in half a million.
TRIES = 20


def accepted_of(phone, *, tries: int = TRIES) -> int:
    """Count how many of ``tries`` requests with the phone's access token, and of one refresh, are accepted."""
    accepted = sum(phone.me().status != 401 for _ in range(tries))
    if phone.refresh_token:
        accepted += phone.refresh().status != 401
    return accepted
