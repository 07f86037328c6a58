import pytest
from django.test import Client, override_settings

from tests.servers import ask
from tests.waiting import wait_until


@pytest.mark.parametrize("host", ["192.0.2.7", "192.0.2.7:8000", "anything.example"])
@override_settings(ALLOWED_HOSTS=["auth.example.org"], SECURE_SSL_REDIRECT=True)
def test_it_answers_whatever_the_host_is_and_without_a_database(host):
    # Without the mark django_db a test can't use the database.
    answer = Client().get("/healthz", headers={"host": host})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "server": None, "worker": None, "workers": 2}
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"


def test_head_is_answered_and_other_methods_are_refused():
    assert Client().head("/healthz").status_code == 200
    refused = Client().post("/healthz")
    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz/x", "/healthzz", "/v1/healthz", "/HEALTHZ"])
def test_other_paths_stay_those_of_the_dialects(path):
    assert "workers" not in Client().get(path).content.decode()


def test_each_worker_of_a_server_has_its_number_and_all_have_the_servers_id(server):
    answers = []

    def both_have_answered():
        answers.append(ask(server, "/healthz"))
        return len({each["worker"] for each in answers}) == 2

    wait_until(both_have_answered)
    assert {each["worker"] for each in answers} == {1, 2}
    assert {(each["status"], each["workers"]) for each in answers} == {("ok", 2)}
    assert len({each["server"] for each in answers}) == 1
    assert answers[0]["server"]
