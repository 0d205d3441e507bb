// What is kept of first fragments that another worker handed over.

#include "flowtable/first_verdicts.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

FragmentKey key(std::uint32_t id, bool is_v4 = true) {
  FragmentKey key;
  key.source = is_v4 ? IpAddr::v4(0x0a000001) : IpAddr::v6(0xfd00, 1);
  key.destination = is_v4 ? IpAddr::v4(0x0a000002) : IpAddr::v6(0xfd00, 2);
  key.id = id;
  return key;
}

// A number that the compiler does not look through: it takes a table of one set that it sees made
// for one whose place it cannot tell, and warns of what lies behind it.
[[gnu::noinline]] std::uint32_t one_set() {
  static volatile std::uint32_t entries = 4;
  return entries;
}

TEST(FirstVerdicts, tells_what_was_put_and_nothing_else) {
  FirstVerdicts verdicts(16 * one_set(), {});
  verdicts.put(key(1), {true, false}, 100);
  verdicts.put(key(2), {false, false}, 100);
  verdicts.put(key(3), {true, true}, 100);
  EXPECT_TRUE(verdicts.find(key(1), 100)->passed);
  EXPECT_FALSE(verdicts.find(key(1), 100)->related);
  EXPECT_FALSE(verdicts.find(key(2), 100)->passed);
  EXPECT_TRUE(verdicts.find(key(3), 100)->related);
  EXPECT_FALSE(verdicts.find(key(4), 100));
}

TEST(FirstVerdicts, takes_the_newest_word_of_a_datagram) {
  FirstVerdicts verdicts(16 * one_set(), {});
  verdicts.put(key(1), {true, false}, 100);
  verdicts.put(key(1), {false, false}, 200);
  EXPECT_FALSE(verdicts.find(key(1), 200)->passed);
}

TEST(FirstVerdicts, forgets_with_the_datagram) {
  FirstVerdicts verdicts(16 * one_set(), {});
  verdicts.put(key(1), {true, false}, 0);
  verdicts.put(key(1, false), {true, false}, 0);
  EXPECT_TRUE(verdicts.find(key(1), 29'999));
  EXPECT_FALSE(verdicts.find(key(1), 30'000));
  EXPECT_TRUE(verdicts.find(key(1, false), 59'999));
  EXPECT_FALSE(verdicts.find(key(1, false), 60'000));
}

TEST(FirstVerdicts, lets_the_oldest_of_a_set_make_way) {
  FirstVerdicts verdicts(one_set(), {});
  for (std::uint32_t id = 1; id <= 4; ++id) verdicts.put(key(id), {true, false}, id);
  verdicts.put(key(1), {true, false}, 5);
  verdicts.put(key(5), {true, false}, 6);
  EXPECT_FALSE(verdicts.find(key(2), 6));
  for (const std::uint32_t id : {1u, 3u, 4u, 5u}) EXPECT_TRUE(verdicts.find(key(id), 6)) << id;
}

}  // namespace
}  // namespace sluice
