#!/usr/bin/env python3
"""Tests of the perf suite's own parts: what it sends, how it counts, what it says."""

import contextlib
import io
import ipaddress
import json
import os
import struct
import sys
import tempfile
import time
import tomllib
import unittest
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import micro  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import suite  # noqa: E402
from end_to_end import child, mixes, new_connections, ovs, scale_policy  # noqa: E402
from end_to_end import throughput, window  # noqa: E402
from end_to_end.appliance import Appliance  # noqa: E402
from lookup import prefix_files  # noqa: E402
from traffic import established_flows, frames  # noqa: E402
from traffic import policy as policies  # noqa: E402


def words_sum(data):
    """The one's complement sum of 16-bit words, written the slow way."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packets_of(path):
    data = Path(path).read_bytes()
    at = 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


class Traffic(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="sluice-perf-test.")
        self.addCleanup(self.directory.cleanup)
        self.path = Path(self.directory.name) / "flows.pcap"
        self.sizes = established_flows.write_capture(self.path, 3000)
        self.packets = list(packets_of(self.path))

    def test_every_packet_is_a_flow_of_its_own(self):
        keys = {packet[23:24] + packet[26:38] for packet in self.packets}
        self.assertEqual(len(keys), 3000)
        self.assertEqual(sum(self.sizes), 3000)

    def test_packets_are_64_bytes_and_their_checksums_are_right(self):
        for packet in self.packets:
            self.assertEqual(len(packet), 64)
            ip = packet[14:]
            self.assertEqual(struct.unpack_from("!H", ip, 2)[0], len(ip))
            self.assertEqual(words_sum(ip[:20]), 0xFFFF)
            if ip[9] == 6:
                pseudo = ip[12:20] + struct.pack("!HH", 6, len(ip) - 20)
                self.assertEqual(words_sum(pseudo + ip[20:]), 0xFFFF)

    def test_tcp_and_udp_take_turns_and_tcp_is_in_the_middle_of_a_connection(self):
        self.assertEqual([packet[23] for packet in self.packets[:4]], [6, 17, 6, 17])
        self.assertEqual({packet[47] for packet in self.packets if packet[23] == 6}, {0x10})

    def test_neighbours_in_the_capture_are_admitted_apart(self):
        blocks = [packet[27] for packet in self.packets]
        together = sum(one == other for one, other in zip(blocks, blocks[1:]))
        self.assertLess(together, 3000 / established_flows.BLOCKS * 1.5)
        self.assertEqual([blocks.count(block) for block in range(established_flows.BLOCKS)],
                         self.sizes)

    def test_a_measured_policy_has_the_rules_that_its_row_names(self):
        for count in (1, 100, 1000):
            policy = policies.toml(established_flows.measured_rules(count))
            self.assertEqual(policy.count("protocol ="), count)
            self.assertEqual(policy.count('source = "20.0.0.0/8"'), 1)


class Mixes(unittest.TestCase):
    def write(self, flow_count, **mix):
        directory = tempfile.TemporaryDirectory(prefix="sluice-perf-test.")
        self.addCleanup(directory.cleanup)
        path = Path(directory.name) / "flows.pcap"
        capture = established_flows.write_mix(path, flow_count, established_flows.Mix(**mix))
        packets = list(packets_of(path))
        self.assertEqual(len(packets), capture.packets)
        return capture, packets

    def test_ipv6_packets_have_right_checksums_and_lengths(self):
        _, packets = self.write(400, family=6, sizes=(64, 300))
        for packet in packets:
            ip = packet[14:]
            self.assertEqual(struct.unpack_from("!H", ip, 4)[0], len(ip) - 40)
            pseudo = ip[8:40] + struct.pack("!II", len(ip) - 40, ip[6])
            self.assertEqual(words_sum(pseudo + ip[40:]), 0xFFFF)
        self.assertEqual({packet[20] for packet in packets}, {6, 17})
        self.assertEqual(len({frames.tuple_of(packet) for packet in packets}), 400)

    def test_imix_has_its_three_sizes_in_their_shares(self):
        _, packets = self.write(6000, sizes=established_flows.IMIX)
        sizes = [len(packet) for packet in packets]
        self.assertEqual(set(sizes), {64, 594, 1514})
        self.assertAlmostEqual(sizes.count(64) / 6000, 7 / 12, delta=0.03)
        self.assertAlmostEqual(sizes.count(1514) / 6000, 1 / 12, delta=0.03)

    def test_favourite_flows_have_most_packets_and_blocks_count_flows_once(self):
        capture, packets = self.write(2000, popularity="zipf")
        seen = {}
        for packet in packets:
            key = frames.tuple_of(packet)
            seen[key] = seen.get(key, 0) + 1
        self.assertEqual(sum(capture.block_sizes), len(seen))
        ranked = sorted(seen.values(), reverse=True)
        # The harmonic number of 2,000 is 8.18; the first ten have 2.93 of it.
        self.assertAlmostEqual(sum(ranked[:10]) / len(packets), 2.93 / 8.18, delta=0.05)

    def test_a_mix_has_the_shares_of_new_and_denied_that_it_says(self):
        capture, packets = self.write(9000, fresh=0.05, denied=0.05)
        flags = [packet[47] for packet in packets if packet[23] == 6]
        self.assertEqual(flags.count(0x02), capture.fresh_flows)
        self.assertEqual(flags.count(0x04), capture.fresh_flows)
        self.assertAlmostEqual(2 * capture.fresh_flows / capture.packets, 0.05, delta=0.001)
        self.assertAlmostEqual(capture.denied_share, 0.05, delta=0.001)
        refused = [packet for packet in packets if packet[26:28] == b"\xc6\x12"]
        self.assertEqual(len(refused), capture.denied)

    def test_rules_of_both_families_admit_the_blocks_and_all_of_them(self):
        for family, last in ((4, "20.31.0.0/16"), (6, "2001:db8:1f::/48")):
            self.assertEqual(established_flows.stage_rules(32, family)[-1].source, last)
            whole = established_flows.measured_rules(1, family)[0].network
            for rule in established_flows.stage_rules(33, family):
                self.assertTrue(rule.network.subnet_of(whole))


class FakeSide:
    """Answers looks from a list; the time between two of them is what the list says."""

    def __init__(self, looks):
        self.looks = iter(looks)

    def look(self):
        return next(self.looks)


class Windows(unittest.TestCase):
    def test_the_rate_is_for_each_second_of_the_core(self):
        measured = window.between(window.Look(0, 0, 0, 0, 0), window.Look(2, 0, 1.9, 3_800_000, 0))
        self.assertTrue(measured.is_clean)
        self.assertAlmostEqual(measured.packets_per_s, 2_000_000)

    def test_a_window_that_shared_its_core_is_thrown_away_and_taken_again(self):
        looks = [window.Look(0, 0, 0, 0, 0), window.Look(1, 0, 0.5, 700, 0),
                 window.Look(2, 0, 1.45, 1650, 0)]
        rates = window.measure(FakeSide(looks), 0, 1, 5)
        self.assertEqual((len(rates.packets_per_s), rates.thrown_away), (1, 1))
        self.assertAlmostEqual(rates.packets_per_s[0], 1000)
        self.assertAlmostEqual(rates.share_min, 0.95)

    def test_a_window_whose_ends_are_not_sharp_does_not_count(self):
        self.assertFalse(window.between(window.Look(0, 0.05, 0, 0, 0),
                                        window.Look(1, 0.05, 1, 9, 0)).is_clean)

    def test_a_look_is_taken_in_the_middle_of_its_question(self):
        before = child.cpu_seconds(os.getpid(), os.getpid())
        seen = window.look(os.getpid(), os.getpid(), lambda: (time.sleep(0.05), (7, 1))[1])
        self.assertEqual((seen.packets, seen.refused), (7, 1))
        self.assertGreaterEqual(seen.blur_s, 0.05)
        self.assertLessEqual(seen.at_s, time.monotonic() - 0.02)
        self.assertGreaterEqual(seen.cpu_s, before)

    def test_refused_packets_of_a_window_are_told(self):
        looks = [window.Look(0, 0, 0, 0, 4), window.Look(1, 0, 1, 10, 9)]
        self.assertEqual(window.measure(FakeSide(looks), 0, 1, 5).refused, 5)


class Fillings(unittest.TestCase):
    def looks(self, *flows):
        return [window.Look(at, 0.001, at, count, 0) for at, count in enumerate(flows)]

    def test_idle_time_before_and_after_a_filling_does_not_count(self):
        looks = self.looks(0, 0, 0, 100, 400, 700, 990, 1000)
        measured = new_connections.steep_part(looks, 1000)
        self.assertEqual((measured.seconds, measured.packets), (2, 600))
        self.assertEqual(measured.packets_per_s, 300)

    def test_a_filling_that_was_hardly_seen_has_no_rate(self):
        self.assertIsNone(new_connections.steep_part(self.looks(0, 500, 1000), 1000))

    def test_a_filling_begins_with_an_empty_table_and_ends_by_refusing(self):
        said, flows = [], iter((0, 100, 500, 900, 1000))
        side = SimpleNamespace(name="x", admit=lambda: said.append("admit"),
                               refuse=lambda: said.append("refuse"),
                               live_flows=lambda: (said.append("empty?"), 0)[1],
                               look_at_flows=lambda: window.Look(
                                   (flow := next(flows)) / 1000, 0, flow / 1000, flow, 0))
        self.assertAlmostEqual(new_connections.fill(side, 1000).packets_per_s, 1000)
        self.assertEqual(said, ["empty?", "admit", "refuse"])


class Rows(unittest.TestCase):
    def test_a_ratio_is_of_medians_and_its_goal_may_be_a_least_or_a_most(self):
        row = report.Row("x", "M/s", "peer", 2.0).compare([1, 3, 9], [2, 2, 2])
        self.assertEqual((row.value, row.peer_value, row.ratio), (3, 2, 1.5))
        self.assertAlmostEqual(row.reached(), 0.75)
        self.assertAlmostEqual(row.spread, 8 / 3)
        low = report.Row("y", "clocks", "peer", 0.5, at_least=False).compare([10], [40])
        self.assertAlmostEqual(low.reached(), 2.0)
        less = report.Row("y", "us", "peer", 1.0, at_least=False).compare([-2], [100])
        self.assertIn("met", report.table([less]))

    def test_a_row_without_figures_reads_as_not_measured(self):
        row = report.Row("z", "Mpps", "peer", 1.0, note="not measured: no room")
        text = report.table([row])
        self.assertIn("not measured", text.splitlines()[2])
        self.assertNotIn("met", text.splitlines()[2])

    def test_a_bar_passes_its_mark_only_where_the_goal_is_met(self):
        self.assertIn("│", report.bar(0.9))
        self.assertNotIn("│", report.bar(1.2))
        self.assertEqual({len(report.bar(part / 10)) for part in range(30)}, {16})

    def test_the_document_names_what_each_result_needs(self):
        row = report.Row("x", "M/s", "peer", 2.0).compare([1], [2])
        facts = {"machine": "a box", "commit": "abc"}
        result = json.loads(report.document([row], facts, ["y"]))["results"][0]
        for key in ("name", "value", "unit", "peer", "peer_value", "ratio", "goal", "median",
                    "spread", "machine", "commit"):
            self.assertIsNotNone(result[key], key)


class Plots(unittest.TestCase):
    def document(self, *points):
        rows = []
        for flows, rules, peer, ours, his in points:
            row = report.Row("x", "Mpps", peer, None, axes={"flows": flows, "rules": rules})
            rows.append(row.compare([ours], [his]))
        facts = {"machine": "a <box> & more", "commit": "abc", "when": "now", "load_before": [1],
                 "load_after": [2]}
        return json.loads(report.document(rows, facts, []))

    def draw(self, document):
        with tempfile.TemporaryDirectory() as directory:
            written, empty = plot.write(document, Path(directory))
            return {path.name: ElementTree.fromstring(path.read_text()) for path in written}, empty

    def test_a_picture_is_well_formed_and_has_a_curve_for_each_side(self):
        drawn, empty = self.draw(self.document(
            (4096, 100, "testpmd io", 5, 20), (65536, 100, "testpmd io", 4, 18),
            (4096, 100, "OVS-DPDK ct, best", 9, 0.9), (65536, 100, "OVS-DPDK ct, best", 9, 0.8)))
        self.assertEqual((list(drawn), empty), (["flows.svg"], ["rules.svg"]))
        root = drawn["flows.svg"]
        name = "{http://www.w3.org/2000/svg}"
        lines = root.findall(name + "polyline")
        self.assertEqual(len(lines), 3)
        self.assertEqual(len(root.findall(name + "circle")), 6)
        for line in lines:
            first, last = [point.split(",") for point in line.get("points").split()]
            self.assertLess(float(first[0]), float(last[0]))
            # Fewer packets are lower, that is further from the top.
            self.assertLess(float(first[1]), float(last[1]))
        texts = [text.text for text in root.findall(name + "text")]
        for words in ("a <box> & more", "Sluice", "testpmd io", "OVS-DPDK ct, best", "64 k", "0.8"):
            self.assertIn(words, texts)

    def test_all_that_is_drawn_lies_within_the_picture(self):
        drawn, _ = self.draw(self.document(*(
            (65536, rules, "testpmd io", 0.01 * rules, 99.9) for rules in (1, 100, 1000))))
        for element in drawn["rules.svg"].iter("{http://www.w3.org/2000/svg}circle"):
            self.assertTrue(0 < float(element.get("cx")) < 760, element.attrib)
            self.assertTrue(64 <= float(element.get("cy")) <= 374, element.attrib)

    def test_one_point_makes_no_curve_and_a_row_without_figure_no_point(self):
        document = self.document((4096, 100, "testpmd io", 5, 20), (65536, 100, "testpmd io", 4, 9))
        document["results"][1]["value"] = None
        self.assertEqual(self.draw(document), ({}, ["flows.svg", "rules.svg"]))

    def test_labels_do_not_cover_each_other(self):
        moved = plot.apart([100, 101, 300, 99])
        self.assertEqual(sorted(moved), [99, 117, 135, 300])
        self.assertEqual(moved[3], 99)

    def test_ticks_surround_what_is_shown(self):
        self.assertEqual(plot.ticks(0.9, 21), [0.5, 1, 2, 5, 10, 20, 50])
        self.assertEqual(plot.ticks(1, 10), [1, 2, 5, 10])


class ThePeers(unittest.TestCase):
    def test_the_table_says_how_each_ran(self):
        facts = {"machine": "a box", "commit": "abc", "when": "now", "seconds": 1, "pages": "none",
                 "load_before": [1], "load_after": [2], "peers": {"a peer": "with its best tuning"}}
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            suite.print_result([], facts, ["another"])
        self.assertIn("  a peer: with its best tuning\n", out.getvalue())
        self.assertIn("  another\n", out.getvalue())

    def test_a_peer_that_fails_costs_its_own_row_only(self):
        case = throughput.cases()[4]
        peer = throughput.OvsTurns(case.ovs_row("best"), "best")
        plan = throughput.Plan(None, Path("/nowhere"), 1, 0, False)
        peer.take(ovs.Ovs(plan, None, [], 1), 1, 1, 1)
        self.assertIn("not measured", peer.row.note)
        self.assertIsNone(peer.compared([]).ratio)

    def test_both_tunings_run_for_100_rules_and_one_turn_in_a_quick_run(self):
        cases = throughput.cases()
        tunings = [case.ovs_tunings(False) for case in cases if case.rule_count == 100]
        self.assertEqual(tunings, [("best", "default")] * 3)
        quick = [case.ovs_tunings(True) for case in cases if case.quick]
        self.assertEqual(sum(map(len, quick)), 1)

    def test_a_mix_that_is_refused_too_often_or_too_seldom_fails(self):
        mix = established_flows.Mix(denied=0.05)
        capture = established_flows.Capture([0] * 32, 100, 0, 5)
        side = mixes.MixedAppliance(None, None, capture, mix)
        side.before = (0, 0)
        for dropped, wrong in ((50_000, 0), (55_000, 0), (90_000, 40_000), (0, 50_000)):
            side.worker = lambda dropped=dropped: {"rx_packets": 1_000_000, "dropped": dropped}
            self.assertEqual(side.counters()[1], wrong)


class ScalePolicy(unittest.TestCase):
    def setUp(self):
        self.size = scale_policy.Size(groups=7, interfaces=450, prefixes=3000)
        text = io.StringIO()
        scale_policy.write_json(text, self.size, {"vpc": [{"id": "vpc-more"}]})
        self.policy = json.loads(text.getvalue())

    def test_it_has_the_sizes_that_were_asked_for_and_the_rows_besides(self):
        self.assertEqual(len(self.policy["security_group"]), 7)
        self.assertEqual(len(self.policy["interface"]), 450)
        self.assertEqual(len(self.policy["subnet"]), 3)
        self.assertEqual([row["id"] for row in self.policy["vpc"]], ["vpc-scale", "vpc-more"])
        for group in self.policy["security_group"]:
            self.assertEqual((len(group["ingress"]), len(group["egress"])), (60, 60))

    def test_a_third_of_the_rules_name_groups_and_prefixes_are_distinct(self):
        rules = [rule for group in self.policy["security_group"] for rule in group["ingress"]]
        naming = [rule for rule in rules if rule["source"].startswith("sg-")]
        self.assertEqual(len(naming) * 3, len(rules))
        entries = {entry["cidr"] for each in self.policy["prefix_list"]
                   for entry in each["entries"]}
        self.assertEqual(len(entries), 3000)

    def test_all_of_its_addresses_lie_under_one_prefix(self):
        everything = ipaddress.ip_network(scale_policy.EVERYTHING)
        peers = [rule[key] for group in self.policy["security_group"]
                 for table, key in (("ingress", "source"), ("egress", "destination"))
                 for rule in group[table] if not rule[key].startswith(("sg-", "pl-"))]
        entries = [entry["cidr"] for each in self.policy["prefix_list"]
                   for entry in each["entries"]]
        addresses = [address for each in self.policy["interface"]
                     for address in each["addresses"]]
        self.assertTrue(peers and entries and addresses)
        for each in peers + entries + addresses:
            self.assertTrue(ipaddress.ip_network(each).subnet_of(everything), each)

    def test_as_toml_it_is_the_same(self):
        text = io.StringIO()
        scale_policy.write_toml(text, self.size, {"vpc": [{"id": "vpc-more"}]})
        self.assertEqual(tomllib.loads(text.getvalue()), self.policy)


class Measuring(unittest.TestCase):
    def test_micro_samples_leave_aggregates_and_other_benchmarks_out(self):
        def run(name, kind, rate):
            return {"run_name": name, "run_type": kind, "items_per_second": rate}
        document = {"benchmarks": [run("a", "iteration", 2e6), run("a", "aggregate", 9e6),
                                   run("b", "iteration", 3e6)]}
        self.assertEqual(micro.samples(document, "a", "items_per_second"), [2.0])

    def test_of_a_peers_ways_the_best_counts(self):
        self.assertEqual(micro.best([[1.0, 9.0, 1.0], [], [2.0, 2.0, 2.0]]), [2.0, 2.0, 2.0])
        self.assertEqual(micro.best([[], []]), [])

    def test_missing_data_is_a_note_and_not_a_number(self):
        with tempfile.TemporaryDirectory() as directory:
            problem = prefix_files.write(
                lambda folder: prefix_files.aws_ranges(Path(directory)), Path(directory) / "x")
            self.assertIn("No such file", problem)

    def test_a_missing_program_is_a_note_and_not_a_number(self):
        with tempfile.TemporaryDirectory() as directory:
            rows = micro.measure(Path(directory), micro.benches()[0], Path(directory), 0, True)
        self.assertIsNone(rows[0].ratio)
        self.assertIn("not built", rows[0].note)

    def test_flow_rows_name_each_operation_of_each_table_once(self):
        names = [pair.name for bench in micro.benches() for pair in bench.pairs]
        self.assertEqual(len(names), len(set(names)))
        for count in ("64 k flows", "1 M flows", "8 M flows"):
            for ending in ("", ", IPv6"):
                for what in ("flow lookup", "flow lookup, favourites", "flow insert",
                             "flow lookup, unknown flows", "flow removal"):
                    self.assertIn(f"{what}, {count}{ending}", names)

    def test_a_quick_run_has_few_of_the_flow_rows_and_the_memory_of_a_flow(self):
        names = [pair.name for bench in micro.benches() if bench.quick for pair in bench.pairs]
        self.assertLessEqual(sum(name.startswith("flow ") for name in names), 4)
        self.assertIn("memory per tracked IPv4 connection", names)

    def test_tables_that_lay_in_other_pages_than_asked_for_are_told(self):
        def document(name, share):
            run = {"name": name, "run_type": "iteration", "huge_percent": share}
            return {"benchmarks": [run, {**run, "run_type": "aggregate", "huge_percent": 50}]}
        huge, small = "hit/rte_hash/v4/huge/uniform/65536", "hit/flow_shard/v4/small/uniform/65536"
        self.assertIsNone(micro._pages_of(document(huge, 99.0)))
        self.assertIsNone(micro._pages_of(document(small, 0.0)))
        self.assertEqual(micro._pages_of(document(huge, 0.0)),
                         "0 % of rte_hash's memory in huge pages")
        self.assertIn("60 % of flow_shard's", micro._pages_of(document(small, 60.0)))

    def test_the_ratio_of_a_case_is_the_median_of_its_rounds(self):
        def turn(*rates):
            return window.Rates(list(rates), 1.0, 0, 0, 1.0, 0.0)
        case = throughput.cases()[0]
        rows = case.rows()
        throughput._compare(rows, case, [turn(10e6), turn(90e6), turn(20e6)],
                            [turn(20e6), turn(100e6), turn(80e6)])
        self.assertAlmostEqual(rows[0].ratio, 0.5)
        self.assertEqual((rows[0].value, rows[0].peer_value), (20, 80))

    def test_only_chooses_by_kind_or_by_a_part_of_the_name(self):
        cases = throughput.cases()
        self.assertEqual(suite.wanted(None, False, "end-to-end", cases), cases)
        self.assertTrue(all(case.quick for case in suite.wanted(None, True, "end-to-end", cases)))
        self.assertEqual([case.flow_count for case in suite.wanted("500 k", True, "x", cases)],
                         [500_000] * 3)
        self.assertEqual(suite.wanted("nothing like it", False, "x", cases), [])


class Children(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="sluice-perf-test.")
        self.addCleanup(self.directory.cleanup)
        self.log = Path(self.directory.name) / "log"

    def test_stop_ends_a_child_that_does_not_want_to(self):
        stubborn = child.Child(["sh", "-c", "trap '' INT TERM; echo up; exec sleep 60"], self.log)
        self.addCleanup(stubborn.process.kill)
        stubborn.wait_for(lambda: "up" in stubborn.said(), "up", 10)
        stubborn.stop(patience_s=0.2)
        self.assertIsNotNone(stubborn.process.poll())

    def test_a_child_that_ends_early_is_a_failure_with_its_last_words(self):
        brief = child.Child(["sh", "-c", "echo no such device; exit 3"], self.log)
        with self.assertRaisesRegex(child.Failed, "status 3.*no such device"):
            brief.wait_for(lambda: False, "ready", 10)

    def test_cpu_time_of_a_thread_grows_while_it_works(self):
        before = child.cpu_seconds(os.getpid(), os.getpid())
        while child.cpu_seconds(os.getpid(), os.getpid()) < before + 0.02:
            sum(range(1000))
        self.assertLess(child.cpu_seconds(os.getpid(), os.getpid()) - before, 5)

    def test_flows_that_went_missing_fail_a_turn(self):
        side = Appliance(None, None, [10, 20], 1)
        side.rpc = SimpleNamespace(call=lambda _: {"workers": [{"flows": 29}]})
        with self.assertRaisesRegex(child.Failed, "29 live flows of 30"):
            side.check()


if __name__ == "__main__":
    unittest.main()
