"""FHiCL of made-up artdaq processes, laid out as `fhicl-dump` lays it out."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

Tree = dict[str, "Tree | list[Tree | str] | list[str] | str"]
"""A FHiCL table; strings are tokens as they stand in the text, quotes included."""

_STEP = "   "
_BYTES_OF_A_FEMB = 420


def render(tree: Tree, source: str) -> str:
    """The text of a document as `fhicl-dump` writes it, with its header naming `source` as input."""
    header = (
        "# Produced from 'fhicl-dump' using:\n"
        f"#   Input  : {source}\n"
        "#   Policy : cet::filepath_maker\n"
        '#   Path   : "FHICL_FILE_PATH"\n'
    )
    return header + "".join(f"\n{line}\n" for line in ("\n".join(_lines({key: tree[key]}, "")) for key in tree))


def _lines(tree: Tree, indent: str) -> Iterator[str]:
    for key in sorted(tree):
        value = tree[key]
        if isinstance(value, str):
            yield f"{indent}{key}: {value}"
        elif isinstance(value, dict):
            yield from _bracketed(f"{indent}{key}: {{", list(_lines(value, indent + _STEP)), indent + "}")
        else:
            yield from _bracketed(f"{indent}{key}: [", list(_elements(value, indent + _STEP)), indent + "]")


def _elements(values: list[Tree | str] | list[str], indent: str) -> Iterator[str]:
    for number, value in enumerate(values, 1):
        comma = "," if number < len(values) else ""
        if isinstance(value, str):
            yield f"{indent}{value}{comma}"
        else:
            yield from _bracketed(indent + "{", list(_lines(value, indent + _STEP)), indent + "}" + comma)


def _bracketed(opening: str, inside: list[str], closing: str) -> Iterator[str]:
    if not inside:
        yield opening + closing.lstrip()
        return
    yield opening
    yield from inside
    yield closing


def board_reader(random: Random, label: str, board: int, destinations: list[int], size: int) -> Tree:
    """The configuration of one board reader, about `size` bytes when rendered."""
    channels = [channel for channel in range(16) if random.random() < 0.8]
    receiver: Tree = {
        "generator": f'"{_generator(label)}"',
        "board_id": str(board),
        "fragment_id": str(random.choice((0xA000, 0x10, 0x3000)) + board),
        "fragment_type": f'"{_fragment_type(label)}"',
        "SelfTriggerMask": random.choice(("65535", "0xff", "0x00ff")),
        "cmd": f"\"/opt/daq/bin/probe --match '^{label[:3]}.*$' --board {board}\"",
        "data_buffer_depth_fragments": "10000",
        "data_buffer_depth_mb": "1000",
        "destinations": _peers(destinations, "d", "destination_rank"),
        "expected_fragments_per_event": "1",
        "hardware_poll_interval_us": "1e7",
        "multicast_interface_ip": f'"10.226.36.{board % 250}"',
        "routing_table_config": {"use_routing_manager": "false"},
        "request_address": '"227.128.12.26"',
        "FEMBs": _fembs(random, size - 2000),
    }
    for channel in channels:
        receiver[f"channelPedestal{channel}"] = str(random.randrange(6000, 13000))
        receiver[f"feb{channel}_bias"] = f"{random.uniform(60, 72):.4f}"
        receiver[f"triggerThreshold{channel}"] = str(random.randrange(100, 9000))
    return {"daq": {"fragment_receiver": receiver, "metrics": _metrics(label)}}


def event_process(random: Random, label: str, kind: str, sources: list[int], size: int) -> Tree:
    """The configuration of an event builder, data logger, dispatcher or routing manager, about `size` bytes."""
    builder: Tree = {
        "buffer_count": "100",
        "expected_fragments_per_event": str(len(sources)) if kind == "EventBuilder" else "1",
        "init_fragment_count": "0" if kind == "EventBuilder" else str(len(sources)),
        "max_event_size_bytes": "200000000",
        "print_event_store_stats": "true",
        "send_init_fragments": "false",
        "sources": _peers(sources, "s", "source_rank"),
        "stale_buffer_timeout_usec": "60000000",
        "use_art": "true" if kind != "RoutingManager" else "false",
        "FEMBs": _fembs(random, size - 2400 - 110 * len(sources)),
    }
    art: Tree = {
        "analyzers": {},
        "outputs": {
            "normalOutput": {
                "compressionLevel": "0",
                "fastCloning": "true",
                "fileName": f'"/data/daq/data_{label}_run%R_%#_%to.root"',
                "module_type": '"RootOutput"',
            }
        },
        "physics": {"my_output_modules": ['"normalOutput"'], "p2": ['"BuildInfo"'], "producers": {}},
        "process_name": f'"DAQ{label}"',
        "services": {"NetMonTransportServiceInterface": {"service_provider": '"NetMonTransportService"'}},
        "source": {"module_type": '"ArtdaqInput"', "waiting_time": "2500000"},
    }
    section = {"EventBuilder": "event_builder", "RoutingManager": "routing_manager"}.get(kind, "aggregator")
    return {"art": art, "daq": {section: builder, "metrics": _metrics(label)}}


def _generator(label: str) -> str:
    for prefix, name in (("tpc", "NevisTPC2StreamNUandSNXMIT"), ("pmt", "CAENV1730Readout"), ("wib", "WIBReader")):
        if label.startswith(prefix):
            return name
    return "BernCRTZMQ" if label.startswith("crt") else "PhysCrate_GeneratorSBN"


def _fragment_type(label: str) -> str:
    return {"tpc": "NevisTPC", "pmt": "CAENV1730", "crt": "BERNCRTV2"}.get(label[:3], "PHYSCRATEDATA")


def _peers(ranks: list[int], letter: str, key: str) -> Tree:
    return {
        f"{letter}{rank}": {
            "transferPluginType": '"TCPSocket"',
            key: str(rank),
            "max_fragment_size_words": "125000",
        }
        for rank in ranks
    }


def _fembs(random: Random, size: int) -> list[Tree | str]:
    return [
        {
            "acCouple": "0",
            "baselineHigh": str(random.randrange(3)),
            "clk_phases": [str(random.randrange(65536)) for _ in range(5)],
            "enable_fake_data": "false",
            "expected_femb_fw_version": "803",
            "fake_data_select": '"fake_word"',
            "fake_word": str(4004 + 5 * number),
            "gain": str(random.randrange(4)),
            "shape": str(random.randrange(4)),
        }
        for number in range(max(0, size) // _BYTES_OF_A_FEMB)
    ]


def _metrics(label: str) -> Tree:
    return {
        "brFile": {
            "fileName": '"/daq/log/metrics/br_%UID%_metrics.log"',
            "level": "3",
            "metricPluginType": '"file"',
            "reporting_interval": "15.0",
            "uniquify": "true",
        },
        "graphite": {
            "host": '"daq-metrics.example.org"',
            "level": "3",
            "metricPluginType": '"graphite"',
            "namespace": f'"daq.{label}."',
            "port": "2003",
            "reporting_interval": "15.0",
        },
    }
