"""Who, and on what: users, the apps they use, their devices, and the push addresses of those."""
