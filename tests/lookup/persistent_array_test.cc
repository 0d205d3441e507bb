#include "lookup/persistent_array.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

TEST(PersistentArray, is_empty_at_first_and_has_holes) {
  PersistentArray<int> array;
  EXPECT_EQ(array.size(), 0u);
  EXPECT_EQ(array.find(0), nullptr);
  array.edit(1'000'000) = 7;
  EXPECT_EQ(array.size(), 1'000'001u);
  EXPECT_EQ(array[1'000'000], 7);
  EXPECT_EQ(array.find(0), nullptr);
  EXPECT_EQ(array.find(1'000'001), nullptr);
  EXPECT_LT(array.memory_size(), 8'192u);
}

TEST(PersistentArray, leaves_every_copy_as_it_was) {
  struct Version {
    PersistentArray<std::uint64_t> array;
    std::map<std::uint32_t, std::uint64_t> twin;
  };
  std::mt19937_64 random(9);
  std::vector<Version> versions(1);
  for (std::size_t step = 0; step < scaled_count(20'000); ++step) {
    Version& version = versions[random() % versions.size()];
    const auto index = static_cast<std::uint32_t>(random() % (random() % 4 == 0 ? 3'000'000 : 500));
    version.twin[index] = version.array.edit(index) = random();
    if (step % 50 == 0) {
      Version copy = versions[random() % versions.size()];
      if (versions.size() < 6) {
        versions.push_back(std::move(copy));
      } else {
        versions[random() % versions.size()] = std::move(copy);
      }
    }
  }
  for (const Version& version : versions) {
    std::size_t seen = 0;
    version.array.for_each([&](std::uint32_t index, std::uint64_t value) {
      const auto place = version.twin.find(index);
      ASSERT_EQ(value, place == version.twin.end() ? 0 : place->second);
      seen += place == version.twin.end() ? 0 : 1;
    });
    EXPECT_EQ(seen, version.twin.size());
  }
}

TEST(PersistentArray, gives_everything_back_with_its_last_copy) {
  auto counted = std::make_shared<int>(0);
  {
    PersistentArray<std::shared_ptr<int>> array;
    for (std::uint32_t i = 0; i < 300; ++i) array.edit(i) = counted;
    PersistentArray<std::shared_ptr<int>> copy = array;
    copy.edit(5).reset();
    copy.edit(70'000) = counted;
    EXPECT_EQ(array[5], counted);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(PersistentArray, is_read_by_others_while_a_copy_changes) {
  PersistentArray<std::uint32_t> array;
  for (std::uint32_t i = 0; i < 10'000; ++i) array.edit(i) = i;
  const PersistentArray<std::uint32_t> kept = array;
  std::thread reader([&kept] {
    for (int round = 0; round < 50; ++round) {
      for (std::uint32_t i = 0; i < 10'000; ++i) CHECK(kept[i] == i);
      const PersistentArray<std::uint32_t> own = kept;
      CHECK(own[3] == 3);
    }
  });
  for (std::uint32_t i = 0; i < 10'000; ++i) array.edit(i * 7 % 10'000) = 0;
  reader.join();
}

}  // namespace
}  // namespace sluice
