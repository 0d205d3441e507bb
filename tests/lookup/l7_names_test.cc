// Names in first bytes.

#include "lookup/l7_names.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

TEST(HostName, IsLoweredAndLosesTheLastDot) {
  EXPECT_EQ(HostName::from("WWW.Example.COM.").text(), "www.example.com");
  EXPECT_EQ(HostName::from("_dmarc.x").text(), "_dmarc.x");
  EXPECT_EQ(HostName::from("192.0.2.1").text(), "192.0.2.1");
}

TEST(HostName, IsEmptyWhereTheRulesAreBroken) {
  for (const char* text :
       {"", ".", "a..b", ".a", "-a.b", "a-.b", "a b", "a/b", "a:1", "\xc3\xa4"}) {
    EXPECT_TRUE(HostName::from(text).is_empty()) << text;
  }
  EXPECT_TRUE(HostName::from(std::string("a\0b", 3)).is_empty());
  EXPECT_TRUE(HostName::from(std::string(10'000, 'a')).is_empty());
}

TEST(HostName, HoldsLabelsOf63AndNamesOf253) {
  const std::string label(63, 'a');
  EXPECT_EQ(HostName::from(label).text(), label);
  EXPECT_TRUE(HostName::from(label + "a").is_empty());
  const std::string whole = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(whole.size(), HostName::kSizeMax);
  EXPECT_EQ(HostName::from(whole).text(), whole);
  EXPECT_EQ(HostName::from(whole + ".").text(), whole);
  EXPECT_TRUE(HostName::from(whole + "b").is_empty());
}

}  // namespace
}  // namespace sluice
