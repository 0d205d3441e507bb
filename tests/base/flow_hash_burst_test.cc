#include "base/flow_hash_burst.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sluice {
namespace {

TEST(FlowHashBurst, gives_what_one_by_one_gives_whatever_the_vectors) {
  std::mt19937_64 draw(7);
  for (const HashVectors vectors : {HashVectors::None, HashVectors::Avx2, HashVectors::Avx512}) {
    if (vectors > widest_hash_vectors()) continue;
    for (std::size_t count = 0; count <= 67; ++count) {
      const HashKey key{draw(), draw()};
      std::vector<std::uint64_t> first(count), second(count), hashes(count);
      for (std::uint64_t& word : first) word = draw();
      for (std::uint64_t& word : second) word = draw();
      keyed_hash_burst(key, first, second, hashes, vectors);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(hashes[i], keyed_hash(key, std::array<std::uint64_t, 2>{first[i], second[i]}))
            << "place " << i << " of " << count << ", vectors " << static_cast<int>(vectors);
      }
    }
  }
}

TEST(FlowHashBurst, gives_the_same_of_five_words) {
  std::mt19937_64 draw(8);
  for (const HashVectors vectors : {HashVectors::None, HashVectors::Avx2, HashVectors::Avx512}) {
    if (vectors > widest_hash_vectors()) continue;
    for (std::size_t count = 0; count <= 67; ++count) {
      const HashKey key{draw(), draw()};
      std::array<std::vector<std::uint64_t>, 5> words;
      for (auto& column : words) {
        for (std::size_t i = 0; i < count; ++i) column.push_back(draw());
      }
      std::vector<std::uint64_t> hashes(count);
      keyed_hash_burst(
          key,
          {words[0].data(), words[1].data(), words[2].data(), words[3].data(), words[4].data()},
          hashes, vectors);
      for (std::size_t i = 0; i < count; ++i) {
        const std::array<std::uint64_t, 5> one = {words[0][i], words[1][i], words[2][i],
                                                  words[3][i], words[4][i]};
        ASSERT_EQ(hashes[i], keyed_hash(key, one)) << "place " << i << " of " << count;
      }
    }
  }
}

TEST(FlowHashBurst, uses_no_wider_vectors_than_it_is_told) {
  const HashVectors before = widest_hash_vectors();
  limit_hash_vectors(HashVectors::None);
  EXPECT_EQ(widest_hash_vectors(), HashVectors::None);
  limit_hash_vectors(HashVectors::Avx512);  // what the processor has, and no more
  EXPECT_EQ(widest_hash_vectors(), before);
}

}  // namespace
}  // namespace sluice
