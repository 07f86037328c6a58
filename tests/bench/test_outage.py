"""How the outage bench evaluates the answers of one worker."""

from bench.outage import Answer, figures

AWAY, BACK = 10.0, 20.0


def answers(*facts):
    return [Answer(began, ended, status, worker=1) for began, ended, status in facts]


def test_the_first_success_counts_from_the_databases_return_and_a_wait_overlaps_the_outage():
    found = figures(answers((5, 9.5, 200), (9.9, 12, 503), (19, 20.5, 503), (20.6, 20.75, 200)), AWAY, BACK)
    assert found["first_success_s"] == 0.75
    assert found["longest_wait_s"] == 2.1
    assert (found["failed_after"], found["last_failure_s"]) == (0, None)
    assert found["statuses"] == {200: 2, 503: 2}


def test_a_failure_after_the_first_success_counts_even_if_it_began_before():
    found = figures(answers((12, 21, 200), (11, 22.5, 500)), AWAY, BACK)
    assert (found["failed_after"], found["last_failure_s"]) == (1, 1.5)


def test_a_worker_that_never_answers_has_no_first_success():
    assert figures(answers((12, 21, 503)), AWAY, BACK)["first_success_s"] is None
