"""How a session begins. `sessions.logout` is how it ends.

| module | who begins a session |
| --- | --- |
| `with_refresh` | a user who logs in to ZAP |
| `on_device` | a user who logs in to Buddy |
| `by_cookie` | a user who logs in to the admin or the account page |
| `new_session` | an app on a device, without a user |

Each log-in calls `admission.require_factor` first.
"""
