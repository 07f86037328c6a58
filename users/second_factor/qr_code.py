"""The QR code with which an authenticator app reads a new secret."""

import segno

from users.second_factor.enabling import NewSecret


def qr_code_of(secret: NewSecret) -> str:
    """Return the secret's QR code: a PNG as a data URL."""
    # A black and white PNG of some 500 to 1000 bytes. Most screens show the code well at five pixels a square.
    return segno.make(secret.uri, error="m", micro=False).png_data_uri(scale=5)
