"""simplejwt as it is mostly used: an access token is good until it expires, a refresh token until it is blacklisted."""
