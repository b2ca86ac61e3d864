"""The benchmark's files of ASN.1: what an independent decoder finds in them is what they are said to hold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks import asn1_files
from tests.asn1 import ber, modules, tap_rows, ts32298


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """A TAP file of three chunks and what asn1tools reads in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asn1_files, "CHUNK", 2000)
        written = asn1_files.write_tap(tmp_path_factory.mktemp("tap") / "x.tap", 4001)
    _, value = modules.tap_codec().decode("DataInterChange", written.path.read_bytes())
    return written, value


def test_count_and_total_charge_are_right(batch):
    written, value = batch
    events = value["callEventDetails"]
    assert len(events) == written.events == value["auditControlInfo"]["callEventDetailsCount"]
    charge = sum(sum(tap_rows.charges(event)) for _, event in events)
    assert charge == written.charge == value["auditControlInfo"]["totalCharge"]


def test_shares_size_and_elements_are_as_told(batch):
    written, value = batch
    kinds = Counter(kind for kind, _ in value["callEventDetails"])
    shares = {kind: count / written.events for kind, count in kinds.items()}
    assert shares == pytest.approx(
        {"mobileOriginatedCall": 0.4, "mobileTerminatedCall": 0.2, "gprsCall": 0.4}, abs=0.02
    )
    assert written.bytes / written.events == pytest.approx(300, abs=10)
    (interchange,) = ber.parse(written.path.read_bytes())
    (events,) = (node for node in interchange.body if node.tag == ber.tag(3, of="APPLICATION", constructed=True))
    assert np.mean([elements(event) for event in events.body[:500]]) == pytest.approx(52, abs=2)


def elements(node: ber.Node) -> int:
    return 1 + (sum(map(elements, node.body)) if isinstance(node.body, list) else 0)


def test_values_vary(batch):
    _, value = batch
    tables = tap_rows.Tables("AUTPT", "SDR", asn1_files.DECIMALS, {0: b"+0200"}, {}, {0: 1})
    said = [row for event in value["callEventDetails"] for row in tap_rows.meaning(*event, tables)]
    assert len({row["served_imsi"] for row in said}) > 0.9 * len(said)
    assert len({row["start_time"] for row in said}) > 0.9 * len(said)
    assert {row["record_type"] for row in said} == {"voice_mo", "voice_mt", "sms_mo", "data"}


def test_records_of_a_gateway_have_one_to_eight_containers(tmp_path):
    written = asn1_files.write_pgw(tmp_path / "x.pgw", 2000)
    data, at, containers = written.path.read_bytes(), 0, Counter()
    while at < len(data):
        (kind, record), size = modules.gprs_codec().decode_with_length("GPRSRecord", data[at : at + asn1_files.LONGEST])
        said = ts32298.meaning(kind, record)
        containers[len(said.containers)] += 1
        assert (said.opening.utc_offset_s, len(said.imsi), said.msisdn[:4]) == (28800, 15, "8613")
        at += size
    assert sorted(containers) == list(range(1, 9))
    assert containers.total() == written.events


def test_a_file_depends_on_its_seed_alone(tmp_path):
    for write in (asn1_files.write_tap, asn1_files.write_pgw):
        first, second, other = (write(tmp_path / str(n), 500, seed) for n, seed in enumerate((1, 1, 2)))
        assert first.path.read_bytes() == second.path.read_bytes() != other.path.read_bytes()
