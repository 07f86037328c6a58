"""The session that a browser has on the account page. The functions are those of `sessions.browser`."""

from sessions.browser import find_session, log_in
from sessions.browser import log_out_of_browser as log_out

__all__ = ["find_session", "log_in", "log_out"]
