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

}  // namespace
}  // namespace sluice
