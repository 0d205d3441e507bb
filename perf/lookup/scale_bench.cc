// A policy of the largest accounts' size: where the time from its text to what packets are judged
// by goes, and how fast that answers.
//
// The text is what SLUICE_POLICY names, JSON or TOML (end_to_end/scale_policy.py writes it); the
// tiny run has one of its own. Questions are of random interfaces, nine of ten aimed at a rule of
// one of their groups.

#include <benchmark/benchmark.h>
#include <time.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "control/compile/compiler.h"
#include "control/policy/check_policy.h"
#include "control/policy/json_document.h"
#include "control/policy/load.h"
#include "control/policy/read_policy.h"
#include "control/policy/toml_document.h"
#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "lookup/verdict_cache.h"
#include "perf/lookup/routes.h"

namespace sluice {
namespace {

constexpr std::size_t kQuestions = 1u << 17;

constexpr std::string_view kTinyPolicy = R"(
[[vpc]]
id = "vpc-a"
cidrs = ["10.0.0.0/16"]
[[subnet]]
id = "subnet-a"
vpc = "vpc-a"
cidrs = ["10.0.1.0/24"]
[[prefix_list]]
id = "pl-a"
family = "ipv4"
max_entries = 2
entries = [{ cidr = "192.0.2.0/24" }, { cidr = "198.51.100.0/24" }]
[[security_group]]
id = "sg-a"
vpc = "vpc-a"
ingress = [
  { protocol = "tcp", ports = 443, source = "203.0.113.0/24" },
  { protocol = "tcp", ports = 80, source = "pl-a" },
  { protocol = "udp", ports = 53, source = "sg-a" },
]
[[interface]]
id = "eni-a"
subnet = "subnet-a"
addresses = ["10.0.1.10"]
security_groups = ["sg-a"]
)";

enum class Text { Tiny, File };

// Nothing where no file is named.
std::optional<std::string> text_of(Text which) {
  if (which == Text::Tiny) return std::string(kTinyPolicy);
  const char* name = std::getenv("SLUICE_POLICY");
  return name == nullptr ? std::nullopt : read_policy_file(name).text;
}

// Seconds of CPU time of each stage on the way.
struct StageTimes {
  double read = 0;     // text to model, by way of a tree
  double check = 0;    // the model as a whole
  double compile = 0;  // names to numbers
  double seal = 0;     // numbers to a snapshot
};

struct Loaded {
  SnapshotInput input;
  std::shared_ptr<const PolicySnapshot> snapshot;
};

// The seconds of CPU time that work() takes on this thread.
template <class Work>
double timed(Work&& work) {
  const auto now = [] {
    timespec time{};
    CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double began = now();
  work();
  return now() - began;
}

Loaded load(const std::string& text, StageTimes& times) {
  Findings findings("policy");
  Policy policy;
  times.read = timed([&] {
    const bool is_json = text.starts_with('{');
    const std::optional<Node> root =
        is_json ? parse_json_document(text, findings) : parse_toml_document(text, findings);
    CHECK(root.has_value());
    policy = read_policy(*root, findings);
    add_default_groups(policy, findings);
  });
  times.check = timed([&] { check_policy(policy, findings); });
  CHECK(!findings.has_errors());
  Loaded loaded;
  Registry registry;
  times.compile = timed([&] {
    Result<SnapshotInput> input = compile(policy, registry, Generation(1));
    CHECK(input.has_value());
    loaded.input = *std::move(input);
  });
  times.seal = timed([&] {
    Result<std::shared_ptr<const PolicySnapshot>> sealed = build_snapshot(loaded.input);
    CHECK(sealed.has_value());
    loaded.snapshot = *std::move(sealed);
  });
  return loaded;
}

void bench_load(benchmark::State& state, Text which) {
  const std::optional<std::string> text = text_of(which);
  if (!text) return state.SkipWithError("SLUICE_POLICY names no file that can be read");
  StageTimes times;
  std::size_t size = 0;
  for (auto _ : state) size = load(*text, times).snapshot->size();
  state.counters["read_s"] = times.read;
  state.counters["check_s"] = times.check;
  state.counters["compile_s"] = times.compile;
  state.counters["seal_s"] = times.seal;
  state.counters["snapshot_MB"] = static_cast<double>(size) / 1e6;
}

// Draws questions that the policy has an opinion about.
class Asker {
 public:
  explicit Asker(const SnapshotInput& input) : input_(input), random_(1) {
    for (const GroupInput& group : input.groups) groups_.emplace(group.index, &group);
    for (const PrefixListInput& list : input.prefix_lists) lists_.emplace(list.index, &list);
    for (const InterfaceInput& interface : input.interfaces) {
      for (const GroupIndex group : interface.groups) members_[group].push_back(&interface);
    }
  }

  Question question() {
    const InterfaceInput& interface = any_of(input_.interfaces);
    Question question;
    question.eni = interface.index;
    question.local = interface.addresses.front();
    question.source_port = 40'000;
    question.port = static_cast<std::uint16_t>(random_());
    question.remote = IpAddr::v4(static_cast<std::uint32_t>(random_()));
    if (interface.groups.empty() || random_() % 10 == 0) return question;
    const GroupInput& group = *groups_.at(any_of(interface.groups));
    if (group.rules.empty()) return question;
    const RuleInput& rule = any_of(group.rules);
    question.direction = rule.direction;
    if (rule.proto.number >= 0) question.proto = static_cast<Proto>(rule.proto.number);
    question.port = static_cast<std::uint16_t>(rule.ports.low);
    question.remote = address_of(rule.peer, question.remote);
    return question;
  }

 private:
  template <class T>
  const T& any_of(const std::vector<T>& things) {
    return things[random_() % things.size()];
  }
  IpAddr address_of(const PeerInput& peer, const IpAddr& otherwise) {
    if (const Cidr* cidr = std::get_if<Cidr>(&peer)) return draw_inside(*cidr, random_);
    if (const auto* list = std::get_if<PrefixListIndex>(&peer)) {
      return draw_inside(any_of(lists_.at(*list)->entries), random_);
    }
    const auto members = members_.find(std::get<GroupIndex>(peer));
    if (members == members_.end()) return otherwise;
    return any_of(members->second)->addresses.front();
  }

  const SnapshotInput& input_;
  std::mt19937_64 random_;
  std::unordered_map<GroupIndex, const GroupInput*> groups_;
  std::unordered_map<PrefixListIndex, const PrefixListInput*> lists_;
  std::unordered_map<GroupIndex, std::vector<const InterfaceInput*>> members_;
};

struct Workload {
  std::shared_ptr<const PolicySnapshot> snapshot;
  std::vector<Question> questions;
};

// Made when first asked for; null where there is no text.
const Workload* workload_of(Text which) {
  static std::unique_ptr<Workload> held;
  static Text held_text;
  if (held != nullptr && held_text == which) return held.get();
  const std::optional<std::string> text = text_of(which);
  if (!text) return nullptr;
  StageTimes times;
  const Loaded loaded = load(*text, times);
  held = std::make_unique<Workload>(Workload{loaded.snapshot, {}});
  held_text = which;
  Asker asker(loaded.input);
  while (held->questions.size() < kQuestions) held->questions.push_back(asker.question());
  return held.get();
}

// Calls decide(workload, kBulk questions) until the time is over.
template <class Decide>
void ask(benchmark::State& state, Text which, Decide&& decide) {
  const Workload* workload = workload_of(which);
  if (workload == nullptr) {
    return state.SkipWithError("SLUICE_POLICY names no file that can be read");
  }
  std::array<Decision, kBulk> decisions;
  std::size_t at = 0;
  for (auto _ : state) {
    decide(*workload->snapshot, std::span(workload->questions).subspan(at, kBulk), decisions);
    benchmark::DoNotOptimize(decisions);
    at = (at + kBulk) % kQuestions;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
}

// As a worker asks: through what it remembers of the answers.
void bench_decide(benchmark::State& state, Text which) {
  VerdictCache cache;
  ask(state, which,
      [&](const PolicySnapshot& snapshot, std::span<const Question> questions,
          std::span<Decision> decisions) { cache.decide_burst(snapshot, questions, decisions); });
}

void bench_decide_uncached(benchmark::State& state, Text which) {
  ask(state, which,
      [](const PolicySnapshot& snapshot, std::span<const Question> questions,
         std::span<Decision> decisions) {
        for (std::size_t i = 0; i < questions.size(); ++i) {
          decisions[i] = decide(snapshot, questions[i]);
        }
      });
}

void register_all() {
  for (const auto& [which, name] : {std::pair(Text::Tiny, "tiny"), {Text::File, "file"}}) {
    const std::string end = std::string("/") + name;
    benchmark::RegisterBenchmark(("load" + end).c_str(), bench_load, which)->Iterations(1);
    benchmark::RegisterBenchmark(("decide" + end).c_str(), bench_decide, which);
    benchmark::RegisterBenchmark(("decide_uncached" + end).c_str(), bench_decide_uncached, which);
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
