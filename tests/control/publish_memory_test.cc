// A policy that would take more memory than it may is refused with both numbers, and nothing has
// changed.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "control/explain/explain.h"
#include "control/publish.h"
#include "tests/control/control_room.h"

namespace sluice {
namespace {

// The web policy with a prefix list of so many entries that one of its rules names.
std::string policy_with_list(int entries) {
  std::string list = "[[prefix_list]]\nid = \"pl-a\"\nfamily = \"ipv4\"\nmax_entries = " +
                     std::to_string(entries) + "\nentries = [\n";
  for (int i = 0; i < entries; ++i) {
    list += "  { cidr = \"100." + std::to_string(i / 256) + "." + std::to_string(i % 256) +
            ".0/24\" },\n";
  }
  std::string policy = list + "]\n" + std::string(kWebPolicy);
  const std::string any = "source = \"0.0.0.0/0\"";
  return policy.replace(policy.find(any), any.size(), "source = \"pl-a\"");
}

constexpr const char* kAddRule =
    R"([{"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp","ports":80,)"
    R"("source":"203.0.113.0/24"}])";

// A publisher for whom the web policy is as large as may be.
class PolicyMemory : public ControlRoom {
 protected:
  PolicyMemory() {
    EXPECT_FALSE(apply(kWebPolicy).error);
    size_ = publisher->active()->snapshot->size();
    restart_publisher(size_);
    const ApplyOutcome outcome = publisher->restore();
    EXPECT_FALSE(outcome.error) << outcome.error->sentence;
    before_ = engine.published();
    kept_before_ = read_text(folder.file("state/policy.state"));
    rules_before_ = registry.rules.size();
  }

  ApplyOutcome edit(std::string edits) {
    EditRequest request;
    request.edits = std::move(edits);
    return publisher->edit(std::move(request));
  }
  std::string verdict(const char* source) {
    ExplainScope scope;
    scope.snapshot = engine.published().get();
    scope.registry = &registry;
    return explain({{"interface", "eni-web"},
                    {"direction", "ingress"},
                    {"protocol", "tcp"},
                    {"source", source},
                    {"destination", "10.0.1.10"},
                    {"destination_port", 443}},
                   scope)["verdict"];
  }
  void expect_refusal(const ApplyOutcome& outcome) {
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->kind, ErrorKind::LimitExceeded);
    const std::string& sentence = outcome.error->sentence;
    const std::string possible = std::to_string(size_) + " possible by policy_memory_mib";
    EXPECT_NE(sentence.find(possible), std::string::npos) << sentence;
    const std::size_t needed = sentence.find_first_of("0123456789");
    ASSERT_NE(needed, std::string::npos);
    EXPECT_GT(std::stoull(sentence.substr(needed)), size_) << sentence;
    EXPECT_EQ(outcome.generation, Generation(1));
    EXPECT_EQ(publisher->generation(), Generation(1));
    EXPECT_EQ(engine.published(), before_) << "the very same snapshot";
    EXPECT_EQ(read_text(folder.file("state/policy.state")), kept_before_);
    EXPECT_FALSE(std::filesystem::exists(folder.file("state/policy.edits.1")));
    EXPECT_EQ(registry.rules.size(), rules_before_);
    EXPECT_EQ(verdict("100.0.0.1"), "accept");
    EXPECT_EQ(verdict("192.0.2.1"), "drop");
  }

  std::size_t size_ = 0;
  std::shared_ptr<const PolicySnapshot> before_;
  std::string kept_before_;
  std::size_t rules_before_ = 0;
};

TEST_F(PolicyMemory, takes_what_just_fits) {
  EXPECT_EQ(apply(kWebPolicy).generation, Generation(2));
}

TEST_F(PolicyMemory, refuses_a_document_that_is_too_large) {
  expect_refusal(apply(policy_with_list(5'000)));
  EXPECT_EQ(apply(kWebPolicy).generation, Generation(2)) << "the next one is not touched by it";
}

TEST_F(PolicyMemory, refuses_an_edit_that_makes_it_too_large) {
  expect_refusal(edit(kAddRule));
  expect_refusal(edit(R"([{"do":"interface.attach","interface":"eni-admin","group":"sg-web"}])"));
  const std::string id = registry.rules.name_of(RuleIndex(0));
  const ApplyOutcome removed = edit(R"([{"do":"rule.remove","rule":")" + id + "\"}]");
  EXPECT_FALSE(removed.error) << removed.error->sentence;
  EXPECT_EQ(removed.generation, Generation(2));
}

TEST_F(PolicyMemory, leaves_a_kept_policy_where_it_is_that_does_not_fit_any_more) {
  restart_publisher(size_ - 1);
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::LimitExceeded);
  EXPECT_EQ(publisher->active(), nullptr);
  EXPECT_EQ(read_text(folder.file("state/policy.state")), kept_before_);
}

}  // namespace
}  // namespace sluice
