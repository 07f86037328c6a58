"""The second factor: six-digit codes from an authenticator app (TOTP), and recovery codes for a lost phone.

- `users.second_factor.enabling` switches a user's factor on and off.
- `users.second_factor.codes` checks codes. Each code works once.

The database's clock decides which codes are valid.
"""
