#pragma once

// A document becomes what every worker enforces: load -> check -> compile -> seal -> keep on disk
// -> publish. All of it or none: until the engine has taken the snapshot nothing is changed, and
// a failure on the way leaves the former policy, its generation and its file as they were.
//
// Small changes go another way, whose cost is what they touch (staged_edits.h): edit -> check ->
// change the snapshot -> publish -> keep. There the effect comes first, and the answer only when it
// is kept too.
//
// Owns the policy in force and its number. Control thread only.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/limits.h"
#include "base/result.h"
#include "control/compile/compiler.h"
#include "control/compile/layer7_tools.h"
#include "control/compile/staged_edits.h"
#include "control/policy/finding.h"
#include "control/policy/list_versions.h"
#include "control/policy/policy.h"
#include "control/policy/policy_places.h"
#include "control/policy/registry.h"
#include "control/state_directory.h"
#include "dataplane/engine.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

// A policy in force. The publisher changes it with edits; whoever derives something from it asks
// for its generation.
struct ActivePolicy {
  KeptPolicy kept;  // of the last change; `document` is what was applied as a whole
  Policy policy;
  SnapshotInput input;
  std::shared_ptr<const PolicySnapshot> snapshot;
  Generation base;             // of the document
  std::size_t edit_count = 0;  // applied since
  std::size_t edits_size = 0;  // of them, in bytes as they were sent
  ListVersions list_versions;  // of its prefix lists

  Generation generation() const { return kept.generation; }
};

struct ApplyRequest {
  std::string document;  // TOML or JSON
  std::string file;      // what messages call it
  ExistingMode existing = ExistingMode::Keep;
  std::string comment;
  std::uint32_t author_uid = 0;
  // Only if this generation is still in force; else Conflict.
  std::optional<Generation> expected;
};

struct EditRequest {
  std::string edits;  // a JSON array of edits (policy_edit.h): all of them count or none
  ExistingMode existing = ExistingMode::Keep;
  std::string comment;
  std::uint32_t author_uid = 0;
  std::optional<Generation> expected;
};

struct ApplyOutcome {
  std::optional<Error> error;  // none: it is enforced
  Generation generation;       // in force after the call, whatever became of it
  Generation former;
  std::vector<Finding> findings;      // errors, warnings and notes of the document
  std::vector<std::string> warnings;  // of the appliance, such as a state file that is not synced
  std::vector<std::string> rules;     // ids of those that edits added
};

struct PublishOptions {
  std::string state_directory;               // empty: nothing is kept
  std::uint32_t publish_timeout_ms = 5'000;  // for every worker to enforce it
  // So many interfaces may get a number while the process lives (EngineConfig's number).
  std::uint32_t interface_capacity = kInterfacesMax;
  // Of the one in force and of the one that comes after it, each.
  std::size_t policy_memory = kPolicyMemoryDefault;  // bytes that a compiled policy may take
  // Workers that look at connections, and where compiled patterns are kept (empty: nowhere).
  std::size_t workers = 1;
  std::string pattern_directory;
  // Told of every policy just before it is published (flow log plans), and, if publishing failed,
  // of the one that stays in force: an empty one where there is none.
  std::function<void(const Policy&)> on_policy;
};

class Publisher {
 public:
  // Both outlive the publisher. Enforces nothing yet.
  Publisher(Engine& engine, Registry& registry, PublishOptions options);

  // Returns when every worker enforces the document, or with the reason why nothing changed. One
  // exception: TimedOut means that it is in force but a worker has not shown it in time.
  ApplyOutcome apply(ApplyRequest request);

  // Changes the policy in force. As apply(), but for a few microseconds and what is touched, and
  // that an edit which could not be kept is in force all the same, with a warning.
  ApplyOutcome edit(EditRequest request);

  // At start: enforces what the state directory keeps, under the generation that it had. Nothing
  // kept is no error. A document that is broken is one and is put aside; one that only does not
  // suit this appliance (its ports, its limits) is one too, and stays where it is. Nothing of
  // either is enforced.
  ApplyOutcome restore();

  // Null: no policy yet, so nothing passes.
  std::shared_ptr<const ActivePolicy> active() const { return active_; }
  Generation generation() const { return active_ ? active_->generation() : Generation(); }
  const Registry& registry() const { return registry_; }
  std::size_t policy_memory() const { return options_.policy_memory; }

 private:
  struct Candidate;
  std::optional<Error> prepare(KeptPolicy kept, ExistingMode mode, Candidate& candidate);
  std::optional<Error> check_capacity(const Policy& policy) const;
  // Whether the policy suits the ports; `file` is the document's name in messages.
  std::optional<Error> check_devices(const Policy& policy, const std::string& file,
                                     const PolicySnapshot& snapshot) const;
  std::optional<Error> check_shared_addresses(const NicStatus& nic, const Policy& policy,
                                              const std::string& file) const;
  std::optional<Error> check_mac(const NicStatus& nic, const Policy& policy,
                                 const std::string& file) const;
  std::optional<Error> enforce(Candidate& candidate, ApplyOutcome& outcome, bool is_kept_already);
  std::optional<Error> stage(const EditRequest& request, StagedEdits& staged,
                             ApplyOutcome& outcome) const;
  std::optional<Error> enforce_edits(StagedEdits& staged, const ListStamp& stamp,
                                     ExistingMode mode);
  static void commit(StagedEdits& staged, ActivePolicy& active, const ListStamp& stamp);
  void keep_edits(EditRequest request, ApplyOutcome& outcome);
  void record_lists(Candidate& candidate) const;
  Status keep_as_document();
  std::optional<Error> restore_edits(Candidate& candidate);
  void tell(const Policy& policy) const;

  std::optional<Error> equip(StagedEdits& staged);

  Engine& engine_;
  Registry& registry_;
  PublishOptions options_;
  Layer7Tools tools_;
  StateDirectory state_;
  std::shared_ptr<ActivePolicy> active_;
  std::unique_ptr<const PolicyPlaces> places_;  // of active_
};

}  // namespace sluice
