#include "control/main/replay.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "control/compile/compiler.h"
#include "control/compile/layer7_tools.h"
#include "control/main/replay_capture.h"
#include "control/main/replay_flow_log.h"
#include "control/main/replay_io.h"
#include "control/main/replay_worker.h"
#include "control/policy/load.h"
#include "control/policy/registry.h"
#include "control/policy/shared_address.h"
#include "lookup/snapshot_builder.h"

namespace sluice {

namespace {

Error failed(const std::string& path, std::string_view what) {
  return Error{ErrorKind::Failed, "not-written",
               path + ": " + std::string(what) + ": " + std::strerror(errno), path};
}

// A file to write, or none where no path was given. Closes itself.
class OutputFile {
 public:
  static Result<OutputFile> create(const std::string& path) {
    if (path.empty()) return OutputFile(nullptr, path);
    std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
    if (file == nullptr) return failed(path, "cannot be written");
    return OutputFile(file, path);
  }
  std::FILE* get() const { return file_.get(); }
  Status finish() {
    if (file_ == nullptr) return Ok();
    if (std::ferror(file_.get()) != 0 || std::fflush(file_.get()) != 0) {
      return failed(path_, "cannot be written");
    }
    return Ok();
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const {
      if (file != stdout) std::fclose(file);
    }
  };
  OutputFile(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}

  std::unique_ptr<std::FILE, Close> file_;
  std::string path_;
};

// The policy, sealed: what the run is judged by and what it logs.
struct Sealed {
  std::shared_ptr<const PolicySnapshot> snapshot;
  std::shared_ptr<const LogPlan> plan;
};

Error invalid(Error error) {
  // Whatever is wrong with the policy, too big or broken, replay calls it invalid (exit 4).
  error.kind = ErrorKind::Invalid;
  return error;
}

Result<Sealed> seal(const std::string& path, Registry& registry, std::vector<Finding>& findings) {
  LoadedPolicy loaded = load_policy_file(path);
  findings = loaded.findings;
  if (!loaded.policy) return invalid(loaded.error());
  Sealed sealed;
  sealed.plan = replay_log_plan(*loaded.policy, registry);
  Result<SnapshotInput> input = compile(*loaded.policy, registry, Generation(1));
  if (!input) return invalid(input.error());
  for (InterfaceInput& interface : input->interfaces) {
    const LoggedInterface* row = sealed.plan->find(interface.index);
    interface.logged = row != nullptr && !row->logs.empty();
  }
  Layer7Tools tools(1, "");
  Result<std::shared_ptr<const L7Tools>> made = tools.of(*loaded.policy, *input, registry);
  if (!made) return invalid(made.error());
  input->tools = *std::move(made);
  Result<std::shared_ptr<const PolicySnapshot>> snapshot = build_snapshot(*input);
  if (!snapshot) return invalid(snapshot.error());
  sealed.snapshot = *snapshot;
  if (sealed.snapshot->may_share_addresses()) {
    const std::string shared = describe_shared_address(*loaded.policy, path);
    if (shared.empty()) return sealed;
    return Error{ErrorKind::Invalid, "shared-address",
                 shared + ": a capture cannot tell which of them a packet belongs to", path};
  }
  return sealed;
}

// Packets of the capture, up to where it breaks off; none if it can be read only once.
std::optional<std::uint64_t> count_packets(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  Result<std::unique_ptr<CaptureReader>> capture = CaptureReader::open(path);
  if (!capture) return std::nullopt;
  CapturedPacket packet;
  Result<bool> has_packet = (*capture)->next(packet);
  while (has_packet && *has_packet) has_packet = (*capture)->next(packet);
  return packet.number;
}

// Each packet can begin a flow at two ends; no more than kFlowsMax are remembered at once. An error
// where the machine could not hold them: a smaller table would give other verdicts.
Result<std::uint32_t> flow_capacity(const std::string& path) {
  constexpr std::uint64_t kFlowsMax = 4'000'000;
  constexpr std::uint64_t kFlowSize =
      256;  // an entry of the greater kind with its share of a bucket
  constexpr std::uint64_t kUnknown = 1'000'000;
  const std::optional<std::uint64_t> packets = count_packets(path);
  const auto flows = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(packets ? *packets * 2 : kUnknown, kFlowCapacityMin, kFlowsMax));
  const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (flows * kFlowSize <= memory) return flows;
  return Error{ErrorKind::Failed, "no-memory",
               "capture " + path + ": " + std::to_string(flows) + " flows need " +
                   std::to_string(flows * kFlowSize) + " bytes, more than the memory of " +
                   std::to_string(memory),
               path};
}

struct Outputs {
  OutputFile verdicts;
  OutputFile flow_log;
  std::unique_ptr<CaptureWriter> forwarded;  // null: not wanted

  std::optional<Error> finish() {
    std::optional<Error> error;
    for (OutputFile* file : {&verdicts, &flow_log}) {
      const Status status = file->finish();
      if (!status && !error) error = status.error();
    }
    if (forwarded != nullptr) {
      const Status status = forwarded->finish();
      if (!status && !error) error = status.error();
    }
    return error;
  }
};

Result<Outputs> open_outputs(const ReplayOptions& options, const CaptureReader& capture) {
  Result<OutputFile> verdicts = OutputFile::create(options.verdicts);
  if (!verdicts) return verdicts.error();
  Result<OutputFile> flow_log = OutputFile::create(options.flow_log);
  if (!flow_log) return flow_log.error();
  std::unique_ptr<CaptureWriter> forwarded;
  if (!options.out.empty()) {
    auto writer = CaptureWriter::create(options.out, capture);
    if (!writer) return writer.error();
    forwarded = std::move(*writer);
  }
  return Outputs{std::move(*verdicts), std::move(*flow_log), std::move(forwarded)};
}

// The file that the path leads to, whatever it is called; nothing for none and for stdout.
std::optional<std::pair<dev_t, ino_t>> identity_of(const std::string& path) {
  struct stat facts {};
  if (path.empty() || path == "-" || ::stat(path.c_str(), &facts) != 0) return std::nullopt;
  if (!S_ISREG(facts.st_mode)) return std::nullopt;
  return std::pair(facts.st_dev, facts.st_ino);
}

// No file is written that is read, and none twice.
std::optional<Error> check_files(const ReplayOptions& options) {
  const std::array<std::string, 3> outputs = {options.verdicts, options.flow_log, options.out};
  const auto clash = [](const std::string& a, const std::string& b) {
    const auto identity = identity_of(a);
    return !a.empty() && (a == b || (identity && identity == identity_of(b)));
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const std::string& input : {options.policy, options.pcap}) {
      if (!clash(outputs[i], input)) continue;
      return Error{ErrorKind::Usage, "same-file", "would be read and written at once", outputs[i]};
    }
    for (std::size_t k = i + 1; k < outputs.size(); ++k) {
      if (!clash(outputs[i], outputs[k])) continue;
      return Error{ErrorKind::Usage, "same-file", "would be written twice", outputs[i]};
    }
  }
  return std::nullopt;
}

void join_laws(ReplayWorker& worker, const ReplayFlowLog& log, std::vector<LogLawRow>& rows) {
  const auto& tallies = log.aggregator().tallies();
  for (const LogLaw& law : worker.law()) {
    const bool is_known = law.eni.value() < tallies.size();
    rows.push_back(
        join_law(law, is_known ? tallies[law.eni.value()][static_cast<std::size_t>(law.direction)]
                               : ExportTally{}));
  }
}

void judge_all(CaptureReader& capture, const Sealed& sealed, std::uint32_t flow_capacity,
               const Registry& registry, Outputs& outputs, ReplayOutcome& outcome) {
  VerdictWriter verdicts(outputs.verdicts.get(), registry);
  ReplayFlowLog log(outputs.flow_log.get(), sealed.plan, registry);
  ReplayIo io(outputs.forwarded.get());
  Result<bool> has_packet = capture.next(io.fresh_packet());

  ReplayWorkerConfig config;
  config.snapshot = sealed.snapshot;
  config.flow_capacity = flow_capacity;
  config.interface_capacity = static_cast<std::uint32_t>(registry.interfaces.size()) + 1;
  config.start_ns = outcome.first_ns = outcome.last_ns = io.fresh_packet().time_ns;
  ReplayWorker worker(config, io, verdicts, log);

  std::uint64_t packet_count = 0;
  while (has_packet && *has_packet) {
    ++packet_count;
    outcome.last_ns = std::max(outcome.last_ns, io.fresh_packet().time_ns);
    worker.advance(outcome.last_ns);
    worker.judge();
    has_packet = capture.next(io.fresh_packet());
  }
  worker.finish();
  log.finish();
  // Each packet has exactly one verdict, told in order.
  CHECK(verdicts.waiting() == 0 && verdicts.counts().packets() == packet_count);
  outcome.counts = verdicts.counts();
  join_laws(worker, log, outcome.law);
  if (!has_packet) outcome.error = has_packet.error();
}

}  // namespace

ReplayOutcome replay(const ReplayOptions& options) {
  ReplayOutcome outcome;
  outcome.error = check_files(options);
  if (outcome.error) return outcome;
  Registry registry;
  Result<Sealed> sealed = seal(options.policy, registry, outcome.findings);
  if (!sealed) {
    outcome.error = sealed.error();
    return outcome;
  }
  Result<std::unique_ptr<CaptureReader>> capture = CaptureReader::open(options.pcap);
  if (!capture) {
    outcome.error = capture.error();
    return outcome;
  }
  Result<Outputs> outputs = open_outputs(options, **capture);
  if (!outputs) {
    outcome.error = outputs.error();
    return outcome;
  }
  const Result<std::uint32_t> capacity = flow_capacity(options.pcap);
  if (!capacity) {
    outcome.error = capacity.error();
    return outcome;
  }
  judge_all(**capture, *sealed, *capacity, registry, *outputs, outcome);
  std::optional<Error> error = outputs->finish();
  if (!outcome.error) outcome.error = std::move(error);
  return outcome;
}

}  // namespace sluice
