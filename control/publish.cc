#include "control/publish.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "control/policy/load.h"
#include "lookup/snapshot_builder.h"

namespace sluice {

struct Publisher::Candidate {
  std::shared_ptr<ActivePolicy> next;
  std::vector<Finding> findings;
  bool is_broken = false;  // the document itself is at fault
};

namespace {

std::uint64_t unix_now_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

std::optional<Error> check_expected(const ApplyRequest& request, Generation current) {
  if (!request.expected || *request.expected == current) return std::nullopt;
  return Error{ErrorKind::Conflict, "generation-conflict",
               "generation " + std::to_string(current.value()) + " is in force, not " +
                   std::to_string(request.expected->value()) +
                   ": somebody else applied a policy in between",
               ""};
}

}  // namespace

Publisher::Publisher(Engine& engine, Registry& registry, PublishOptions options)
    : engine_(engine),
      registry_(registry),
      options_(std::move(options)),
      state_(options_.state_directory) {}

ApplyOutcome Publisher::apply(ApplyRequest request) {
  ApplyOutcome outcome;
  outcome.former = generation();
  outcome.generation = generation();
  outcome.error = check_expected(request, generation());
  if (outcome.error) return outcome;
  KeptPolicy kept{generation().next(),        std::move(request.file), std::move(request.document),
                  std::move(request.comment), request.author_uid,      unix_now_s()};
  Candidate candidate;
  outcome.error = prepare(std::move(kept), request.existing, candidate);
  outcome.findings = std::move(candidate.findings);
  if (!outcome.error) outcome.error = enforce(candidate, outcome, false);
  outcome.generation = generation();
  return outcome;
}

ApplyOutcome Publisher::restore() {
  ApplyOutcome outcome;
  Result<std::optional<KeptPolicy>> kept = state_.read();
  if (!kept) {
    outcome.error = kept.error();
    return outcome;
  }
  if (!kept->has_value()) return outcome;
  Candidate candidate;
  outcome.error = prepare(std::move(**kept), ExistingMode::Keep, candidate);
  outcome.findings = std::move(candidate.findings);
  if (outcome.error) {
    const std::string path = state_.policy_path();
    if (candidate.is_broken) state_.put_aside();
    outcome.error->sentence += candidate.is_broken
                                   ? "; the kept policy was put aside as " + path + ".broken"
                                   : "; the kept policy stays in " + path;
    outcome.error->sentence += ", nothing of it is enforced";
    return outcome;
  }
  outcome.error = enforce(candidate, outcome, true);
  outcome.generation = generation();
  return outcome;
}

std::optional<Error> Publisher::prepare(KeptPolicy kept, ExistingMode mode, Candidate& candidate) {
  LoadedPolicy loaded = load_policy_text(kept.document, kept.file);
  candidate.findings = std::move(loaded.findings);
  candidate.is_broken = !loaded.policy;
  if (!loaded.policy) return error_of(candidate.findings);
  // Before the first name gets a number: a policy that is refused must not use any up.
  if (std::optional<Error> error = check_capacity(*loaded.policy)) return error;
  Result<SnapshotInput> input =
      active_ ? compile_after(active_->input, mode, *loaded.policy, registry_, kept.generation)
              : compile(*loaded.policy, registry_, kept.generation);
  if (!input) return input.error();
  Result<std::shared_ptr<const PolicySnapshot>> snapshot = build_snapshot(*input);
  if (!snapshot) return snapshot.error();
  if (std::optional<Error> error = check_devices(*input, **snapshot)) return error;
  candidate.next = std::make_shared<ActivePolicy>(ActivePolicy{
      std::move(kept), std::move(*loaded.policy), std::move(*input), std::move(*snapshot)});
  return std::nullopt;
}

std::optional<Error> Publisher::check_capacity(const Policy& policy) const {
  const std::size_t known = registry_.interfaces.size();
  const auto fresh = static_cast<std::size_t>(
      std::count_if(policy.interfaces.begin(), policy.interfaces.end(),
                    [&](const Eni& eni) { return !registry_.interfaces.find(eni.id); }));
  if (known + fresh <= options_.interface_capacity) return std::nullopt;
  return Error{ErrorKind::LimitExceeded, "limit-interfaces",
               "with this policy " + std::to_string(known + fresh) +
                   " interfaces were known since the start (" + std::to_string(fresh) +
                   " of them new), more than the " + std::to_string(options_.interface_capacity) +
                   " of interface_capacity",
               ""};
}

std::optional<Error> Publisher::check_uplink(const NicStatus& nic,
                                             const SnapshotInput& input) const {
  std::unordered_map<IpAddr, const InterfaceInput*> owners;
  for (const InterfaceInput& interface : input.interfaces) {
    if (std::find(nic.vpcs.begin(), nic.vpcs.end(), interface.vpc) == nic.vpcs.end()) continue;
    for (const IpAddr& address : interface.addresses) {
      const auto [place, is_new] = owners.try_emplace(address, &interface);
      if (is_new || place->second->vpc == interface.vpc) continue;
      return Error{ErrorKind::Invalid, "shared-address",
                   "interfaces '" + registry_.interfaces.name_of(place->second->index) + "' and '" +
                       registry_.interfaces.name_of(interface.index) + "' share the address " +
                       address.to_string() + ", but port '" + nic.id +
                       "' is the uplink of the VPCs of both: there the address alone tells the "
                       "interface",
                   ""};
    }
  }
  return std::nullopt;
}

std::optional<Error> Publisher::check_devices(const SnapshotInput& input,
                                              const PolicySnapshot& snapshot) const {
  if (!snapshot.has_shared_addresses()) return std::nullopt;
  for (const NicStatus& nic : engine_.nics()) {
    if (nic.role == NicRole::Uplink) {
      if (std::optional<Error> error = check_uplink(nic, input)) return error;
    }
    if (nic.role != NicRole::Inside && nic.role != NicRole::Outside) continue;
    return Error{ErrorKind::Invalid, "shared-address",
                 "two interfaces share an address, but port '" + nic.id + "' is " +
                     std::string(name_of(nic.role)) +
                     ": there the address alone tells the interface",
                 ""};
  }
  return std::nullopt;
}

std::optional<Error> Publisher::enforce(Candidate& candidate, ApplyOutcome& outcome,
                                        bool is_kept_already) {
  if (!is_kept_already) {
    const Status prepared = state_.prepare(candidate.next->kept);
    if (!prepared) return prepared.error();
  }
  tell(candidate.next->policy);
  const Status published = engine_.publish(candidate.next->snapshot, options_.publish_timeout_ms);
  // After a timeout the policy is in force all the same: it counts, and is kept.
  const bool is_late = !published && published.error().kind == ErrorKind::TimedOut;
  if (!published && !is_late) {
    if (!is_kept_already) state_.abandon();
    tell(active_ ? active_->policy : Policy());
    return published.error();
  }
  active_ = std::move(candidate.next);
  if (!is_kept_already) {
    const Status committed = state_.commit();
    if (!committed) {
      outcome.warnings.push_back("enforced, but not kept for the next start: " +
                                 committed.error().sentence);
    }
  }
  if (is_late) return published.error();
  return std::nullopt;
}

void Publisher::tell(const Policy& policy) const {
  if (options_.on_policy) options_.on_policy(policy);
}

}  // namespace sluice
