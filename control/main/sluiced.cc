// The appliance: configuration → engine → exporter, publisher → sockets → wait → orderly stop.

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "control/cli/escape.h"
#include "control/config/appliance_file.h"
#include "control/config/settings.h"
#include "control/flowlog/exporter.h"
#include "control/flowlog/log_plan.h"
#include "control/main/notify.h"
#include "control/main/sluiced_arguments.h"
#include "control/policy/load.h"
#include "control/publish.h"
#include "control/server/exit_code.h"
#include "control/server/handlers.h"
#include "control/server/server.h"
#include "control/server/version.h"
#include "dataplane/engine.h"

namespace sluice {
namespace {

void say(const std::string& line) {
  std::fprintf(stderr, "sluiced: %s\n", escape_control(line).c_str());
}

int fail(const Error& error) {
  const bool names_place = error.sentence.find(error.where) != std::string::npos;
  say((names_place ? "" : error.where + ": ") + error.sentence);
  return exit_code_of(error.kind);
}

void print(std::span<const Finding> findings) {
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::Note) continue;
    std::fprintf(stderr, "%s\n", escape_control(to_string(finding)).c_str());
  }
}

// A descriptor that is readable once SIGINT or SIGTERM has come. To be called before any thread
// is started, so that all of them leave these signals to it.
int open_stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

std::size_t machine_memory() {
  return static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

HashKey random_key() {
  std::random_device source;
  const auto word = [&] { return (std::uint64_t{source()} << 32) | source(); };
  return {word(), word()};
}

ApplianceParts parts_of(Engine& engine, Publisher& publisher, Exporter& exporter,
                        const ApplianceConfig& config) {
  ApplianceParts parts{engine, publisher, &exporter, {}};
  for (const NicConfig& nic : config.engine.nics) {
    if (nic.role == NicRole::Interface && !nic.source_check) {
      parts.unchecked_interfaces.insert(nic.interface);
    }
  }
  return parts;
}

// What an apply or a restore came to; 0, or the exit status.
int report(const ApplyOutcome& outcome) {
  print(outcome.findings);
  for (const std::string& warning : outcome.warnings) say("warning: " + warning);
  if (!outcome.error) return 0;
  if (outcome.error->kind == ErrorKind::TimedOut) {
    say("warning: " + outcome.error->sentence);
    return 0;
  }
  if (!has_errors(outcome.findings)) return fail(*outcome.error);
  return exit_code_of(outcome.error->kind);
}

// A policy of the command line, read once: what was checked is what gets applied and kept.
struct GivenPolicy {
  std::string text;
  std::string file;
};

// The policy to begin with: the kept one, then the one of the command line over it, so that
// generations go on counting. No flow can be older than this start, so all are judged anew.
int enforce_first_policy(Publisher& publisher, std::optional<GivenPolicy> given) {
  const ApplyOutcome restored = publisher.restore();
  if (report(restored) != 0) say("warning: the kept policy is not enforced");
  if (given) {
    ApplyRequest request;
    request.document = std::move(given->text);
    request.file = std::move(given->file);
    request.existing = ExistingMode::Flush;
    request.comment = "given at start";
    request.author_uid = getuid();
    if (const int status = report(publisher.apply(std::move(request)))) return status;
  }
  const std::uint32_t generation = publisher.generation().value();
  say(generation == 0 ? "no policy yet: nothing passes until one is applied"
                      : "enforcing generation " + std::to_string(generation));
  return 0;
}

int serve(const ApplianceConfig& config, std::optional<GivenPolicy> given, Registry& registry,
          int stop_fd) {
  // Before any device: a second appliance on these sockets must not touch what the first one has.
  Result<ServerSockets> sockets = ServerSockets::open(config.socket, config.readonly_socket);
  if (!sockets) return fail(sockets.error());
  Result<std::unique_ptr<Engine>> started = start_engine(config.engine);
  if (!started) return fail(started.error());
  Engine& engine = **started;
  say(engine.description());

  Exporter exporter(engine, registry, {.key = random_key()});
  exporter.start();
  PublishOptions options;
  options.state_directory = config.state_directory;
  options.interface_capacity = config.engine.interface_capacity;
  options.workers = engine.counters().workers.size();
  if (!config.state_directory.empty()) {
    options.pattern_directory = config.state_directory + "/patterns";
  }
  options.policy_memory = config.policy_memory(machine_memory());
  options.on_policy = [&](const Policy& policy) {
    exporter.set_plan(make_log_plan(policy, registry));
  };
  Publisher publisher(engine, registry, options);
  Handlers handlers(parts_of(engine, publisher, exporter, config));
  ServerOptions server_options;
  server_options.pattern_directory = options.pattern_directory;
  server_options.on_tick = [&] { exporter.look_for_ring_losses(); };
  Server server(std::move(*sockets), server_options, handlers);
  const int status = enforce_first_policy(publisher, std::move(given));
  if (status == 0) {
    say("ready");
    notify_service_manager("READY=1");
    server.run(stop_fd);
    notify_service_manager("STOPPING=1");
    say("stopping");
  }
  // Workers that have stopped cannot say whose records a ring lost.
  exporter.look_for_ring_losses();
  engine.stop();
  exporter.stop();
  return status;
}

// The text of a policy that is in order; else tells what is wrong. Before any device is touched.
// Warnings come when it is applied.
Result<std::string> read_and_check(const std::string& path) {
  PolicyText read = read_policy_file(path);
  if (!read.text) {
    print(read.findings);
    return error_of(read.findings);
  }
  const LoadedPolicy loaded = load_policy_text(*read.text, path);
  if (loaded.policy) return std::move(*read.text);
  print(loaded.findings);
  return loaded.error();
}

int run(const SluicedArguments& arguments) {
  Registry registry;
  const LoadedConfig loaded = load_config_file(arguments.config, registry);
  print(loaded.findings);
  if (!loaded.config) return exit_code_of(ErrorKind::Invalid);
  std::optional<GivenPolicy> given;
  if (!arguments.policy.empty()) {
    const Result<std::string> text = read_and_check(arguments.policy);
    if (!text) return exit_code_of(text.error().kind);
    given = GivenPolicy{*text, arguments.policy};
  }
  const int stop_fd = open_stop_signals();
  const int status = serve(*loaded.config, std::move(given), registry, stop_fd);
  close(stop_fd);
  return status;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const auto arguments =
      sluice::parse_sluiced_arguments(std::vector<std::string>(argv + 1, argv + argc));
  if (!arguments) {
    std::fprintf(stderr, "sluiced: %s\n%s", arguments.error().sentence.c_str(),
                 std::string(sluice::sluiced_help()).c_str());
    return 2;
  }
  if (arguments->wants_help) {
    std::fputs(std::string(sluice::sluiced_help()).c_str(), stdout);
  } else if (arguments->wants_version) {
    std::printf("sluiced %s\n", std::string(sluice::kProductVersion).c_str());
  } else if (arguments->wants_sample) {
    std::fputs(sluice::sample_configuration().c_str(), stdout);
  } else {
    return sluice::run(*arguments);
  }
  return 0;
}
