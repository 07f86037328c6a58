"""The account, the app and the device of the canary. They belong to the service, so nobody changes them."""

# The id of the account, the app and the device: "canary" in ASCII. All other ids are random.
CANARY_ID = "63616e617279000000000000"
# The text for staff and operators who want to change, disable or delete it.
BELONGS_TO_CANARY = (
    "It belongs to the canary, which tests all the time that logged-out tokens are refused. Nobody can log in with "
    "it, and it can't be changed. To stop the canary, set CANARY_EVERY=0 and restart the servers."
)
