#include "base/address.h"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace sluice {
namespace {

struct TextCase {
  const char* text;
  const char* canonical;  // null: refused
};

class AddressText : public testing::TestWithParam<TextCase> {};

TEST_P(AddressText, is_read_strictly_and_printed_canonically) {
  const std::optional<IpAddr> address = IpAddr::parse(GetParam().text);
  ASSERT_EQ(address.has_value(), GetParam().canonical != nullptr) << GetParam().text;
  if (!address) return;
  EXPECT_EQ(address->to_string(), GetParam().canonical);
  EXPECT_EQ(IpAddr::parse(address->to_string()), address);
}
INSTANTIATE_TEST_SUITE_P(
    Address, AddressText,
    testing::Values(TextCase{"10.0.1.10", "10.0.1.10"}, TextCase{"0.0.0.0", "0.0.0.0"},
                    TextCase{"255.255.255.255", "255.255.255.255"},
                    TextCase{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"}, TextCase{"::", "::"},
                    TextCase{"2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"},
                    TextCase{"::ffff:192.0.2.1", "::ffff:192.0.2.1"}, TextCase{"", nullptr},
                    TextCase{"10.0.1", nullptr}, TextCase{"10.0.1.256", nullptr},
                    TextCase{"010.0.1.1", nullptr}, TextCase{" 10.0.1.1", nullptr},
                    TextCase{"10.0.1.1 ", nullptr}, TextCase{"10.0.1.1/32", nullptr},
                    TextCase{"fe80::1%eth0", nullptr}, TextCase{"1::2::3", nullptr},
                    TextCase{"2001:db8:::1", nullptr}, TextCase{"web", nullptr},
                    TextCase{"1111:2222:3333:4444:5555:6666:7777:8888:9999", nullptr}));

TEST(Address, refuses_text_that_hides_a_zero_byte) {
  EXPECT_FALSE(IpAddr::parse(std::string_view("10.0.0.1\0.9", 11)).has_value());
}

TEST(Address, keeps_its_bytes_over_the_wire) {
  const IpAddr address = *IpAddr::parse("2001:db8:1:2:3:4:5:6");
  std::uint8_t bytes[16];
  address.to_wire16(bytes);
  EXPECT_EQ(bytes[0], 0x20);
  EXPECT_EQ(bytes[15], 0x06);
  EXPECT_EQ(IpAddr::v6_from_wire(bytes), address);
}

TEST(Address, tells_families_with_the_same_bits_apart) {
  EXPECT_NE(IpAddr::v4(1), IpAddr::v6(0, 1));
  const std::unordered_set<IpAddr> both{IpAddr::v4(1), IpAddr::v6(0, 1), IpAddr::v4(1)};
  EXPECT_EQ(both.size(), 2u);
}

TEST(Address, is_ordered_like_its_number) {
  EXPECT_LT(IpAddr::v4(1), IpAddr::v4(2));
  EXPECT_LT(IpAddr::v4(0x7fffffff), IpAddr::v4(0x80000000));
  EXPECT_LT(IpAddr::v6(1, 9), IpAddr::v6(2, 0));
}

struct KindCase {
  const char* text;
  bool multicast;
  bool link_local;
  bool loopback;
};

class AddressKind : public testing::TestWithParam<KindCase> {};

TEST_P(AddressKind, is_told_by_its_first_bits) {
  const IpAddr address = *IpAddr::parse(GetParam().text);
  EXPECT_EQ(address.is_multicast(), GetParam().multicast);
  EXPECT_EQ(address.is_link_local(), GetParam().link_local);
  EXPECT_EQ(address.is_loopback(), GetParam().loopback);
}
INSTANTIATE_TEST_SUITE_P(
    Address, AddressKind,
    testing::Values(
        KindCase{"223.255.255.255", false, false, false}, KindCase{"224.0.0.0", true, false, false},
        KindCase{"239.255.255.255", true, false, false}, KindCase{"240.0.0.0", false, false, false},
        KindCase{"ff02::1", true, false, false}, KindCase{"feff::1", false, false, false},
        KindCase{"169.254.0.1", false, true, false}, KindCase{"169.255.0.1", false, false, false},
        KindCase{"fe80::1", false, true, false}, KindCase{"febf::1", false, true, false},
        KindCase{"fec0::1", false, false, false}, KindCase{"127.0.0.1", false, false, true},
        KindCase{"::1", false, false, true}, KindCase{"::2", false, false, false}));

TEST(Address, knows_the_two_special_ones) {
  EXPECT_TRUE(IpAddr::parse("255.255.255.255")->is_limited_broadcast());
  EXPECT_FALSE(IpAddr::parse("255.255.255.254")->is_limited_broadcast());
  EXPECT_FALSE(IpAddr::v6(0, 0xffffffff).is_limited_broadcast());
  EXPECT_TRUE(IpAddr::parse("::")->is_unspecified());
  EXPECT_TRUE(IpAddr::parse("0.0.0.0")->is_unspecified());
  EXPECT_FALSE(IpAddr::parse("0.0.0.1")->is_unspecified());
}

TEST(MacAddress, is_read_and_printed) {
  const std::optional<MacAddr> mac = MacAddr::parse("02:00:5E:00:01:aF");
  ASSERT_TRUE(mac.has_value());
  EXPECT_EQ(mac->to_string(), "02:00:5e:00:01:af");
  EXPECT_FALSE(mac->is_group());
  EXPECT_TRUE(MacAddr::parse("01:00:5e:00:00:01")->is_group());
  EXPECT_TRUE(MacAddr::parse("ff:ff:ff:ff:ff:ff")->is_broadcast());
  EXPECT_TRUE(MacAddr::parse("00:00:00:00:00:00")->is_zero());
}

class BadMac : public testing::TestWithParam<const char*> {};
TEST_P(BadMac, is_refused) { EXPECT_FALSE(MacAddr::parse(GetParam()).has_value()); }
INSTANTIATE_TEST_SUITE_P(MacAddress, BadMac,
                         testing::Values("", "02:00:00:00:01", "02:00:00:00:01:1",
                                         "02-00-00-00-01-10", "0200.0000.0110", "02:00:00:00:01:1g",
                                         "02:00:00:00:01:10:", "02:00:00:00:01:100"));

}  // namespace
}  // namespace sluice
