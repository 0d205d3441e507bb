#include "dataplane/core_plan.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <pthread.h>
#include <sched.h>

#include "base/limits.h"

namespace sluice {
namespace {

bool holds(std::span<const unsigned> cores, unsigned core) {
  return std::find(cores.begin(), cores.end(), core) != cores.end();
}

Error core_error(std::string code, std::string sentence) {
  return Error{ErrorKind::Invalid, std::move(code), std::move(sentence), "engine.workers"};
}

}  // namespace

std::string list_of_cores(std::span<const unsigned> cores) {
  std::string text;
  for (unsigned core : cores) {
    if (!text.empty()) text += ", ";
    text += std::to_string(core);
  }
  return text;
}

std::vector<unsigned> usable_cores() {
  std::vector<unsigned> cores;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

Result<CorePlan> plan_cores(std::span<const unsigned> wanted, std::span<const unsigned> usable) {
  CHECK(!usable.empty());
  CorePlan plan;
  plan.workers.assign(wanted.begin(), wanted.end());
  if (wanted.empty()) {
    plan.workers.assign(usable.begin() + (usable.size() > 1 ? 1 : 0), usable.end());
    if (plan.workers.size() > kWorkersMax) plan.workers.resize(kWorkersMax);
  }
  if (plan.workers.size() > kWorkersMax) {
    return core_error("too-many-workers", std::to_string(plan.workers.size()) +
                                              " workers are asked for; at most " +
                                              std::to_string(kWorkersMax) + " can be");
  }
  for (std::size_t i = 0; i < plan.workers.size(); ++i) {
    const unsigned core = plan.workers[i];
    if (!holds(usable, core)) {
      return core_error("missing-core", "core " + std::to_string(core) +
                                            " does not exist or may not be used; there are " +
                                            list_of_cores(usable));
    }
    if (holds(std::span(plan.workers).first(i), core)) {
      return core_error("duplicate-core", "core " + std::to_string(core) + " is named twice");
    }
  }
  const auto resting = std::find_if(usable.begin(), usable.end(),
                                    [&](unsigned core) { return !holds(plan.workers, core); });
  plan.main = resting != usable.end() ? *resting : usable.front();
  return plan;
}

void leave_worker_cores(const CorePlan& plan, std::span<const unsigned> usable) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (unsigned core : usable) {
    if (!holds(plan.workers, core)) CPU_SET(core, &set);
  }
  if (CPU_COUNT(&set) > 0) pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

Status pin_to_core(pthread_t thread, unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  const int problem = pthread_setaffinity_np(thread, sizeof(set), &set);
  if (problem == 0) return Ok();
  return core_error("missing-core",
                    "core " + std::to_string(core) + " cannot be used: " + std::strerror(problem));
}

}  // namespace sluice
