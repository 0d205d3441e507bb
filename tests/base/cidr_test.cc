#include "base/cidr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sluice {
namespace {

struct TextCase {
  const char* text;
  const char* canonical;  // null: refused
  bool host_bits_cut;
};

class CidrText : public testing::TestWithParam<TextCase> {};

TEST_P(CidrText, is_read_strictly_and_made_canonical) {
  bool cut = false;
  const std::optional<Cidr> cidr = Cidr::parse(GetParam().text, &cut);
  ASSERT_EQ(cidr.has_value(), GetParam().canonical != nullptr) << GetParam().text;
  if (!cidr) return;
  EXPECT_EQ(cidr->to_string(), GetParam().canonical);
  EXPECT_EQ(cut, GetParam().host_bits_cut);
}
INSTANTIATE_TEST_SUITE_P(
    Cidr, CidrText,
    testing::Values(
        TextCase{"10.0.0.0/8", "10.0.0.0/8", false},
        TextCase{"100.68.0.18/18", "100.68.0.0/18", true},  // SG-18
        TextCase{"0.0.0.0/0", "0.0.0.0/0", false}, TextCase{"1.2.3.4/0", "0.0.0.0/0", true},
        TextCase{"192.0.2.1/32", "192.0.2.1/32", false},
        TextCase{"255.255.255.255/31", "255.255.255.254/31", true},
        TextCase{"2001:db8::1/32", "2001:db8::/32", true}, TextCase{"::/0", "::/0", false},
        TextCase{"::1/128", "::1/128", false}, TextCase{"fd00::ffff/64", "fd00::/64", true},
        TextCase{"fd00:0:0:1:8000::/65", "fd00:0:0:1:8000::/65", false},
        TextCase{"10.0.0.0", nullptr, false}, TextCase{"10.0.0.0/", nullptr, false},
        TextCase{"10.0.0.0/33", nullptr, false}, TextCase{"::/129", nullptr, false},
        TextCase{"10.0.0.0/-1", nullptr, false}, TextCase{"10.0.0.0/08", nullptr, false},
        TextCase{"10.0.0.0/8 ", nullptr, false}, TextCase{"10.0.0.0/+8", nullptr, false},
        TextCase{"/8", nullptr, false}, TextCase{"10.0.0/8", nullptr, false},
        TextCase{"10.0.0.0/8/8", nullptr, false}, TextCase{"10.0.0.0/4294967304", nullptr, false}));

TEST(Cidr, contains_its_first_and_last_address_and_no_neighbour) {
  const Cidr cidr = *Cidr::parse("10.0.1.64/26");
  EXPECT_FALSE(cidr.contains(*IpAddr::parse("10.0.1.63")));
  EXPECT_TRUE(cidr.contains(*IpAddr::parse("10.0.1.64")));
  EXPECT_TRUE(cidr.contains(*IpAddr::parse("10.0.1.127")));
  EXPECT_FALSE(cidr.contains(*IpAddr::parse("10.0.1.128")));
}

TEST(Cidr, never_contains_the_other_family) {
  EXPECT_FALSE(Cidr::parse("0.0.0.0/0")->contains(*IpAddr::parse("::1")));
  EXPECT_FALSE(Cidr::parse("::/0")->contains(*IpAddr::parse("0.0.0.1")));
  EXPECT_FALSE(Cidr::parse("::/0")->contains(*Cidr::parse("0.0.0.0/0")));
}

TEST(Cidr, contains_what_is_longer_and_within) {
  const Cidr wide = *Cidr::parse("10.0.0.0/8");
  const Cidr narrow = *Cidr::parse("10.1.0.0/16");
  EXPECT_TRUE(wide.contains(narrow));
  EXPECT_FALSE(narrow.contains(wide));
  EXPECT_FALSE(Cidr::parse("10.0.0.0/16")->contains(wide));  // though it holds its first address
  EXPECT_TRUE(wide.contains(wide));
  EXPECT_TRUE(wide.overlaps(narrow));
  EXPECT_TRUE(narrow.overlaps(wide));
  EXPECT_FALSE(narrow.overlaps(*Cidr::parse("10.2.0.0/16")));
}

TEST(Cidr, sorts_covers_before_what_they_cover) {
  std::vector<Cidr> cidrs{*Cidr::parse("10.0.0.0/16"), *Cidr::parse("10.0.0.0/8"),
                          *Cidr::parse("9.0.0.0/8"), *Cidr::parse("10.0.128.0/17")};
  std::sort(cidrs.begin(), cidrs.end());
  EXPECT_EQ(cidrs[1].to_string(), "10.0.0.0/8");
  EXPECT_EQ(cidrs[2].to_string(), "10.0.0.0/16");
  EXPECT_EQ(cidrs[3].to_string(), "10.0.128.0/17");
}

class MaskLength : public testing::TestWithParam<int> {};

TEST_P(MaskLength, keeps_exactly_that_many_bits) {
  const auto length = static_cast<std::uint8_t>(GetParam());
  const IpAddr ones = IpAddr::v6(~std::uint64_t{0}, ~std::uint64_t{0});
  const IpAddr masked = mask_address(ones, length);
  EXPECT_EQ(__builtin_popcountll(masked.high()) + __builtin_popcountll(masked.low()), length);
  EXPECT_TRUE(Cidr(ones, length).contains(ones));
  if (length > 32) return;
  EXPECT_EQ(__builtin_popcount(mask_address(IpAddr::v4(0xffffffff), length).v4_value()), length);
}
INSTANTIATE_TEST_SUITE_P(Cidr, MaskLength,
                         testing::Values(0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128));

}  // namespace
}  // namespace sluice
