"""simplejwt with its own way to end an access token: its blacklist also holds access tokens."""
