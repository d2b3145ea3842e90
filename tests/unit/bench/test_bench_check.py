"""The generated declarations hold, but for decisions: otherwise the benchmark would time something else."""

from kinbridge.bench.check import run_check


def test_only_decisions_are_missing() -> None:
    measured = run_check(12, 6)
    # Each agreement, the use case and the standard wait for a decision.
    assert measured.problems == 12 + 2
    assert measured.seconds > 0
    assert "12 agreements and 6 feeds" in measured.to_text()
