"""simplejwt as most projects use it: an access token is valid until it expires, a refresh token until a logout."""
