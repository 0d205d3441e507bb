// `explain` against the compiled policy and against the slow twin, on random questions over random
// policies: three answers, one truth.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "tests/control/spoken_question.h"
#include "tests/reference/random_policy.h"
#include "tests/reference/slow_policy.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

constexpr std::size_t kQuestionsPerPolicy = 500;

// What the packet path refuses before it asks the policy is not the twin's business.
bool is_refused_before(const Question& question, const SnapshotInput& input) {
  const bool is_ingress = question.direction == Direction::Ingress;
  const IpAddr& source = is_ingress ? question.remote : question.local;
  const IpAddr& destination = is_ingress ? question.local : question.remote;
  for (const IpAddr& address : {source, destination}) {
    if (address.is_multicast() || address.is_limited_broadcast() || address.is_loopback() ||
        address.is_unspecified()) {
      return true;
    }
  }
  return is_for_subnet(question, input);
}

// SG-62: no policy is asked.
bool is_discovery_of(const Question& question) {
  return question.proto == Proto::Icmpv6 && !question.local.is_v4() &&
         is_discovery(static_cast<std::uint8_t>(question.port >> 8));
}

TEST(ExplainTwin, agrees_with_decide_and_the_slow_policy) {
  const std::size_t total = scaled_count(20'000);
  std::size_t asked = 0;
  std::size_t accepted = 0;
  std::size_t compared = 0;
  for (std::uint64_t seed = 1; asked < total; ++seed) {
    RandomPolicy policy(seed);
    const auto snapshot = build_snapshot(policy.input());
    ASSERT_TRUE(snapshot) << snapshot.error().sentence;
    Registry registry;
    name_everything(policy.input(), registry);
    const SlowPolicy slow(policy.input());
    ExplainScope scope;
    scope.snapshot = snapshot->get();
    scope.registry = &registry;
    for (std::size_t i = 0; i < kQuestionsPerPolicy && asked < total; ++i, ++asked) {
      const Question question = policy.question();
      const bool is_established = policy.one_in(8);
      const nlohmann::json query = query_of(question, is_established);
      const std::string answer = text_of(explain(query, scope));
      if (is_refused_before(question, policy.input()) || is_discovery_of(question)) continue;
      const Decision fast =
          is_established ? decide_established(**snapshot, question) : decide(**snapshot, question);
      const Decision twin =
          is_established ? slow.decide_established(question) : slow.decide(question);
      ASSERT_EQ(answer, text_of(fast, registry)) << "seed " << seed << " " << query;
      ASSERT_EQ(answer, text_of(twin, registry)) << "seed " << seed << " " << query;
      ++compared;
      if (twin.verdict == Verdict::Accept) ++accepted;
    }
  }
  // Questions that all end alike would compare nothing.
  EXPECT_GT(compared, asked * 9 / 10);
  EXPECT_GT(accepted, compared / 10);
  EXPECT_LT(accepted, compared * 9 / 10);
}

}  // namespace
}  // namespace sluice
