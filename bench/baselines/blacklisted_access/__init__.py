"""simplejwt with the way to end an access token that its own classes offer: it is on the blacklist, too."""
