// A policy in force that was edited again and again answers like the edited document compiled
// afresh, and policies that were in force before go on answering as they did.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/compile/compiler.h"
#include "control/policy/load.h"
#include "control/policy/policy_json.h"
#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "tests/control/control_room.h"
#include "tests/control/edited_document.h"
#include "tests/control/spoken_question.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

using Snapshot = std::shared_ptr<const PolicySnapshot>;

// Everything that a decision says, things by their names.
std::string words_of(const Decision& decision, const Registry& registry) {
  return text_of(decision, registry) + (decision.conditional ? " on probation" : "");
}

// What a policy says of a new connection, how it came to it, and of the connection once it is
// known.
std::string answer_of(const PolicySnapshot& snapshot, const Registry& registry,
                      const NamedQuestion& named) {
  Question question = named.question;
  question.eni = registry.interfaces.find(named.interface).value();
  const Decision decision = decide(snapshot, question);
  WitnessSteps steps;
  std::string answer = words_of(decision, registry);
  EXPECT_EQ(words_of(decide(snapshot, question, steps), registry), answer);
  answer += " in " + std::to_string(steps.size()) + " steps";
  answer += "; " + words_of(decide_established(snapshot, question), registry);
  if (!decision.conditional) return answer;
  for (const Identified& identified :
       {Identified{App::Http, "b.example"}, Identified{App::Tls, "a.example"},
        Identified{App::Ssh, ""}, Identified{App::Unknown, ""}}) {
    answer += "; " + words_of(decide_identified(snapshot, question, identified), registry);
  }
  return answer;
}

// A document as somebody who has never seen another one compiles it.
class FreshPolicy {
 public:
  explicit FreshPolicy(const std::string& document) {
    LoadedPolicy loaded = load_policy_text(document, "twin.json");
    CHECK(loaded.policy.has_value());
    policy_ = *std::move(loaded.policy);
    const Result<SnapshotInput> input = compile(policy_, registry_, Generation(1));
    CHECK(input.has_value());
    Result<Snapshot> built = build_snapshot(*input);
    CHECK(built.has_value());
    snapshot_ = *std::move(built);
  }
  std::string answer(const NamedQuestion& question) const {
    return answer_of(*snapshot_, registry_, question);
  }
  const Policy& policy() const { return policy_; }

 private:
  Registry registry_;
  Policy policy_;
  Snapshot snapshot_;
};

// Groups have no order, nor have the entries of a list: a default group that an edit writes down
// stands elsewhere, and edits of one request may bring entries in another order.
std::string model_of(const Policy& policy) {
  nlohmann::json document = policy_to_json(policy);
  nlohmann::json& groups = document["security_group"];
  std::sort(groups.begin(), groups.end());
  for (nlohmann::json& list : document["prefix_list"]) {
    std::sort(list["entries"].begin(), list["entries"].end());
  }
  return document.dump();
}

// A policy that was in force, and what it said while it was.
struct Version {
  Snapshot snapshot;
  std::vector<std::pair<NamedQuestion, std::string>> answers;
};

class EditedPolicy : public ControlRoom {
 protected:
  static constexpr std::size_t kAliveMax = 4;

  // One that keeps nothing on disk.
  EditedPolicy() { publisher = std::make_unique<Publisher>(engine, registry, PublishOptions()); }

  ApplyOutcome edit(const nlohmann::json& edits, ExistingMode existing) {
    EditRequest request;
    request.edits = edits.dump();
    request.existing = existing;
    return publisher->edit(std::move(request));
  }

  // Some edits at once; one in ten requests has one that refuses it as a whole.
  void make_request(EditedDocument& document) {
    EditedDocument trial = document;
    const std::size_t count = trial.one_in(3) ? 1 + trial.below(6) : 1;
    nlohmann::json edits = nlohmann::json::array();
    for (std::size_t i = 0; i < count; ++i) edits.push_back(trial.edit());
    const auto existing = static_cast<ExistingMode>(trial.below(3));
    if (trial.one_in(10)) {
      nlohmann::json refused = edits;
      refused.push_back(trial.impossible_edit());
      const Generation before = publisher->generation();
      const Snapshot in_force = engine.published();
      ASSERT_TRUE(edit(refused, existing).error) << refused.dump();
      ASSERT_EQ(publisher->generation(), before);
      ASSERT_EQ(engine.published(), in_force);
    }
    const ApplyOutcome outcome = edit(edits, existing);
    ASSERT_FALSE(outcome.error) << outcome.error->sentence << "\n" << edits.dump();
    document = std::move(trial);
  }

  // The policy in force against the document, which it must be equal to; remembers its answers.
  void compare(EditedDocument& document, std::size_t questions) {
    const FreshPolicy fresh(document.text());
    Version now{engine.published(), {}};
    for (std::size_t i = 0; i < questions; ++i) {
      const NamedQuestion question = document.question();
      const std::string answer = answer_of(*now.snapshot, registry, question);
      ASSERT_EQ(answer, fresh.answer(question)) << document.text();
      accepted_ += answer.starts_with("accept") ? 1 : 0;
      on_probation_ += answer.find("on probation") != std::string::npos ? 1 : 0;
      now.answers.emplace_back(question, answer);
    }
    asked_ += questions;
    if (document.one_in(8)) {
      ASSERT_EQ(model_of(publisher->active()->policy), model_of(fresh.policy()));
    }
    if (alive_.size() == kAliveMax)
      alive_.erase(alive_.begin() + static_cast<long>(document.below(kAliveMax)));
    alive_.push_back(std::move(now));
  }

  void ask_former_ones() {
    for (const Version& version : alive_) {
      for (const auto& [question, answer] : version.answers) {
        ASSERT_EQ(answer_of(*version.snapshot, registry, question), answer);
      }
    }
  }

  void walk(std::uint64_t seed, bool with_demands, std::size_t requests) {
    EditedDocument document(seed, with_demands);
    alive_.clear();
    ASSERT_FALSE(apply(document.text()).error);
    for (std::size_t i = 0; i < requests; ++i) {
      make_request(document);
      if (!HasFatalFailure()) compare(document, 12);
      if (!HasFatalFailure()) ask_former_ones();
      if (HasFailure()) return;
      if (document.one_in(200)) {
        ASSERT_FALSE(apply(document.text()).error) << "the document in its own place";
      }
    }
  }

  std::vector<Version> alive_;
  std::size_t asked_ = 0;
  std::size_t accepted_ = 0;
  std::size_t on_probation_ = 0;
};

TEST_F(EditedPolicy, answers_like_its_document_compiled_afresh) {  // SG-19, SG-27, SG-33, PL-2
  constexpr std::uint64_t kSeeds = 5;
  const std::size_t requests = (scaled_count(2'500, 10'000) + kSeeds - 1) / kSeeds;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    walk(seed, false, requests);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  // Questions that all end alike would compare nothing.
  EXPECT_GT(accepted_, asked_ / 10);
  EXPECT_LT(accepted_, asked_ * 9 / 10);
}

#if SLUICE_HAS_HYPERSCAN
TEST_F(EditedPolicy, answers_like_its_document_where_rules_demand_applications) {
  walk(100, true, scaled_count(500, 2'000));
  EXPECT_GT(on_probation_, asked_ / 100);
}
#endif

}  // namespace
}  // namespace sluice
