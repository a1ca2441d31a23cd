"""The runs as the console holds them: order, marks and coverage stay true under every change."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runarchive.filters import parse_filter
from runarchive.model import TROUBLED_STATES, Run, RunState
from tui_archiver.coverage import Cover, Coverage
from tui_archiver.run_book import SORT_KEYS, RunBook, View

STATES = st.sampled_from(list(RunState))
RUN = st.builds(Run, st.integers(1, 60), STATES, st.sampled_from(["", "timeout", "no stop"]))
VIEW = st.builds(
    View,
    st.sampled_from(["", "failed", "!archived", "run:10-40", "timeout"]).map(parse_filter),
    st.booleans(),
    st.sampled_from(list(SORT_KEYS)),
    st.booleans(),
)


def by_number(runs: list[Run]) -> list[Run]:
    return [run for _, run in sorted({run.run: run for run in runs}.items())]


@given(st.lists(RUN).map(by_number), VIEW)
def test_the_order_holds_exactly_the_runs_that_the_view_lets_through(runs: list[Run], view: View) -> None:
    book = RunBook()
    book.view = view
    book.load(runs)
    shown = [book.rows[index] for index in book.order]
    wanted = [
        run for run in runs if view.filter.matches(run) and (not view.faults_only or run.state in TROUBLED_STATES)
    ]
    assert sorted(run.run for run in shown) == [run.run for run in wanted]
    keys = [SORT_KEYS[view.sort](run) for run in shown]
    assert keys == sorted(keys, reverse=view.descending)


@given(st.lists(RUN).map(by_number), st.lists(st.tuples(st.lists(RUN), st.sets(st.integers(1, 60)))), VIEW)
def test_changes_lead_where_loading_everything_leads(
    runs: list[Run], changes: list[tuple[list[Run], set[int]]], view: View
) -> None:
    book, known = RunBook(), {run.run: run for run in runs}
    book.view = view
    book.load(runs)
    for changed, gone in changes:
        shown = [book.rows[index].run for index in book.order]
        gone -= {run.run for run in changed}
        applied = book.apply(changed, gone)
        known.update({run.run: run for run in changed})
        for number in gone:
            known.pop(number, None)
        book.arrange()
        if not (applied.stale or applied.rearranged):
            assert [book.rows[index].run for index in book.order] == shown, "an order that no longer holds is said"
    fresh = RunBook()
    fresh.view = view
    fresh.load(by_number(list(known.values())))
    assert [book.rows[i] for i in book.order] == [fresh.rows[i] for i in fresh.order]
    assert all(book.get(number) == run for number, run in known.items())


@given(st.lists(RUN, min_size=1).map(by_number), st.lists(st.integers(0, 60)), st.integers(0, 60), st.integers(0, 60))
def test_marks_go_by_run_number(runs: list[Run], toggled: list[int], first: int, last: int) -> None:
    book = RunBook()
    book.load(runs)
    for line in toggled:
        book.toggle(line)
    counts = Counter(line for line in toggled if line < len(runs))
    marked = {runs[-1 - line].run for line, count in counts.items() if count % 2}
    assert book.marked == marked
    book.mark_lines(first, last)
    book.view = View(parse_filter("nothing at all"))
    book.arrange()
    assert book.marked >= marked
    assert book.targets(0) == tuple(sorted(book.marked))
    assert all(book.line_of(run.run) is None for run in runs)


@given(st.lists(RUN, min_size=1).map(by_number), st.lists(RUN), st.integers(1, 100))
def test_coverage_counts_each_run_in_one_cell(runs: list[Run], changes: list[Run], width: int) -> None:
    coverage = Coverage(width, runs)
    states = {run.run: run.state for run in runs}
    for run in changes:
        if run.run in states:
            coverage.move(states[run.run], run)
            states[run.run] = run.state
    fresh = Coverage(width, [Run(number, state) for number, state in states.items()])
    covers = [coverage.cover(cell) for cell in range(coverage.width)]
    assert covers == [fresh.cover(cell) for cell in range(fresh.width)]
    troubled = {coverage.cell_of(number) for number, state in states.items() if state in TROUBLED_STATES}
    assert {cell for cell, cover in enumerate(covers) if cover is Cover.TROUBLE} == troubled
    for number in states:
        low, high = coverage.span_of(coverage.cell_of(number))
        assert low <= number <= high
