"""Defects of the older archiver's state and starts that are gone: S2 to S16, as far as no row's test shows them."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

from runarchive.artdaqdb.store import NewDocument
from runarchive.model import RunState, Store
from tests.archiver_site import Site

LIBRARY = Path(__file__).parents[2] / "lib" / "runarchive"


def test_s11_compare_state_with_another_mode_is_a_usage_error(site: Site) -> None:
    done = site.run("--compare-state", "--import-only")
    assert done.code == 2
    assert "--compare-state: not allowed with argument --import-only" in done
    assert site.run("--compare-state", "--report-status").code == 0


def test_s12_batch_size_0_has_no_limit(site: Site) -> None:
    site.configure(app={"batch_size": 0})
    site.make(8)
    site.run("--incremental")
    assert len(site.held(Store.UCONDB)) == 8


def test_s16_the_environment_is_not_changed_by_a_start(site: Site) -> None:
    site.make(1)
    before = dict(os.environ)
    site.run()
    with site.archive(writable=True) as archive:
        archive.refresh()
    assert {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")} == {
        key: value for key, value in before.items() if not key.startswith("PYTEST")
    }


def test_s7_odd_names_stop_nothing(site: Site) -> None:
    site.make(1)
    (site.records / "²").mkdir()
    (site.records / "0012").mkdir()
    assert site.run().code == 0
    assert site.held(Store.UCONDB) == {1000}


def test_s7_a_number_too_large_for_a_run_is_none_in_any_place(each_site: Site) -> None:
    (run,) = each_site.make(1)
    huge = "9" * 20
    (each_site.records / huge).mkdir()
    name = f"{huge}/other"
    with each_site.artdaqdb() as store:
        store.insert([NewDocument("SystemLayout", "schema", name, name, 1, "main: { }\n")])
    with each_site.ucondb() as client:
        client.put(int(huge), b"x")
    each_site.work.mkdir()
    (each_site.work / "import_failures.log").write_text(f"{huge}\n")
    for flag in ("--report-status", "--retry-failed-import", "--recover-import-state"):
        assert each_site.run(flag).code == 0, flag
    assert each_site.run().code == 0
    assert each_site.states() == {run: RunState.ARCHIVED}


def test_s2_and_l2_the_contiguous_run_advances_from_any_first_run_over_numbers_that_never_were(site: Site) -> None:
    site.make(2, first=1000)
    site.make(2, first=1010)
    site.run()
    for name in ("importer_state.json", "migrator_state.json"):
        assert json.loads((site.work / name).read_text())["last_contiguous_run"] == 1011


def test_s8_and_l20_a_state_file_that_cannot_be_written_is_said_and_the_other_one_is_written(site: Site) -> None:
    (site.root / "file").touch()
    site.configure(app={"import_state_file": str(site.root / "file" / "state.json")})
    site.make(1)
    done = site.run()
    assert done.code == 0
    assert re.search(r"WARNING - the older archiver's state files: .*state\.json cannot be written", done.out)
    assert json.loads((site.work / "migrator_state.json").read_text())["last_contiguous_run"] == 1000


def test_s14_the_engine_holds_no_module_that_nobody_imports() -> None:
    programs = [*LIBRARY.rglob("*.py"), *(LIBRARY.parents[1] / "tui_archiver").rglob("*.py")]
    imported = set()
    for path in programs:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.update({node.module, *(f"{node.module}.{name.name}" for name in node.names)})
            elif isinstance(node, ast.Import):
                imported.update(name.name for name in node.names)
    modules = {".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts) for path in LIBRARY.rglob("*.py")}
    started = {"runarchive.cli.run_archiver", *(name for name in modules if name.endswith("_command"))}
    assert {name for name in modules - started if not name.endswith("__init__")} <= imported
