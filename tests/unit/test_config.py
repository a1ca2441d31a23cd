"""The config file: expansion, types, every problem at once, secrets unseen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.config import Config, find_config, load_config, parse_config, redact_uri
from runarchive.config.expand import ExpansionError, expand
from runarchive.errors import ConfigError

LEAST = """
source_files: {run_records_dir: /daq/records}
artdaq_db: {database_uri: "filesystemdb:///daq/db", fcl_conf_dir: /daq/conf}
ucon_db: {server_url: "https://u/app", folder_name: f, object_name: o, writer_user: w, writer_password: p}
"""


def config(text: str, environment: Mapping[str, str] | None = None) -> Config:
    return parse_config(text, Path("config.yaml"), environment or {})


def problems(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(text, environment)
    return caught.value.problems


def test_defaults_are_those_of_the_older_archiver() -> None:
    app = config(LEAST).app
    assert app.work_dir == Path("/tmp/run_record_archiver")
    assert app.import_state_file == app.work_dir / "importer_state.json"
    assert app.migrate_state_file == app.work_dir / "migrator_state.json"
    assert app.import_failure_log == app.work_dir / "import_failures.log"
    assert app.migrate_failure_log == app.work_dir / "migrate_failures.log"
    assert app.lock_file == app.work_dir / ".archiver.lock"
    assert (app.batch_size, app.parallel_workers, app.run_process_retries, app.retry_delay_seconds) == (5, 2, 2, 3)
    assert (app.log_level, app.log_file) == ("INFO", None)
    assert config(LEAST).ucon_db.timeout_seconds == 10


def test_every_problem_is_reported_at_once() -> None:
    found = problems(
        LEAST.replace("fcl_conf_dir: /daq/conf", "use_tools: maybe")
        + "app: {batch_size: many, parallel_workers: 0}\ncarbon: {enabled: true}\n"
    )
    named = {problem.split(" ")[0].rstrip(":") for problem in found}
    assert named == {
        "app.batch_size",
        "app.parallel_workers",
        "artdaq_db.use_tools",
        "artdaq_db.fcl_conf_dir",
        "carbon.host",
        "carbon.metric_prefix",
    }


@pytest.mark.parametrize("section", ["source_files", "artdaq_db", "ucon_db"])
def test_a_missing_section_is_named(section: str) -> None:
    text = "\n".join(line for line in LEAST.splitlines() if not line.startswith(section))
    assert problems(text) == [f"{section}: this section is missing"]


@pytest.mark.parametrize("text", ["", "just a word", "- a\n- b\n", "# nothing\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert "empty" in problems(text)[0]


def test_invalid_yaml_is_one_sentence_with_the_line() -> None:
    found = problems("app: {a: 1\nb: ]")
    assert len(found) == 1
    assert "line 2" in found[0]
    assert "\n" not in found[0]


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.yaml")


def test_unknown_keys_warn_with_the_nearest_name_and_never_refuse() -> None:
    warnings = config(LEAST + "app: {batch_sise: 3}\nnonsense: {a: 1}\n").warnings
    assert any("app.batch_sise is unknown" in warning and "app.batch_size?" in warning for warning in warnings)
    assert any("nonsense is unknown" in warning for warning in warnings)
    assert len(warnings) == 2


def test_a_key_written_twice_warns() -> None:
    warnings = config(LEAST + "app:\n  batch_size: 3\n  batch_size: 4\n")
    assert warnings.app.batch_size == 4
    assert "line 7: app.batch_size is written twice" in warnings.warnings[0]


@pytest.mark.parametrize("word", ["false", "no", "off", "0", "False", "NO"])
def test_a_false_word_from_the_environment_is_false(word: str) -> None:
    text = LEAST.replace("fcl_conf_dir", 'use_tools: "${USE_TOOLS}", fcl_conf_dir')
    assert config(text, {"USE_TOOLS": word}).artdaq_db.use_tools is False
    assert config(text, {"USE_TOOLS": "true"}).artdaq_db.use_tools is True


@pytest.mark.parametrize("word", ["", "maybe", "2", "tru"])
def test_a_boolean_that_is_none_is_a_problem(word: str) -> None:
    text = LEAST.replace("fcl_conf_dir", 'use_tools: "${USE_TOOLS}", fcl_conf_dir')
    assert "artdaq_db.use_tools" in problems(text, {"USE_TOOLS": word})[0]


def test_an_unset_variable_is_a_problem_that_names_key_and_variable() -> None:
    found = problems(LEAST.replace("writer_password: p", 'writer_password: "${UCONDB_PASSWORD}"'))
    assert len(found) == 1
    assert "ucon_db.writer_password" in found[0]
    assert "UCONDB_PASSWORD" in found[0]


def test_an_unset_variable_in_a_section_that_is_off_is_a_warning() -> None:
    found = config(LEAST + 'reporting: {slack: {enabled: false, bot_token: "${SLACK_TOKEN}"}}\n')
    assert "SLACK_TOKEN" in found.warnings[0]


def test_references_and_nested_defaults() -> None:
    text = (
        LEAST.replace("filesystemdb:///daq/db", "filesystemdb://${app.work_dir}/db")
        + 'app: {work_dir: "${WORK_DIR:-${BASE:-/tmp}/archive}", log_file: "${work_dir}/${name:-a}.log"}\n'
    )
    assert config(text).app.log_file == Path("/tmp/archive/a.log")
    assert config(text, {"BASE": "/b"}).artdaq_db.database_uri == "filesystemdb:///b/archive/db"
    assert config(text, {"WORK_DIR": "/w", "BASE": "/b"}).app.lock_file == Path("/w/.archiver.lock")


def test_a_reference_to_a_default_works() -> None:
    assert config(LEAST + 'app: {log_file: "${lock_file}.log"}\n').app.log_file == Path(
        "/tmp/run_record_archiver/.archiver.lock.log"
    )


def test_circular_references_are_a_problem() -> None:
    found = problems(LEAST + 'app: {work_dir: "${log_file}/x", log_file: "${work_dir}/y"}\n')
    assert any("circular reference: app.work_dir → app.log_file → app.work_dir" in problem for problem in found)


@pytest.mark.parametrize("text", ["pa${ss}word", "${}", "${nowhere}", "a}b${", "${app.nothing}${folder_name}"])
def test_a_reference_to_nothing_stays_as_it_is_with_a_warning(text: str) -> None:
    found = config(LEAST.replace("writer_password: p", f'writer_password: "{text}"'))
    assert found.ucon_db.writer_password == text.replace("${folder_name}", "f")
    expected = [] if text == "a}b${" else ["ucon_db.writer_password: a ${…} in it names no key, and stays as it is"]
    assert list(found.warnings) == expected


def test_a_reference_to_nothing_is_named_where_it_is_no_secret() -> None:
    found = config(LEAST.replace("folder_name: f", 'folder_name: "${nowhere}"'))
    assert found.ucon_db.folder_name == "${nowhere}"
    assert found.warnings == ("ucon_db.folder_name: ${nowhere} names no key, and stays as it is",)


def test_texts_stay_as_typed() -> None:
    found = config(LEAST.replace("folder_name: f", "folder_name: 0123").replace("object_name: o", "object_name: on"))
    assert (found.ucon_db.folder_name, found.ucon_db.object_name) == ("0123", "on")


def test_remote_host_falls_back_to_the_environment() -> None:
    assert config(LEAST, {"ARTDAQ_DATABASE_REMOTEHOST": "evb01"}).artdaq_db.remote_host == "evb01"
    with_null = LEAST.replace("fcl_conf_dir", "remote_host: null, fcl_conf_dir")
    assert config(with_null).artdaq_db.remote_host is None


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("tr0ub4dor\n")
    secret.chmod(0o600)
    text = LEAST.replace("writer_password: p", f"writer_password_file: {secret}").replace(
        "filesystemdb:///daq/db", "mongodb://writer:hunter2@mongo:27017/db"
    )
    found = config(text)
    assert found.ucon_db.writer_password == "tr0ub4dor"
    shown = repr(found.origins)
    assert "tr0ub4dor" not in shown
    assert "hunter2" not in shown
    assert found.origins["artdaq_db.database_uri"].shown == "mongodb://writer:***@mongo:27017/db"
    assert str(secret) in found.origins["ucon_db.writer_password"].source


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://u:p@h:27017/db?a=b", "mongodb://u:***@h:27017/db?a=b"),
        ("mongodb://u:p/s@s@h/db", "mongodb://u:***@h/db"),
        ("mongodb://u@h/db", "mongodb://u@h/db"),
        ("filesystemdb:///a/b:c@d", "filesystemdb:///a/b:c@d"),
        ("https://h:9443/x/app", "https://h:9443/x/app"),
    ],
)
def test_the_password_of_a_uri_is_not_shown(uri: str, shown: str) -> None:
    assert redact_uri(uri) == shown


def test_a_readable_secret_file_warns_and_a_missing_one_is_a_problem(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    text = LEAST.replace("writer_password: p", f"writer_password_file: {secret}")
    assert "cannot be read" in problems(text)[0]
    secret.write_text("x")
    secret.chmod(0o644)
    assert "chmod 600" in config(text).warnings[0]
    assert "keep one" in problems(text.replace("writer_user: w", "writer_user: w, writer_password: p"))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fhiclize_generate:\n", 9),
        ("fhiclize_generate: [boot.txt, metadata.fcl, ranks]\n", {"boot", "metadata", "ranks"}),
        ("fhiclize_generate: {files: [RunHistory]}\n", {"RunHistory"}),
        (
            "fhiclize_generate: {convert: {boot: {source_suffix: .txt}, ranks: false}, generate: [RunHistory.fcl]}\n",
            {"boot", "RunHistory"},
        ),
        ("fhiclize_generate: {converters: [boot], generators: [RunHistory2]}\n", {"boot", "RunHistory2"}),
        ("fhiclize_generate: {suffix: .txt}\n", 9),
        ("fhiclize_generate: []\n", 0),
        ("", 9),
    ],
)
def test_fhiclize_generate(text: str, expected: set[str] | int) -> None:
    found = config(LEAST + text).fhiclize_generate
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_unknown_converters_are_refused() -> None:
    assert "custom" in problems(LEAST + "fhiclize_generate: [custom.txt]\n")[0]
    assert "custom" in problems(LEAST + "fhiclize_generate: {convert: {custom: true}}\n")[0]
    assert "fhiclize_generate" in config(LEAST + "fhiclize_generate: {suffix: .txt}\n").warnings[0]


def test_old_reporting_keys_still_work_with_a_warning() -> None:
    found = config(
        LEAST + "reporting: {send_email_on_error: true, recipient_email: a@b, sender_email: c@d, smtp_host: h}\n"
    )
    email = found.reporting.email
    assert (email.enabled, email.recipient_email, email.smtp_port, email.smtp_use_tls) == (True, "a@b", 587, True)
    assert any("DEPRECATED" in warning for warning in found.warnings)


def test_required_keys_of_sections_that_are_on() -> None:
    assert (
        "reporting.email.smtp_host"
        in problems(LEAST + "reporting: {email: {enabled: true, recipient_email: a, sender_email: b}}\n")[0]
    )
    assert len(problems(LEAST + "reporting: {slack: {enabled: true}}\n")) == 2


def test_a_bad_log_level_is_info_with_a_warning() -> None:
    found = config(LEAST + "app: {log_level: loud}\n")
    assert found.app.log_level == "INFO"
    assert "loud" in found.warnings[0]


@pytest.mark.parametrize("word", ["debug", "WARN", "fatal", "Critical"])
def test_every_name_of_a_level_is_one(word: str) -> None:
    found = config(LEAST + f"app: {{log_level: {word}}}\n")
    assert (found.app.log_level, found.warnings) == (word.upper(), ())


def test_a_section_of_the_sites_own_that_others_refer_to_is_no_unknown_one() -> None:
    found = config(LEAST + "site: {name: sbnd, root: '/d/${name}', odd: 1}\napp: {work_dir: '${site.root}/w'}\n")
    assert found.app.work_dir == Path("/d/sbnd/w")
    assert found.warnings == ("line 5: site.odd is unknown and has no effect",)


@pytest.mark.parametrize(("text", "number"), [("5.0", 5), ("1_000", 1000), ("' 7 '", 7), ("0", 0)])
def test_whole_numbers_as_yaml_writes_them(text: str, number: int) -> None:
    assert config(LEAST + f"app: {{batch_size: {text}}}\n").app.batch_size == number


@pytest.mark.parametrize("text", ["5.5", "five", "-1", ".inf", "''", "[5]"])
def test_what_is_no_whole_number(text: str) -> None:
    assert "app.batch_size" in problems(LEAST + f"app: {{batch_size: {text}}}\n")[0]


def test_ignored_runs() -> None:
    found = config(LEAST.replace("{run_records_dir", "{ignore_runs: [7, 100-199], run_records_dir")).source_files
    assert [run for run in (6, 7, 99, 100, 199, 200) if found.ignores(run)] == [7, 100, 199]


@pytest.mark.parametrize("ranges", ["[9-7]", "[x]", "[[1]]"])
def test_bad_ranges_are_problems(ranges: str) -> None:
    text = LEAST.replace("{run_records_dir", f"{{ignore_runs: {ranges}, run_records_dir")
    assert "source_files.ignore_runs" in problems(text)[0]


def test_unverified_tls_and_odd_addresses_are_said() -> None:
    text = LEAST.replace("writer_user: w", "writer_user: w, verify: false").replace("https://u/app", "https://u/x")
    warnings = " ".join(config(text).warnings)
    assert "ucon_db.verify" in warnings
    assert "/app" in warnings
    assert "ucon_db.server_url" in problems(LEAST.replace("https://u/app", "ftp://u/app"))[0]


def test_an_embedded_server_names_its_file() -> None:
    found = config(LEAST.replace("https://u/app", "embedded:///srv/ucondb.sqlite"))
    assert found.ucon_db.embedded == Path("/srv/ucondb.sqlite")
    assert config(LEAST).ucon_db.embedded is None


def test_the_order_in_which_a_config_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TUI_ARCHIVER_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="no config file"):
        find_config(None)
    user = tmp_path / "xdg" / "tui-archiver" / "config.yaml"
    user.parent.mkdir(parents=True)
    user.touch()
    assert find_config(None) == user
    Path("config.yaml").touch()
    assert find_config(None) == Path("config.yaml")
    monkeypatch.setenv("TUI_ARCHIVER_CONFIG", "/elsewhere.yaml")
    assert find_config(None) == Path("/elsewhere.yaml")
    assert find_config("given.yaml") == Path("given.yaml")


def test_the_example_is_a_config_without_a_warning() -> None:
    example = Path(__file__).parents[2] / "config.example.yaml"
    environment = {"UCONDB_USER": "writer", "UCONDB_PASSWORD": "x"}
    found = parse_config(example.read_text(encoding="utf-8"), example, environment)
    assert found.warnings == ()


@given(st.text(alphabet="${}:-abcA_X. ", max_size=40))
def test_expansion_ends_in_a_text_or_a_named_problem(text: str) -> None:
    def expanded() -> tuple[str, tuple[str, ...]] | None:
        try:
            return expand(text, {"A": "1", "X": "${A}"}, lambda name: "v" if name == "a" else None)
        except ExpansionError:
            return None

    found = expanded()
    assert found is not None or "${" in text
    if found is not None:
        assert set(found[1]) <= {"A", "X"}
    if "${" not in text:
        assert found == (text, ())


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    assert expand("${P}", {"P": "pa${ss}"}, lambda name: None) == ("pa${ss}", ("P",))


def test_reading_the_real_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(LEAST.replace("/daq/records", '"${RECORDS_HERE}"'))
    monkeypatch.setitem(os.environ, "RECORDS_HERE", "/r")
    assert load_config(file).source_files.run_records_dir == Path("/r")
