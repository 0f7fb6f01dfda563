"""What a budget costs, and the choice among several."""

import pytest
import torch

from jumbo_backbone import BudgetProfile, BudgetTable, ComputeBudget, profile_budgets
from jumbo_backbone.budgets.flops import count_flops
from tests.conftest import images, tiny_model

FULL, HALF, SMALL = ComputeBudget(), ComputeBudget(0.5), ComputeBudget(resolution=0.5)


def made_table(*rows: tuple[ComputeBudget, float, float | None]) -> BudgetTable:
    return BudgetTable(BudgetProfile(budget, 10**9, latency, 2**20, metric) for budget, latency, metric in rows)


TABLE = made_table((FULL, 30.0, 80.0), (HALF, 20.0, 79.5), (SMALL, 10.0, 75.0))


def test_profiles_cost_and_metric():
    model, x, asked = tiny_model(), images(2, 3, 64, 64), []

    def evaluate(budget):
        asked.append(budget)
        return budget.keep_rate

    table = profile_budgets(model, x, [FULL, HALF, FULL, SMALL], evaluate=evaluate, repeats=3)
    assert [row.budget for row in table] == asked == [FULL, HALF, SMALL]
    for row in table:
        assert row.flops == count_flops(model, x, budget=row.budget)
        assert row.latency_ms > 0
    assert table[0].flops > table[1].flops > table[2].flops
    assert table[0].memory_bytes > table[2].memory_bytes


def test_memory_is_what_lives_at_once():
    def two_then_one(x, budget):
        a = x + 1  # 4 MB, dies with the line after next
        b = a + 1
        del a
        return b + 1

    x = torch.zeros(1_000_000)
    (row,) = profile_budgets(two_then_one, x, [FULL], repeats=1)
    assert row.memory_bytes == 8_000_000 and row.metric is None

    (row,) = profile_budgets(lambda x, budget: x.view(-1).add_(1), x, [FULL], repeats=1)
    assert row.memory_bytes == 0  # views, and what was there before


def test_choice():
    assert TABLE.fastest_within(metric_drop=0).budget == FULL
    assert TABLE.fastest_within(metric_drop=0.5).budget == HALF
    assert TABLE.fastest_within(metric_drop=50).budget == SMALL
    assert TABLE.best_within(latency_ms=100).budget == FULL
    assert TABLE.best_within(latency_ms=25).budget == HALF
    assert TABLE.best_within(latency_ms=10).budget == SMALL
    alike = made_table((FULL, 30.0, 80.0), (HALF, 20.0, 80.0))
    assert alike.best_within(latency_ms=50).budget == alike.fastest_within(metric_drop=0).budget == HALF


def test_a_table_is_saved_and_shown(tmp_path):
    table = made_table((ComputeBudget(0.5, (0, 1), False, (32, 48)), 30.0, None), (SMALL, 10.0, 75.0))
    table.save(tmp_path / "table.json")
    assert BudgetTable.load(tmp_path / "table.json") == table
    head, first, second = str(table).splitlines()
    assert "keep rate" in head and "(32, 48)" in first and "-" in first and "75" in second


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: TABLE.best_within(latency_ms=5), "fastest.*takes 10.00 ms"),
        (lambda: TABLE.fastest_within(metric_drop=-1), "metric_drop -1"),
        (lambda: TABLE.fastest_within(metric_drop=float("nan")), "metric_drop nan"),
        (lambda: made_table((FULL, 1.0, None)).best_within(10), "validated table"),
        (lambda: BudgetTable().fastest_within(1), "validated table"),
        (lambda: profile_budgets(tiny_model(), images(1, 3, 64, 64), []), "budgets is empty"),
        (lambda: profile_budgets(tiny_model(), images(1, 3, 64, 64), [FULL], repeats=0), "repeats 0"),
    ],
)
def test_bad_input(act, told):
    with pytest.raises(ValueError, match=told):
        act()
