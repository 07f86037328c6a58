"""How a live server takes a phone's tokens: asked often enough that each of its workers has answered."""

# Each over a connection of its own, and the kernel deals these out to the workers: that 20 miss one
# of two happens once in half a million times.
TRIES = 20


def accepted_of(phone) -> int:
    """How many of ``TRIES`` requests with the phone's access token, and of one refresh, are accepted."""
    accepted = sum(phone.me().status != 401 for _ in range(TRIES))
    if phone.refresh_token:
        accepted += phone.refresh().status != 401
    return accepted
