"""The four statements that end sessions. Only `sessions.logout` runs them, and nothing else ends a session.

Each one does three things at once. It ends the sessions: after its commit, authentication refuses them. It blacklists
their refresh tokens, if the dialect has any. And it takes their device tokens from their users, unless a newer session
of the same user holds the token: `DeviceToken.held_by` names the session that brought it last. `end_by_rule` passes
the token on to another open session, if there is one.

`own` has the first two statements, `locked` the others.

| statement | ends | called for |
| --- | --- | --- |
| `end_own` | one session, unlocked, if it has not changed | a user's logout |
| `end_own_and_open` | the same, and opens an app-level session | a user's logout in Buddy |
| `end_locked` | locked sessions | every other order |
| `end_by_rule` | locked sessions | time-outs and the limit of sessions |

All of them set `synchronous_commit` for their commit. If the database had a weaker default, a crash could lose
a logout that was answered, and a replica could still accept the token.
"""
