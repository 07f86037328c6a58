import pytest


@pytest.fixture(autouse=True)
def _quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same Argon2 with little to do: what is tested here hashes a thousand passwords."""
    from users.credentials import OwaspArgon2

    monkeypatch.setattr(OwaspArgon2, "memory_cost", 64)
    monkeypatch.setattr(OwaspArgon2, "time_cost", 1)
