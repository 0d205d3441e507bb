#include "control/publish.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "control/policy/json_document.h"
#include "control/policy/load.h"
#include "control/policy/policy_edit.h"
#include "control/policy/policy_json.h"
#include "control/policy/shared_address.h"
#include "lookup/snapshot_builder.h"

namespace sluice {

struct Publisher::Candidate {
  std::shared_ptr<ActivePolicy> next;
  std::vector<Finding> findings;
  bool is_broken = false;      // the document itself is at fault
  ListVersions list_versions;  // where no policy is in force: what is known of its lists
};

namespace {

std::uint64_t unix_now_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

// More edits than these, or of more bytes, are written into the document.
constexpr std::size_t kEditsKeptMax = 4'096;
constexpr std::size_t kEditsSizeMax = 64u << 20;

ListStamp stamp_of(const KeptPolicy& kept) {
  return {kept.generation, kept.applied_unix_s, kept.author_uid, kept.comment};
}

std::optional<Error> check_expected(std::optional<Generation> expected, Generation current) {
  if (!expected || *expected == current) return std::nullopt;
  return Error{ErrorKind::Conflict, "generation-conflict",
               "generation " + std::to_string(current.value()) + " is in force, not " +
                   std::to_string(expected->value()) +
                   ": somebody else applied a policy in between",
               ""};
}

// Numbers are never used twice, so there is an end to them.
std::optional<Error> check_next(Generation current) {
  if (current.next().value() != std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return Error{ErrorKind::LimitExceeded, "limit-generations",
               "generation " + std::to_string(current.value()) +
                   " is in force, the last of its kind: an empty [state] directory begins at 1",
               ""};
}

// An error of the builder, and which setting is behind it.
Error with_setting(Error error) {
  if (error.code == kSnapshotTooLarge) error.sentence += " by policy_memory_mib of [engine]";
  return error;
}

}  // namespace

Publisher::Publisher(Engine& engine, Registry& registry, PublishOptions options)
    : engine_(engine),
      registry_(registry),
      options_(std::move(options)),
      tools_(options_.workers, options_.pattern_directory),
      state_(options_.state_directory) {}

ApplyOutcome Publisher::apply(ApplyRequest request) {
  ApplyOutcome outcome;
  outcome.former = generation();
  outcome.generation = generation();
  outcome.error = check_expected(request.expected, generation());
  if (!outcome.error) outcome.error = check_next(generation());
  if (outcome.error) return outcome;
  KeptPolicy kept{generation().next(),
                  std::move(request.file),
                  std::move(request.document),
                  std::move(request.comment),
                  request.author_uid,
                  unix_now_s(),
                  {}};
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
  if (!(*kept)->list_versions.empty()) {
    Result<ListVersions> known = ListVersions::from_text((*kept)->list_versions);
    if (known)
      candidate.list_versions = *std::move(known);
    else
      outcome.warnings.push_back(known.error().sentence + "; they begin anew");
  }
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
  outcome.error = restore_edits(candidate);
  if (!outcome.error) outcome.error = enforce(candidate, outcome, true);
  outcome.generation = generation();
  return outcome;
}

// Brings a document that was read back up to its last edit.
std::optional<Error> Publisher::restore_edits(Candidate& candidate) {
  ActivePolicy& next = *candidate.next;
  const Result<std::vector<KeptEdits>> kept = state_.read_edits(next.base);
  if (!kept) return kept.error();
  const PolicyPlaces places(next.policy);
  for (const KeptEdits& edits : *kept) {
    StagedEdits staged(next.policy, next.input, *next.snapshot, places, registry_);
    EditRequest request;
    request.edits = edits.edits;
    ApplyOutcome outcome;
    std::optional<Error> error = stage(request, staged, outcome);
    if (!error) {
      staged.compile(ExistingMode::Keep, edits.generation);
      error = equip(staged);
    }
    if (!error) {
      auto snapshot =
          change_snapshot(*next.snapshot, staged.change(edits.generation), options_.policy_memory);
      if (snapshot) {
        next.snapshot = *std::move(snapshot);
        commit(staged, next,
               {edits.generation, edits.applied_unix_s, edits.author_uid, edits.comment});
      } else {
        error = with_setting(snapshot.error());
      }
    }
    if (error) {
      error->sentence += "; it was edit " + std::to_string(next.edit_count + 1) +
                         " of the kept policy, nothing of which is enforced";
      return error;
    }
    next.edits_size += edits.edits.size();
  }
  return std::nullopt;
}

// The edits become part of the policy that they are of, whose snapshot has them already.
void Publisher::commit(StagedEdits& staged, ActivePolicy& active, const ListStamp& stamp) {
  std::vector<ListChange> changes = staged.commit(active.policy, active.input);
  const auto shared = std::make_shared<const ListStamp>(stamp);
  for (ListChange& change : changes) {
    const std::size_t place = staged.places().prefix_list(change.list).value();
    const std::size_t entry_count = active.policy.prefix_lists[place].entries.size();
    active.list_versions.record(std::move(change), entry_count, shared);
  }
  active.input.generation = stamp.generation;
  active.kept.generation = stamp.generation;
  active.kept.applied_unix_s = stamp.applied_unix_s;
  active.kept.author_uid = stamp.author_uid;
  active.kept.comment = stamp.comment;
  ++active.edit_count;
}

std::optional<Error> Publisher::stage(const EditRequest& request, StagedEdits& staged,
                                      ApplyOutcome& outcome) const {
  Findings found("edits");
  const std::optional<Node> root = parse_json_document(request.edits, found);
  if (root && root->array() == nullptr) {
    found.error(root->at(), "wrong-type", "edits are an array");
  } else if (root) {
    for (const Node& node : *root->array()) {
      const std::optional<PolicyEdit> edit = read_policy_edit(node, found);
      if (!edit) continue;
      staged.stage(*edit, found);
      const auto* addition = std::get_if<RuleAddition>(&*edit);
      if (addition != nullptr) outcome.rules.push_back(addition->rule.id);
    }
  }
  std::vector<Finding> all = found.take();
  const bool is_wrong = has_errors(all);
  std::optional<Error> error;
  if (is_wrong) error = error_of(all);
  outcome.findings.insert(outcome.findings.end(), all.begin(), all.end());
  return error;
}

ApplyOutcome Publisher::edit(EditRequest request) {
  ApplyOutcome outcome;
  outcome.former = outcome.generation = generation();
  if (!active_) {
    outcome.error = Error{ErrorKind::Failed, "no-policy",
                          "no policy is in force that could be changed; apply one first", ""};
    return outcome;
  }
  outcome.error = check_expected(request.expected, generation());
  if (!outcome.error) outcome.error = check_next(generation());
  if (outcome.error) return outcome;
  StagedEdits staged(active_->policy, active_->input, *active_->snapshot, *places_, registry_);
  outcome.error = stage(request, staged, outcome);
  if (outcome.error) return outcome;
  const ListStamp stamp{generation().next(), unix_now_s(), request.author_uid, request.comment};
  outcome.error = enforce_edits(staged, stamp, request.existing);
  outcome.generation = generation();
  if (outcome.generation != outcome.former) keep_edits(std::move(request), outcome);
  return outcome;
}

std::optional<Error> Publisher::enforce_edits(StagedEdits& staged, const ListStamp& stamp,
                                              ExistingMode mode) {
  RegistryMark numbers(registry_);
  staged.compile(mode, stamp.generation);
  if (std::optional<Error> error = equip(staged)) return error;
  Result<std::shared_ptr<const PolicySnapshot>> snapshot =
      change_snapshot(*active_->snapshot, staged.change(stamp.generation), options_.policy_memory);
  if (!snapshot) return with_setting(snapshot.error());
  const Status published = engine_.publish(*snapshot, options_.publish_timeout_ms);
  const bool is_late = !published && published.error().kind == ErrorKind::TimedOut;
  if (!published && !is_late) return published.error();
  numbers.keep();
  commit(staged, *active_, stamp);
  active_->snapshot = *std::move(snapshot);
  if (is_late) return published.error();
  return std::nullopt;
}

// The first rule that demands an application needs what it is looked for with. The policy's
// signatures are none, or there would be tools already.
std::optional<Error> Publisher::equip(StagedEdits& staged) {
  if (!staged.needs_tools()) return std::nullopt;
  Result<std::shared_ptr<const L7Tools>> tools = tools_.make({}, registry_);
  if (!tools) return tools.error();
  staged.set_tools(*std::move(tools));
  return std::nullopt;
}

void Publisher::keep_edits(EditRequest request, ApplyOutcome& outcome) {
  const KeptPolicy& kept = active_->kept;
  active_->edits_size += request.edits.size();
  const Status status =
      active_->edit_count > kEditsKeptMax || active_->edits_size > kEditsSizeMax
          ? keep_as_document()
          : state_.append(active_->base, {kept.generation, std::move(request.edits), kept.comment,
                                          kept.author_uid, kept.applied_unix_s});
  if (status) return;
  // Later edits cannot stand behind a gap.
  active_->edit_count = kEditsKeptMax;  // so that the next one writes the document
  outcome.warnings.push_back("enforced, but not kept for the next start: " +
                             status.error().sentence);
}

// The edits become part of a document of their own.
Status Publisher::keep_as_document() {
  KeptPolicy& kept = active_->kept;
  kept.document = policy_to_json_text(active_->policy);
  kept.list_versions = active_->list_versions.to_text();
  const Status prepared = state_.prepare(kept);
  kept.list_versions.clear();
  if (!prepared) return prepared;
  if (const Status committed = state_.commit(); !committed) return committed;
  active_->base = kept.generation;
  active_->edit_count = 0;
  active_->edits_size = 0;
  return Ok();
}

std::optional<Error> Publisher::prepare(KeptPolicy kept, ExistingMode mode, Candidate& candidate) {
  LoadedPolicy loaded = load_policy_text(kept.document, kept.file);
  candidate.findings = std::move(loaded.findings);
  candidate.is_broken = !loaded.policy;
  if (!loaded.policy) return error_of(candidate.findings);
  if (std::optional<Error> error = check_capacity(*loaded.policy)) return error;
  RegistryMark numbers(registry_);  // a policy that is refused must not use any up
  Result<SnapshotInput> input =
      active_ ? compile_after(active_->input, mode, *loaded.policy, registry_, kept.generation)
              : compile(*loaded.policy, registry_, kept.generation);
  if (!input) return input.error();
  Result<std::shared_ptr<const L7Tools>> tools = tools_.of(*loaded.policy, *input, registry_);
  if (!tools) return tools.error();
  input->tools = *std::move(tools);
  Result<std::shared_ptr<const PolicySnapshot>> snapshot =
      active_ ? change_snapshot(*active_->snapshot, difference(active_->input, *input),
                                options_.policy_memory)
              : build_snapshot(*input, options_.policy_memory);
  if (!snapshot) return with_setting(snapshot.error());
  if (std::optional<Error> error = check_devices(*loaded.policy, kept.file, **snapshot)) {
    return error;
  }
  numbers.keep();
  const Generation base = kept.generation;
  candidate.next = std::make_shared<ActivePolicy>(ActivePolicy{std::move(kept),
                                                               std::move(*loaded.policy),
                                                               std::move(*input),
                                                               std::move(*snapshot),
                                                               base,
                                                               0,
                                                               0,
                                                               {}});
  record_lists(candidate);
  return std::nullopt;
}

// What becomes of prefix lists, for the file too.
void Publisher::record_lists(Candidate& candidate) const {
  ActivePolicy& next = *candidate.next;
  next.list_versions = active_ ? active_->list_versions : std::move(candidate.list_versions);
  next.list_versions.record(active_ ? &active_->policy : nullptr, next.policy, stamp_of(next.kept));
  if (state_.is_kept()) next.kept.list_versions = next.list_versions.to_text();
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

std::optional<Error> Publisher::check_shared_addresses(const NicStatus& nic, const Policy& policy,
                                                       const std::string& file) const {
  std::vector<std::string> vpcs;
  for (const VpcIndex vpc : nic.vpcs) vpcs.push_back(registry_.vpcs.name_of(vpc));
  const bool is_uplink = nic.role == NicRole::Uplink;
  if (is_uplink && vpcs.empty()) return std::nullopt;
  const std::string shared = describe_shared_address(policy, file, vpcs);
  if (shared.empty()) return std::nullopt;
  const std::string role = is_uplink ? "the uplink of the VPCs of both"
                                     : "an end of a wire, role " + std::string(name_of(nic.role));
  return Error{ErrorKind::Invalid, "shared-address",
               shared + ", but port '" + nic.id + "' is " + role +
                   ": there the address alone tells the interface",
               ""};
}

std::optional<Error> Publisher::check_mac(const NicStatus& nic, const Policy& policy,
                                          const std::string& file) const {
  if (nic.interface.is_none()) return std::nullopt;
  const std::string& id = registry_.interfaces.name_of(nic.interface);
  for (const Eni& eni : policy.interfaces) {
    if (eni.id != id || eni.mac) continue;
    return Error{ErrorKind::Invalid, "missing-mac",
                 "interface '" + id + "' has no mac, but port '" + nic.id +
                     "' is its access port, where the mac is checked and written to: give it one",
                 Findings(file).place(eni.at)};
  }
  return std::nullopt;
}

std::optional<Error> Publisher::check_devices(const Policy& policy, const std::string& file,
                                              const PolicySnapshot& snapshot) const {
  for (const NicStatus& nic : engine_.nics()) {
    std::optional<Error> error;
    if (nic.role == NicRole::Interface) {
      error = check_mac(nic, policy, file);
    } else if (snapshot.may_share_addresses()) {
      error = check_shared_addresses(nic, policy, file);
    }
    if (error) return error;
  }
  return std::nullopt;
}

std::optional<Error> Publisher::enforce(Candidate& candidate, ApplyOutcome& outcome,
                                        bool is_kept_already) {
  if (!is_kept_already) {
    const Status prepared = state_.prepare(candidate.next->kept);
    if (!prepared) return prepared.error();
  }
  candidate.next->kept.list_versions.clear();  // the model has them
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
  places_ = std::make_unique<const PolicyPlaces>(active_->policy);
  if (!is_kept_already) {
    const Status committed = state_.commit();
    if (!committed) {
      // The file is that of a former policy, which no edit may stand behind: the next one writes
      // the document again.
      active_->edit_count = kEditsKeptMax;
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
