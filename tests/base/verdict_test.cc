#include "base/verdict.h"

#include <gtest/gtest.h>

#include "base/proto.h"

namespace sluice {
namespace {

// These words are in the replay's and explain's output, which others parse.
TEST(Verdict, is_printed_in_the_words_of_the_product) {
  EXPECT_EQ(name_of(Verdict::None), "none");
  EXPECT_EQ(name_of(Verdict::Accept), "accept");
  EXPECT_EQ(name_of(Verdict::Drop), "drop");
  EXPECT_EQ(name_of(By::None), "none");
  EXPECT_EQ(name_of(By::Rule), "rule");
  EXPECT_EQ(name_of(By::Flow), "flow");
  EXPECT_EQ(name_of(By::Related), "related");
  EXPECT_EQ(name_of(By::Acl), "acl");
  EXPECT_EQ(name_of(By::Exempt), "exempt");
  EXPECT_EQ(name_of(Direction::Ingress), "ingress");
  EXPECT_EQ(name_of(Direction::Egress), "egress");
}

TEST(Direction, has_an_opposite) {
  EXPECT_EQ(opposite(Direction::Ingress), Direction::Egress);
  EXPECT_EQ(opposite(Direction::Egress), Direction::Ingress);
}

TEST(Proto, knows_which_protocols_have_ports_or_types) {
  for (int number = 0; number < 256; ++number) {
    const Proto proto{static_cast<std::uint8_t>(number)};
    EXPECT_EQ(has_ports(proto), number == 6 || number == 17) << number;
    EXPECT_EQ(is_icmp(proto), number == 1 || number == 58) << number;
  }
}

}  // namespace
}  // namespace sluice
