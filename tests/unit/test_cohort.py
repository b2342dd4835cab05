"""The independent computation of the batch cohorts, on figures a person can check."""

from __future__ import annotations

from closeout.gaps.sql.probing import cohort

_BATCHES = cohort.rows("batch_id,tenant_id,farm_id,placed_count\nB,T,F,100\n")
_DAILY = cohort.rows(
    "batch_id,record_date,animal_count,mortality_count,cull_count,recorded_at\n"
    "B,2025-02-27,100,6,4,2025-02-27 18:00\n"
    "B,2025-02-28,99,50,50,2025-02-28 08:00\n"
    "B,2025-02-28,90,10,,2025-02-28 18:00\n"
    "B,2025-03-01,80,,5,2025-03-01 18:00\n"
)
_RIGHT = {
    "batch_id": "B",
    "batch_duration_days": "2",
    "survival_rate": repr(1.0 - 25 / 270),
    "animals_lost": "25",
}


def test_cohorts_count_a_null_as_none_and_a_resent_day_once() -> None:
    """10 and 10 and 5 animals are lost; the morning's first word on the 28th does not count."""
    (made,) = cohort.cohorts(_BATCHES, _DAILY)
    assert (made.lost, made.duration, made.has_gaps) == (25, 2, True)
    assert made.survived == 0.75
    assert made.survival == 1.0 - 25 / 270


def test_differences_accepts_the_right_row_and_names_each_wrong_figure() -> None:
    """A row with lost deaths differs in both figures that they enter."""
    expected = cohort.cohorts(_BATCHES, _DAILY)
    assert cohort.differences(expected, [_RIGHT]) == ()
    wrong = cohort.differences(
        expected, [{**_RIGHT, "survival_rate": "0.96", "animals_lost": "10"}]
    )
    assert [text.split()[1] for text in wrong] == ["survival_rate", "animals_lost"]


def test_differences_reports_missing_and_foreign_batches() -> None:
    """Rows that are absent or come from nowhere are differences too."""
    told = cohort.differences(cohort.cohorts(_BATCHES, _DAILY), [{"batch_id": "X"}])
    assert set(told) == {"X is no batch of the source", "B is missing"}


def test_farm_differences_sees_a_cut_fraction_and_a_stored_call() -> None:
    """16 deaths in 3 days are 5.3333 a day; integer division says 5."""
    expected = cohort.daily_mortality(_BATCHES, _DAILY)
    row = {"tenant_id": "T", "farm_id": "F", "avg_daily_mortality": "5", "computed_at": "now()"}
    told = cohort.farm_differences(expected, [row])
    assert told == ("T/F avg_daily_mortality 5 for 5.3333", "T/F computed_at holds 'now()'")


def test_explanation_states_both_figures() -> None:
    """The order's denominator and the share of the animals placed stand side by side."""
    told = cohort.explanation(cohort.cohorts(_BATCHES, _DAILY))
    assert "gives 0.9074" in told
    assert "0.7500 survived" in told
