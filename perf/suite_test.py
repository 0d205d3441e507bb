#!/usr/bin/env python3
"""Tests of the perf suite's own parts: what it sends, how it counts, what it says."""

import io
import json
import os
import struct
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import micro  # noqa: E402
import report  # noqa: E402
import suite  # noqa: E402
from end_to_end import child, scale_policy, throughput, window  # noqa: E402
from end_to_end.appliance import Appliance  # noqa: E402
from lookup import prefix_files  # noqa: E402
from traffic import established_flows  # noqa: E402


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
            policy = established_flows.measured_policy(count)
            self.assertEqual(policy.count("protocol ="), count)
            self.assertEqual(policy.count('source = "20.0.0.0/8"'), 1)


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


class Rows(unittest.TestCase):
    def test_a_ratio_is_of_medians_and_its_goal_may_be_a_least_or_a_most(self):
        row = report.Row("x", "M/s", "peer", 2.0).compare([1, 3, 9], [2, 2, 2])
        self.assertEqual((row.value, row.peer_value, row.ratio), (3, 2, 1.5))
        self.assertAlmostEqual(row.reached(), 0.75)
        self.assertAlmostEqual(row.spread, 8 / 3)
        low = report.Row("y", "clocks", "peer", 0.5, at_least=False).compare([10], [40])
        self.assertAlmostEqual(low.reached(), 2.0)

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
