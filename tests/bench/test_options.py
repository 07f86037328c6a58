import pytest

from bench.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--only", "nonsense"],
            "there is no 'nonsense'; there are read, gate, logout, refresh, login, drivers, sizes",
        ),
        (["--only", "read,"], "there is no ''"),
        (["--rounds", "0"], "'0' is not a number of rounds"),
        (["--quick", "--report"], "--quick is too inexact for --report"),
        (["--json", "/no/such/folder/file"], "there is no folder"),
    ],
)
def test_a_wrong_option_is_refused_and_says_why(capsys, arguments, said):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert said in capsys.readouterr().err
