"""The text files that DAQInterface writes beside the FHiCL, for made-up runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

SETUP = """\
#!/bin/bash
# environment of the DAQ, sourced before anything else
export DAQ_INSTALL_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source /daq/software/spack_packages/spack/v1.0.1/share/spack/setup-env.sh
spack load --first "daq-suite@v1_10_06 arch=linux-almalinux9-x86_64_v2"
export TRACE_FILE=/tmp/trace_buffer_$(whoami).${DAQINTERFACE_PARTITION_NUMBER:-0}
export ARTDAQ_BASE_PORT=10000
if [[ "$1" == "for_running" ]]; then
\techo -e "set up for running\\tOK"
fi
"""

SETTINGS = """\
log_directory: /daq/log
record_directory: /daq/run_records
package_hashes_to_save: [ artdaq, artdaq_core, artdaq_utilities, sbndaq_artdaq, sbndaq ]
productsdir_for_bash_scripts: /daq/software/products
max_configurations_to_list: 20
boardreader timeout: 600
eventbuilder timeout: 45
dispatcher timeout: 25
use_messageviewer: true

boardreader_priorities_on_config: crt* wib* mbb02 tpc* ntb01 ptb01* pmt* xarapuca* spectdc .*
boardreader_priorities_on_stop: spectdc xarapuca* pmt* ptb01* ntb01 tpc* wib* mbb02 crt* .*

max_launch_checks: 10
advanced_memory_usage: true
all_events_to_all_dispatchers: false #true

# sockets, not shared memory
transfer_plugin_to_use: TCPSocket
"""

_PACKAGES = ("artdaq", "artdaq_core", "artdaq_utilities", "sbndaq", "sbndaq_artdaq")
_UNDETERMINED = '"time from BuildInfo undetermined" "version from BuildInfo undetermined"'
_FIELDS = (
    "# Two possible sets of fields provided below for code info, depending on if a git repo was available: \n"
    "# <git commit hash> <LoCs added on top of commit> <LoCs removed on top of commit> <git commit comment> "
    "<git commit time> <git branch> <BuildInfo build time (if available)> <BuildInfo version (if available)>\n"
    "# <package version> <BuildInfo build time (if available)> <BuildInfo version (if available)>\n"
)
_LOGGED = ("BoardReader", "EventBuilder", "DataLogger", "Dispatcher", "RoutingManager")


@dataclass(frozen=True, slots=True)
class Process:
    """One artdaq process of a configuration."""

    kind: str
    label: str
    host: str
    port: int
    rank: int


def boot(processes: Sequence[Process], install: str, host: str) -> str:
    """boot.txt: global keys, then one block a process that is no board reader."""
    blocks = [
        f"DAQ setup script: {install}/setup_sbn_artdaq.sh\n",
        f"PMT host: {host}\n",
        "# debug level can range from 0 to 3 (increasing order of verbosity)\ndebug level: 1\n"
        "#manage processes: false\nSubsystem id: 1\n",
    ]
    for process in processes:
        if process.kind != "BoardReader":
            port = f"{process.kind} port: {process.port}\n" if process.kind == "Dispatcher" else ""
            blocks.append(f"{process.kind} host: {process.host}\n{process.kind} label: {process.label}\n{port}")
    return "\n".join(blocks)


def known_boardreaders_list(processes: Sequence[Process]) -> str:
    """known_boardreaders_list.txt: one board reader a line, some with allowed processors and a prefix."""
    prefix = '0-15 "/usr/libexec/ambient_cap_net_raw /bin/env LD_LIBRARY_PATH=$LD_LIBRARY_PATH "'
    lines = ["# name host port subsystem"]
    for process in processes:
        if process.kind == "BoardReader":
            tail = f" {prefix}" if process.label.startswith("crt") else ""
            lines.append(f"{process.label} {process.host} -1 1{tail}")
    return "\n".join(lines) + "\n"


def ranks(processes: Sequence[Process]) -> str:
    """ranks.txt in its columns of today."""
    head = f"{'host':<30}{'port':<10}{'label':<20}{'subsystem':<15}{'rank':<10}\n\n"
    return head + "".join(
        f"{process.host:<29} {process.port!s:<9} {process.label:<19} {'1':<14} {process.rank:<9d}\n"
        for process in processes
    )


def environment(install: str, partition: int, user: str) -> str:
    """environment.txt: the DAQINTERFACE_ variables as `export` lines, sorted."""
    values = {
        "FHICL_DIRECTORY": "IGNORED",
        "KNOWN_BOARDREADERS_LIST": f"{install}/known_boardreaders_list",
        "LOGDIR": "/daq/log",
        "LOGFILE": f"/daq/log/DAQInterface_{user}/DAQInterface_partition{partition}.log",
        "MESSAGEFACILITY_FHICL": f"{install}/MessageFacility.fcl",
        "PARTITION_NUMBER": str(partition),
        "PROCESS_MANAGEMENT_METHOD": "direct",
        "SETTINGS": f"{install}/user_settings",
        "SETUP_FHICLCPP": f"/tmp/setup_fhiclcpp_{user}.sh",
        "TTY": f"pts/{partition}",
        "USER_DIR": install,
        "USER_SOURCEFILE_ERRNO": "0",
        "VERSION": "v3_13_01",
    }
    return "".join(f"export DAQINTERFACE_{name}={value}\n" for name, value in sorted(values.items()))


def date(time: datetime) -> str:
    """A UTC time as `date --utc` writes it in the C locale."""
    return f"{time:%a %b} {time.day:>2} {time:%H:%M:%S} UTC {time.year}"


def metadata(
    configuration: str,
    processes: Sequence[Process],
    install: str,
    attempt: datetime,
    start: datetime | None,
    stop: datetime | None,
) -> str:
    """metadata.txt; `attempt` is when the processes were launched."""
    readers = sorted(process.label for process in processes if process.kind == "BoardReader")
    stamp = f"{attempt:%Y%m%d%H%M%S}"
    manager = processes[-1].host
    parts = [
        f"Config name: {configuration}\n"
        + "".join(f"Component #{number}: {label}\n" for number, label in enumerate(readers))
        + f"DAQInterface directory: {manager}.example.org:{install}\n"
        + f"DAQInterface logfile: {manager}.example.org:/daq/log/DAQInterface.log\n",
        _FIELDS,
        f"DAQInterface commit/version: v3_13_01 {_UNDETERMINED}\n",
        *(f"{package} commit/version: v1_{number}_06 {_UNDETERMINED}\n" for number, package in enumerate(_PACKAGES)),
        "\nprocess management method: direct\n",
        "\nprocess manager logfiles: \n"
        + "".join(
            f"/daq/log/pmt/launch_attempt_{host}_partition1_{stamp}\n"
            for host in sorted({process.host for process in processes})
        ),
        *(_log_section(kind, processes, stamp) for kind in _LOGGED),
    ]
    for what, time in (("start", start), ("stop", stop)):
        if time is not None:
            parts.append(f"DAQInterface {what} time: {date(time)}\n")
    return "\n".join(parts)


def _log_section(kind: str, processes: Sequence[Process], stamp: str) -> str:
    lines = [f"{kind.lower()} logfiles: \n"]
    for process in processes:
        if process.kind == kind:
            name = f"{process.label}-{process.host}-{process.port}"
            pid = 20000 + 7 * process.rank
            lines.append(f"{process.host}.example.org:/daq/log/{name}/{name}-{stamp}-{pid}.log\n")
    return "".join(lines)
