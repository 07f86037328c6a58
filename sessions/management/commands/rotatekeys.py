"""Rotate the keys that sign tokens, one step at a time, or replace them at once after a leak."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from sessions.bulk.preview import Preview
from sessions.bulk.runs import find_interrupted, sweep_run
from sessions.management.bulk_command import BulkCommand
from sessions.management.operators import INTERRUPTED, NOT_CONFIRMED, WRONG, shown
from sessions.management.options import argument
from sessions.models import BulkRun, SigningKey
from sessions.rotation import times
from sessions.rotation.orders import change_keys, keys_after, report_leak
from sessions.rotation.places import Place, PlaceError
from sessions.rotation.ring import in_one_line, kids_in
from sessions.rotation.state import State, Step, objections, read_state, wait_for_silent
from sessions.selection.selection import Selection
from sessions.selection.values import duration
from sessions.tokens.published import KEYS_LIVE
from users.record.operator import operator_name

LEAKED = "leaked"
_MEANING = {
    Step.ADD: "make a new key behind the one that signs, so that servers verify with it and services can fetch it",
    Step.SIGN: "put the new key in front, so that it signs",
    Step.DROP: "drop the old key, which verifies no live token any more",
}
_ON_EACH = "Copy SIGNING_KEYS to the other servers, and restart all servers, one after the other."
_AFTER = {
    Step.ADD: f"{_ON_EACH} The new key does not sign yet. Next step: rotatekeys sign",
    Step.SIGN: f"{_ON_EACH} Each one signs with the new key from then on. Next step: rotatekeys drop",
    Step.DROP: f"{_ON_EACH} Then the rotation is done.",
}


class Command(BulkCommand):
    help = (
        "Rotate the keys that sign tokens. Without a step it shows the keys and the next step. `add`, `sign` and `drop`"
        " log nobody out. `leaked` replaces all keys at once and logs everybody out. Exit codes: 0 done, 1 it failed, "
        "2 an option or the step is wrong, 3 the step would harm somebody now, or is not confirmed; after 2 and 3 "
        "nothing was changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("step", nargs="?", choices=[*Step, LEAKED], help="what to do; left out: show the next step")
        parser.add_argument(
            "--env-file", metavar="FILE", type=Path, help="the file of environment variables that has SIGNING_KEYS"
        )
        parser.add_argument(
            "--print",
            action="store_true",
            help="change no file, and print the new SIGNING_KEYS with the private keys in it",
        )
        parser.add_argument(
            "--caches",
            metavar="TIME",
            type=argument(duration),
            default=KEYS_LIVE,
            help="how long other services keep the keys, such as 1h. Default: 5m",
        )
        parser.add_argument("--force", action="store_true", help="take the step, although it harms somebody now")
        parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is recorded")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
        parser.add_argument("--confirm", metavar="DIGEST", help="with leaked: the digest of the dry run")

    def handle(self, *args: Any, **options: Any) -> None:
        state = read_state(settings.SIGNING_KEYS)
        if options["step"] is None:
            self._show(state, options["caches"])
        elif options["step"] == LEAKED:
            self._replace_leaked(options)
        else:
            self._take(Step(options["step"]), state, options)

    # --- the normal order ---------------------------------------------------------------------------

    def _show(self, state: State, caches: timedelta) -> None:
        for kid in state.kids:
            use = "signs" if kid == state.signing else "new, verifies" if kid in state.new else "old, verifies"
            self.stdout.write(f"key     {kid}  {use}")
        for server in state.servers:
            ours = "the same keys" if server.kids == state.kids else "other keys"
            started = f"started {server.started_at:%Y-%m-%d %H:%M:%S} UTC"
            self.stdout.write(f"server  {shown(server.name)}  {ours}, {started}")
        for server in state.silent:
            self.stdout.write(f"server  {shown(server.name)}  silent since {server.seen_at:%Y-%m-%d %H:%M:%S} UTC")
        if not state.servers:
            self.stdout.write("server  none runs")
        self.stdout.write(f"Next step: rotatekeys {state.next}: {_MEANING[state.next]}.")
        for each in objections(state.next, state, caches=caches):
            self.stdout.write(f"Not yet: {shown(each)}")

    def _take(self, step: Step, state: State, options: dict[str, Any]) -> None:
        if step is Step.SIGN and not state.new:
            raise CommandError("There is no new key. `rotatekeys add` makes one.", returncode=WRONG)
        if step is Step.DROP and not state.old:
            raise CommandError("There is no old key to drop.", returncode=WRONG)
        hand_over = self._destination(options)
        state = self._when_told(state)
        found = _objections(step, state, options)
        if options["dry_run"]:
            self.tell(f"Would {_MEANING[step]}. Nothing was changed.")
            return
        for each in found:
            self.tell(f"Forced, although: {each}")
        pem = keys_after(step, settings.SIGNING_KEYS, state)
        _placing(
            lambda: change_keys(
                settings.SIGNING_KEYS,
                pem,
                step=step,
                hand_over=hand_over,
                forced=bool(found),
                note=options["reason"].strip(),
                by=operator_name(),
            )
        )
        self.tell(_AFTER[step])

    def _when_told(self, state: State) -> State:
        """Return the state after every running server had the time to tell which keys it has."""
        if not state.silent:
            return state
        names = ", ".join(shown(server.name) for server in state.silent)
        self.tell(
            f"Silent for over a minute: {names}. After an outage a running server tells its keys again. Waiting for"
            f" that, up to {times.TOLD_WITHIN.seconds} seconds."
        )
        wait_for_silent(state)
        return read_state(settings.SIGNING_KEYS)

    # --- the emergency ------------------------------------------------------------------------------

    def _replace_leaked(self, options: dict[str, Any]) -> None:
        """Replace all keys, report them as leaked, and end every session. Raises: CommandError."""
        hand_over = self._destination(options)
        found = Preview(Selection(everyone=True))
        interrupted = find_interrupted(found.selection, source=BulkRun.Source.COMMAND)
        if options["dry_run"]:
            self.tell("Would replace all keys by a new one, and log everybody out. Nothing was changed.")
            self.show(found, interrupted)
            return
        _check_not_reported(options["force"])
        self.confirmed(found, options["confirm"], interrupted=interrupted, may_ask=True)
        note = options["reason"].strip() or "the signing keys have leaked"
        _placing(lambda: report_leak(settings.SIGNING_KEYS, hand_over=hand_over, note=note, by=operator_name()))
        self.tell(
            "All earlier keys are reported as leaked. A server that has one stops within ten seconds, and does not"
            " start again with it. Copy SIGNING_KEYS to the other servers, and start all servers."
        )
        if found.is_empty():
            self.done(None, "No session is open.")
            return
        self._end_all(found, note)

    def _end_all(self, found: Preview, note: str) -> None:
        # The order was confirmed, and the keys are replaced: no number of sessions stops it now.
        run = self.start(found, note=note, expected=sys.maxsize)
        try:
            self.sweep(run, sweep_run(run))
        except CommandError as error:
            if error.returncode != INTERRUPTED:
                raise
            told = "interrupted. The keys are replaced. This ends the other sessions: manage.py logout --everyone"
            raise CommandError(told, returncode=INTERRUPTED) from error

    # --- where the keys go --------------------------------------------------------------------------

    def _destination(self, options: dict[str, Any]) -> Callable[[str], None]:
        """Return the function that takes the new keys. Raises: CommandError."""
        if options["print"] and options["env_file"]:
            raise CommandError("Choose one: --print or --env-file.", returncode=WRONG)
        if options["print"]:
            return lambda pem: self.stdout.write(f"SIGNING_KEYS='{in_one_line(pem)}'")
        if options["env_file"]:
            place = Place(options["env_file"], as_line=True)
        elif settings.SIGNING_KEYS_FILE is not None:
            place = Place(settings.SIGNING_KEYS_FILE, as_line=False)
        else:
            raise CommandError(
                "The keys are in the environment variable SIGNING_KEYS, which a command can't change. Give the file"
                " that sets it, --env-file FILE, or --print.",
                returncode=WRONG,
            )
        return lambda pem: place.replace(settings.SIGNING_KEYS, pem)


def _objections(step: Step, state: State, options: dict[str, Any]) -> list[str]:
    """Return what is wrong with a step that is forced. Raises: CommandError, if it is not forced."""
    found = [shown(each) for each in objections(step, state, caches=options["caches"])]
    if found and not options["force"]:
        told = "\n".join([*found, "Nothing was changed. --force takes the step all the same."])
        raise CommandError(told, returncode=NOT_CONFIRMED)
    return found


def _placing(work: Callable[[], None]) -> None:
    try:
        work()
    except PlaceError as error:
        raise CommandError(f"{error} Nothing was changed.") from error


def _check_not_reported(is_forced: bool) -> None:
    """Check that the keys of this environment are not reported already. Raises: CommandError."""
    kids = kids_in(settings.SIGNING_KEYS)
    reported = SigningKey.objects.filter(pk__in=kids).exclude(leaked_at=None).order_by("leaked_at").first()
    if reported is None or reported.leaked_at is None or is_forced:
        return
    raise CommandError(
        f"These keys were reported as leaked at {reported.leaked_at:%Y-%m-%d %H:%M:%S} UTC. A new one was made then:"
        " load it into this environment. --force makes another new one, and reports that one as leaked, too.",
        returncode=NOT_CONFIRMED,
    )
