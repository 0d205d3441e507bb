// What a rule may demand of a connection, and sets of host names.

#include "lookup/rule_condition.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sluice {
namespace {

TEST(DomainSet, holds_the_names_that_it_lists_and_no_others) {
  const DomainSet set({"example.com", "shop.example.com"});
  EXPECT_TRUE(set.contains("example.com"));
  EXPECT_TRUE(set.contains("shop.example.com"));
  EXPECT_FALSE(set.contains("www.example.com"));
  EXPECT_FALSE(set.contains("example.co"));
  EXPECT_FALSE(set.contains("example.com."));
  EXPECT_FALSE(set.contains("xexample.com"));
  EXPECT_FALSE(set.contains(""));
}

TEST(DomainSet, with_an_asterisk_holds_every_depth_below_and_not_the_name_itself) {
  const DomainSet set({"*.example.org"});
  EXPECT_TRUE(set.contains("a.example.org"));
  EXPECT_TRUE(set.contains("d.c.b.a.example.org"));
  EXPECT_FALSE(set.contains("example.org"));
  EXPECT_FALSE(set.contains("aexample.org"));
  EXPECT_FALSE(set.contains("a.example.org.evil.test"));
  EXPECT_FALSE(set.contains("org"));
}

TEST(DomainSet, has_one_order_and_no_duplicates) {
  const DomainSet set({"b.test", "*.a.test", "b.test"});
  EXPECT_EQ(set.domains(), (std::vector<std::string>{"*.a.test", "b.test"}));
  EXPECT_EQ(set, DomainSet({"*.a.test", "b.test"}));
}

TEST(DomainSet, agrees_with_a_look_at_each_domain) {
  std::mt19937_64 random(7);
  const auto label = [&] { return std::string(1, static_cast<char>('a' + random() % 3)); };
  const auto name = [&] {
    std::string text = label();
    for (std::size_t k = random() % 4; k > 0; --k) text += "." + label();
    return text;
  };
  std::size_t held = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> domains;
    for (std::size_t k = random() % 30; k > 0; --k) {
      domains.push_back((random() % 2 == 0 ? "*." : "") + name());
    }
    const DomainSet set(domains);
    for (int i = 0; i < 100; ++i) {
      const std::string asked = name();
      bool wanted = false;
      for (const std::string& domain : domains) {
        const bool is_below = domain.starts_with("*.") && asked.ends_with(domain.substr(1));
        wanted = wanted || domain == asked || is_below;
      }
      ASSERT_EQ(set.contains(asked), wanted) << asked;
      held += wanted ? 1 : 0;
    }
  }
  EXPECT_GT(held, 1'000u);
}

TEST(RuleCondition, is_met_by_its_application_and_one_of_its_names) {
  const RuleCondition ssh{App::Ssh, DomainSet()};
  EXPECT_EQ(fit_of(ssh, {App::Ssh, ""}), ConditionFit::Met);
  EXPECT_EQ(fit_of(ssh, {App::Tls, ""}), ConditionFit::OtherApp);
  EXPECT_EQ(fit_of(ssh, {App::Unknown, ""}), ConditionFit::OtherApp);
  const RuleCondition shop{App::Tls, DomainSet({"shop.test"})};
  EXPECT_EQ(fit_of(shop, {App::Tls, "shop.test"}), ConditionFit::Met);
  EXPECT_EQ(fit_of(shop, {App::Tls, "other.test"}), ConditionFit::OtherName);
  EXPECT_EQ(fit_of(shop, {App::Tls, ""}), ConditionFit::OtherName);
  EXPECT_EQ(fit_of(shop, {App::Http, "shop.test"}), ConditionFit::OtherApp);
}

TEST(RuleCondition, with_names_alone_takes_every_application_that_has_names) {
  const RuleCondition any{App::Unknown, DomainSet({"shop.test"})};
  for (const App app : {App::Tls, App::Http, App::Quic, App::Dns}) {
    EXPECT_EQ(fit_of(any, {app, "shop.test"}), ConditionFit::Met);
    EXPECT_EQ(fit_of(any, {app, "x.test"}), ConditionFit::OtherName);
  }
  EXPECT_EQ(fit_of(any, {App::Ssh, "shop.test"}), ConditionFit::OtherApp);
  EXPECT_EQ(fit_of(any, {App::Unknown, ""}), ConditionFit::OtherApp);
}

}  // namespace
}  // namespace sluice
