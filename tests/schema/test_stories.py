"""Sequences of calls that follow the links of the description: registration, login, logout, refusal."""

from collections import Counter

import requests
from hypothesis import HealthCheck, Phase, settings

STORIES = settings(
    max_examples=50,
    stateful_step_count=12,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
CALLS = 400


def test_stories_that_follow_the_links_find_every_answer_as_documented_and_dead_tokens_dead(live):
    from tests.schema.stories import LOGOUTS, Story
    from users.clients import create_app

    Story.base_url, Story.app, Story.problems, Story.answered = live.base_url, create_app("Stories"), {}, Counter()
    with requests.Session() as Story.wire:
        Story.wire.trust_env = False  # it would look for a proxy before each request
        Story.run(settings=STORIES)
    assert not Story.problems, "\n\n".join(Story.problems.values())
    assert Story.answered.total() >= CALLS
    # The stories reached enough calls. The set depends on the code, because hypothesis then draws other cases.
    for ways in ({"zapLogIn"}, {"buddyLogIn"}, LOGOUTS, {"zapDeleteUser", "buddyDeleteUser", "buddyDeleteOwnUser"}):
        assert any(Story.answered[operation, 200] for operation in ways), ways
