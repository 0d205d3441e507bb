// sluice-replay: a capture file through the pipeline; verdicts, flow log and forwarded packets out
// (product, section 5). Exit: 0 judged, 1 input unreadable, 2 usage, 4 policy.

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "control/cli/escape.h"
#include "control/main/replay.h"

namespace sluice {
namespace {

constexpr int kExitUsage = 2;

void tell_findings(const ReplayOutcome& outcome) {
  for (const Finding& finding : outcome.findings) {
    if (finding.severity == Severity::Note) continue;
    std::fprintf(stderr, "%s\n", escape_control(to_string(finding)).c_str());
  }
  const bool is_told = has_errors(outcome.findings);
  if (outcome.error && !is_told) {
    std::fprintf(stderr, "sluice-replay: %s\n", escape_control(outcome.error->sentence).c_str());
  }
}

void tell_counts(const VerdictCounts& counts) {
  const auto count_of = [&](Verdict verdict) {
    return counts.verdicts[static_cast<std::size_t>(verdict)];
  };
  std::fprintf(stderr,
               "%" PRIu64 " packets: %" PRIu64 " accept, %" PRIu64 " drop, %" PRIu64 " none\n",
               counts.packets(), count_of(Verdict::Accept), count_of(Verdict::Drop),
               count_of(Verdict::None));
  for (const DropReasonRow& row : kDropReasons) {
    const std::uint64_t drops = counts.drops[static_cast<std::size_t>(row.reason)];
    if (drops == 0) continue;
    std::fprintf(stderr, "  drop %.*s: %" PRIu64 "\n", static_cast<int>(row.name.size()),
                 row.name.data(), drops);
  }
}

// True if every packet that an interface judged is accounted for.
bool tell_law(const std::vector<LogLawRow>& rows) {
  LogLawRow sum;
  for (const LogLawRow& row : rows) {
    sum.judged += row.judged;
    sum.logged += row.logged;
    sum.lost += row.lost;
    sum.not_logged += row.not_logged;
    sum.unaccounted += std::llabs(row.unaccounted);
  }
  std::fprintf(stderr,
               "flow log: %" PRIu64 " judged = %" PRIu64 " logged + %" PRIu64
               " not logged + %" PRIu64 " lost, %" PRId64 " unaccounted\n",
               sum.judged, sum.logged, sum.not_logged, sum.lost, sum.unaccounted);
  return sum.unaccounted == 0;
}

int exit_code(const ReplayOutcome& outcome) {
  if (!outcome.error) return 0;
  return outcome.error->kind == ErrorKind::Invalid ? 4 : 1;
}

int run(int argc, char** argv) {
  ReplayOptions options;
  CLI::App app("Judges the packets of a capture file by a policy, with the capture's own clock.");
  app.name("sluice-replay");
  app.add_option("--policy", options.policy, "policy file, TOML or JSON")->required();
  app.add_option("--pcap", options.pcap, "capture to read: pcap or pcapng")->required();
  app.add_option("--verdicts", options.verdicts, "write one JSON object a packet to this file");
  app.add_option("--flow-log", options.flow_log, "write the flow log to this file");
  app.add_option("--out", options.out, "write the packets that were forwarded to this capture");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  const ReplayOutcome outcome = replay(options);
  tell_findings(outcome);
  if (outcome.counts.packets() != 0 || !outcome.error) {
    tell_counts(outcome.counts);
    if (!tell_law(outcome.law)) return EXIT_FAILURE;
  }
  return exit_code(outcome);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::run(argc, argv); }
