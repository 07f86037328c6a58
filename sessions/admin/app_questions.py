"""The words of the pages that ask staff about an app."""

from sessions.admin.confirm import Question, count_of_sessions
from sessions.bulk.preview import Preview
from users.models import App

_AGAIN = "The users log in again to go on."


def switch_off_question(app: App, found: Preview, url: str, *, back: str) -> Question:
    happens = [
        f"Every token of {app.name} is refused from the next request on, on all devices.",
        f"{count_of_sessions(found.count)} of {_users(found.users)} end, and their devices receive no pushes for them.",
        "Nobody can log in to the app or register a device, until somebody switches it on.",
        "Switching it on brings no session back. The users log in again.",
    ]
    title = f"Switch {app.name} off?"
    button = f"Switch off and end {count_of_sessions(found.count)}" if found.count else "Switch it off"
    return Question(title, button, url, back, happens, icon="block")


def cut_off_question(app: App, found: Preview, url: str, *, back: str) -> Question:
    ends = f"{count_of_sessions(found.count)} of {_users(found.users)} end: all that were opened until now."
    if found.selection.cuts_off:
        ends += " All of them are refused at once. Then they are ended in batches."
    who = "Sessions of superusers go on." if found.selection.spare_superusers else ""
    again = "Staff log in to the admin again, you too." if app.is_admin else _AGAIN
    happens = [ends, *filter(None, [who]), f"{app.name} stays on. {again}"]
    title = f"End all sessions of {app.name}?"
    return Question(title, f"End {count_of_sessions(found.count)}", url, back, happens)


def switch_on_question(app: App, url: str, *, back: str) -> Question:
    happens = [
        f"Users can log in to {app.name}, and devices can register.",
        "The sessions of before stay refused. The users log in again.",
    ]
    title = f"Switch {app.name} on?"
    return Question(title, "Switch it on", url, back, happens, icon="check_circle", is_harmless=True)


def _users(count: int) -> str:
    return f"{count:,} user{'' if count == 1 else 's'}"
