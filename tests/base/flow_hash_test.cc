#include "base/flow_hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace sluice {
namespace {

// The words of the bytes 0, 1, 2 … in little-endian order.
template <std::size_t N>
constexpr std::array<std::uint64_t, N> counting_words() {
  std::array<std::uint64_t, N> words{};
  for (std::size_t i = 0; i < 8 * N; ++i) words[i / 8] |= std::uint64_t{i} << (8 * (i % 8));
  return words;
}

// SipHash-1-3. The value of the empty message is the one that other implementations test for; those
// under the zero key are what CPython 3.11, which hashes bytes by SipHash-1-3, gives for the same
// bytes.
TEST(FlowHash, gives_the_published_values) {
  const HashKey counting;
  EXPECT_EQ(keyed_hash(counting, counting_words<0>()), 0xabac0158050fc4dcu);
  EXPECT_EQ(keyed_hash(counting, counting_words<1>()), 0x369095118d299a8eu);
  EXPECT_EQ(keyed_hash(counting, counting_words<2>()), 0xcc4fdd1a7d908b66u);
  EXPECT_EQ(keyed_hash(counting, counting_words<5>()), 0xc1d2363299e41531u);
  const HashKey zero{0, 0};
  EXPECT_EQ(keyed_hash(zero, counting_words<2>()), 0x8972188433a5c5b7u);
  EXPECT_EQ(keyed_hash(zero, counting_words<3>()), 0x31185a47af932f3au);
}

TEST(FlowHash, turns_half_of_its_bits_when_one_bit_of_the_input_turns) {
  const HashKey key;
  double turned = 0;
  int count = 0;
  for (std::size_t bit = 0; bit < 128; ++bit) {
    std::array<std::uint64_t, 2> words{0x0a00010a0a000114u, 0xc350000106u};
    const std::uint64_t before = keyed_hash(key, words);
    words[bit / 64] ^= std::uint64_t{1} << (bit % 64);
    turned += std::popcount(before ^ keyed_hash(key, words));
    ++count;
  }
  EXPECT_NEAR(turned / count, 32, 1.5);
}

TEST(FlowHash, depends_on_both_halves_of_the_key) {
  const std::array<std::uint64_t, 2> words{1, 2};
  EXPECT_NE(keyed_hash(HashKey{1, 0}, words), keyed_hash(HashKey{2, 0}, words));
  EXPECT_NE(keyed_hash(HashKey{0, 1}, words), keyed_hash(HashKey{0, 2}, words));
}

TEST(FlowHash, tells_lengths_apart) {
  const HashKey key;
  EXPECT_NE(keyed_hash(key, std::array<std::uint64_t, 1>{0}),
            keyed_hash(key, std::array<std::uint64_t, 2>{0, 0}));
}

}  // namespace
}  // namespace sluice
