// The first bytes of conversations against a map from place to byte, and its limits.

#include "flowtable/first_bytes.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {
namespace {

using Added = FirstBytes::Added;

std::span<const std::uint8_t> bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Scene {
  explicit Scene(const FirstBytesConfig& config = {16, 16, 4}) : pool(config) {}
  FirstBytes::Slot& begin(void* key, std::uint32_t base) {
    FirstBytes::Slot* slot = pool.open(key, 0);
    for (FirstBytes::Side& side : slot->sides) {
      side.has_base = true;
      side.base = base;
    }
    return *slot;
  }
  Added add(FirstBytes::Slot& slot, std::uint32_t sequence, std::string_view what) {
    return pool.add(slot, Direction::Ingress, sequence, bytes(what));
  }
  std::string known(const FirstBytes::Slot& slot) {
    return text(pool.bytes_of(slot, Direction::Ingress));
  }

  FirstBytes pool;
  int keys[64] = {};
};

TEST(FirstBytes, puts_segments_in_order_whatever_order_they_come_in) {
  Scene scene;
  FirstBytes::Slot& slot = scene.begin(&scene.keys[0], 0xfffffffe);  // across the wrap
  EXPECT_EQ(scene.add(slot, 3, "fgh"), Added::Kept);
  EXPECT_EQ(scene.known(slot), "");
  EXPECT_EQ(scene.add(slot, 0xfffffffe, "abc"), Added::Grown);
  EXPECT_EQ(scene.known(slot), "abc");
  EXPECT_EQ(scene.add(slot, 0, "cdef"), Added::Grown);
  EXPECT_EQ(scene.known(slot), "abcdefgh");
}

TEST(FirstBytes, keeps_the_directions_apart) {
  Scene scene;
  FirstBytes::Slot& slot = scene.begin(&scene.keys[0], 100);
  scene.pool.add(slot, Direction::Ingress, 100, bytes("client"));
  scene.pool.add(slot, Direction::Egress, 100, bytes("server"));
  EXPECT_EQ(text(scene.pool.bytes_of(slot, Direction::Ingress)), "client");
  EXPECT_EQ(text(scene.pool.bytes_of(slot, Direction::Egress)), "server");
}

TEST(FirstBytes, tells_when_the_same_place_has_another_byte) {
  Scene scene;
  FirstBytes::Slot& slot = scene.begin(&scene.keys[0], 0);
  EXPECT_EQ(scene.add(slot, 0, "GET /a"), Added::Grown);
  EXPECT_EQ(scene.add(slot, 0, "GET /a"), Added::Kept);
  EXPECT_EQ(scene.add(slot, 4, "/b"), Added::Conflict);
  EXPECT_EQ(scene.add(slot, 10, "waits"), Added::Kept);
  EXPECT_EQ(scene.add(slot, 8, "xxW"), Added::Conflict) << "also where a piece still waits";
  EXPECT_EQ(scene.known(slot), "GET /a");
}

TEST(FirstBytes, leaves_what_lies_before_or_behind) {
  Scene scene;
  FirstBytes::Slot& slot = scene.begin(&scene.keys[0], 1'000);
  EXPECT_EQ(scene.add(slot, 990, "0123456789"), Added::Beyond);
  EXPECT_EQ(scene.add(slot, 998, "01abc"), Added::Grown);
  EXPECT_EQ(scene.known(slot), "abc");
  EXPECT_EQ(scene.add(slot, 1'000 + FirstBytes::kBytesMax, "x"), Added::Beyond);
  const std::string rest(FirstBytes::kBytesMax + 100, 'r');
  EXPECT_EQ(scene.add(slot, 1'003, rest), Added::Grown);
  EXPECT_EQ(scene.known(slot).size(), FirstBytes::kBytesMax);
}

TEST(FirstBytes, have_room_for_so_many_pieces_and_no_more) {
  Scene scene;
  FirstBytes::Slot& slot = scene.begin(&scene.keys[0], 0);
  for (std::uint32_t i = 1; i <= FirstBytes::kPiecesMax; ++i) {
    EXPECT_EQ(scene.add(slot, 10 * i, "x"), Added::Kept);
  }
  EXPECT_EQ(scene.add(slot, 200, "x"), Added::NoRoom);
  EXPECT_EQ(scene.add(slot, 11, "y"), Added::Kept) << "what touches a piece needs no place";
}

TEST(FirstBytes, are_refused_where_buffers_or_slots_are_gone_and_come_back) {
  Scene scene({2, 2, 1});
  const std::string large(FirstBytes::kSmallBuffer + 1, 'l');
  FirstBytes::Slot& first = scene.begin(&scene.keys[0], 0);
  EXPECT_EQ(scene.add(first, 0, large), Added::Grown);
  FirstBytes::Slot& second = scene.begin(&scene.keys[1], 0);
  EXPECT_EQ(scene.add(second, 0, large), Added::NoRoom);
  EXPECT_EQ(scene.add(second, 0, "small"), Added::Grown);
  EXPECT_EQ(scene.pool.open(&scene.keys[2], 0), nullptr);
  scene.pool.close(&scene.keys[0]);
  EXPECT_EQ(scene.add(second, 5, large), Added::Grown) << "the small buffer becomes a large one";
  EXPECT_EQ(scene.known(second), "small" + large);
  EXPECT_NE(scene.pool.open(&scene.keys[2], 0), nullptr);
  EXPECT_EQ(scene.pool.size(), 2u);
}

TEST(FirstBytes, get_no_large_buffer_where_their_caller_says_so) {
  Scene scene;
  const std::string large(FirstBytes::kSmallBuffer + 1, 'l');
  FirstBytes::Slot& slot = scene.begin(&scene.keys[0], 0);
  const auto add_small = [&](std::string_view what) {
    return scene.pool.add(slot, Direction::Ingress, 0, bytes(what), FirstBytes::Buffer::Small);
  };
  EXPECT_EQ(add_small("lll"), Added::Grown);
  EXPECT_EQ(add_small(large), Added::NoRoom);
  EXPECT_EQ(scene.known(slot), "lll");
  EXPECT_EQ(scene.add(slot, 0, large), Added::Grown);
  EXPECT_EQ(add_small(large + "l"), Added::Grown) << "it has one already";
}

TEST(FirstBytes, know_which_slot_was_opened_first) {
  Scene scene;
  EXPECT_EQ(scene.pool.oldest(), nullptr);
  for (int i = 0; i < 5; ++i) scene.pool.open(&scene.keys[i], static_cast<TickMs>(i));
  scene.pool.close(&scene.keys[0]);
  scene.pool.close(&scene.keys[2]);
  scene.pool.close(&scene.keys[33]);  // never opened
  EXPECT_EQ(scene.pool.oldest()->key, &scene.keys[1]);
  scene.pool.close(&scene.keys[1]);
  scene.pool.close(&scene.keys[4]);
  EXPECT_EQ(scene.pool.oldest()->key, &scene.keys[3]);
  scene.pool.close(&scene.keys[3]);
  EXPECT_EQ(scene.pool.oldest(), nullptr);
  EXPECT_EQ(scene.pool.size(), 0u);
}

// The twin: a map from place to byte, and how many runs it has.
struct Twin {
  std::map<std::uint32_t, char> known;

  std::string prefix() const {
    std::string result;
    for (const auto& [place, byte] : known) {
      if (place != result.size()) break;
      result += byte;
    }
    return result;
  }
  std::size_t runs() const {
    std::size_t count = 0;
    std::uint32_t next = 0xffffffff;
    for (const auto& [place, byte] : known) {
      count += place == next ? 0 : 1;
      next = place + 1;
    }
    return count;
  }
};

TEST(FirstBytes, agree_with_a_map_of_bytes_under_random_segments) {
  std::mt19937_64 random(11);
  std::size_t conflicts = 0;
  std::size_t without_room = 0;
  for (int round = 0; round < 400; ++round) {
    Scene scene;
    const auto base = static_cast<std::uint32_t>(random());
    FirstBytes::Slot& slot = scene.begin(&scene.keys[0], base);
    const std::size_t length = 1 + random() % 3'000;
    std::string message;
    for (std::size_t i = 0; i < length; ++i) message += static_cast<char>('a' + random() % 26);
    Twin twin;
    for (int step = 0; step < 60; ++step) {
      const std::size_t begin = random() % length;
      std::string part = message.substr(begin, 1 + random() % 300);
      if (random() % 8 == 0) part[random() % part.size()] = '#';
      bool differs = false;
      Twin next = twin;
      for (std::size_t i = 0; i < part.size(); ++i) {
        const auto place = static_cast<std::uint32_t>(begin + i);
        const auto [at, is_new] = next.known.try_emplace(place, part[i]);
        differs = differs || at->second != part[i];
      }
      const Added added = scene.add(slot, base + static_cast<std::uint32_t>(begin), part);
      if (differs) {
        ASSERT_EQ(added, Added::Conflict);
        ++conflicts;
      } else if (next.runs() > FirstBytes::kPiecesMax) {
        ASSERT_EQ(added, Added::NoRoom);
        ++without_room;
      } else {
        const bool is_longer = next.prefix().size() > twin.prefix().size();
        ASSERT_EQ(added, is_longer ? Added::Grown : Added::Kept);
        twin = next;
      }
      ASSERT_EQ(scene.known(slot), twin.prefix());
    }
  }
  EXPECT_GT(conflicts, 100u);
  EXPECT_GT(without_room, 100u);
}

}  // namespace
}  // namespace sluice
