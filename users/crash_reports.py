"""Store crash reports that apps send. Staff read them in the admin."""

from users.clock import database_now
from users.models import CrashReport, Device
from users.throttling import Allowance, count_attempt
from users.transactions import in_transaction

MOST_OF_DEVICE = 100


def keep_crash_report(device_id: str, *, stack_trace: str, message: str = "", method_name: str = "") -> None:
    """Store a crash report of a device. Long texts are cut. Only the 100 newest reports of a device stay.

    Raises: TooManyAttempts.
    """
    count_attempt(Allowance("crash_report", device_id))
    _keep(
        device_id,
        stack_trace=stack_trace[: CrashReport.STACK_TRACE_LENGTH],
        message=message[: CrashReport.MESSAGE_LENGTH],
        method_name=method_name[: CrashReport.METHOD_NAME_LENGTH],
    )


@in_transaction
def _keep(device_id: str, **texts: str) -> None:
    # Reports of the same device wait for this lock, so that each one sees how many there are.
    device = Device.objects.select_for_update(no_key=True).get(pk=device_id)
    CrashReport.objects.create(device=device, created_at=database_now(), **texts)
    newest_first = CrashReport.objects.filter(device=device).order_by("-created_at", "-pk")
    CrashReport.objects.filter(pk__in=newest_first.values("pk")[MOST_OF_DEVICE:]).delete()
