#include "flowtable/first_bytes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace sluice {

FirstBytes::FreeList::FreeList(std::uint16_t count) {
  free.reserve(count);
  for (std::uint16_t i = count; i > 0; --i) free.push_back(static_cast<std::uint16_t>(i - 1));
}

std::uint16_t FirstBytes::FreeList::take() {
  if (free.empty()) return kNone;
  const std::uint16_t number = free.back();
  free.pop_back();
  return number;
}

FirstBytes::FirstBytes(const FirstBytesConfig& config)
    : slots_(config.slots),
      buckets_(std::bit_ceil(std::size_t{config.slots} * 2), kNone),
      free_slots_(config.slots),
      free_small_(config.small_buffers),
      free_large_(config.large_buffers),
      small_(std::size_t{config.small_buffers} * kSmallBuffer, false),
      large_(std::size_t{config.large_buffers} * kBytesMax, false) {
  CHECK(config.slots <= 32'768);
}

std::uint16_t& FirstBytes::bucket_of(const void* key) {
  const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(key));
  return buckets_[(address * 0x9e3779b97f4a7c15u >> 32) & (buckets_.size() - 1)];
}

FirstBytes::Slot* FirstBytes::find(const void* key) {
  for (std::uint16_t i = bucket_of(key); i != kNone; i = slots_[i].next_in_bucket) {
    if (slots_[i].key == key) return &slots_[i];
  }
  return nullptr;
}

FirstBytes::Slot* FirstBytes::open(void* key, TickMs now) {
  const std::uint16_t number = free_slots_.take();
  if (number == kNone) return nullptr;
  Slot& slot = slots_[number];
  slot = Slot();
  slot.key = key;
  slot.since_ms = now;
  std::uint16_t& bucket = bucket_of(key);
  slot.next_in_bucket = bucket;
  bucket = number;
  slot.older = newest_;
  (newest_ == kNone ? oldest_ : slots_[newest_].newer) = number;
  newest_ = number;
  ++size_;
  return &slot;
}

void FirstBytes::close(const void* key) {
  std::uint16_t* link = &bucket_of(key);
  while (*link != kNone && slots_[*link].key != key) link = &slots_[*link].next_in_bucket;
  if (*link == kNone) return;
  const std::uint16_t number = *link;
  Slot& slot = slots_[number];
  *link = slot.next_in_bucket;
  (slot.older == kNone ? oldest_ : slots_[slot.older].newer) = slot.newer;
  (slot.newer == kNone ? newest_ : slots_[slot.newer].older) = slot.older;
  for (Side& side : slot.sides) give_back(side);
  slot.key = nullptr;
  free_slots_.give(number);
  --size_;
}

std::uint8_t* FirstBytes::buffer_of(const Side& side) const {
  const ZeroedMemory& memory = side.is_large ? large_ : small_;
  return memory.as<std::uint8_t>() +
         std::size_t{side.buffer} * (side.is_large ? kBytesMax : kSmallBuffer);
}

void FirstBytes::give_back(Side& side) {
  if (side.buffer == kNone) return;
  (side.is_large ? free_large_ : free_small_).give(side.buffer);
  side.buffer = kNone;
  side.is_large = false;
}

// A buffer that holds bytes up to `end`.
bool FirstBytes::make_room(Side& side, std::uint32_t end, Buffer most) {
  if (side.buffer != kNone && (side.is_large || end <= kSmallBuffer)) return true;
  const bool is_large = end > kSmallBuffer;
  if (is_large && most == Buffer::Small) return false;
  const std::uint16_t number = (is_large ? free_large_ : free_small_).take();
  if (number == kNone) return false;
  Side next = side;
  next.buffer = number;
  next.is_large = is_large;
  if (side.buffer != kNone) std::memcpy(buffer_of(next), buffer_of(side), kSmallBuffer);
  give_back(side);
  side = next;
  return true;
}

bool FirstBytes::differs(const Side& side, std::uint32_t begin,
                         std::span<const std::uint8_t> bytes) const {
  const auto end = begin + static_cast<std::uint32_t>(bytes.size());
  for (std::size_t i = 0; i < side.piece_count; ++i) {
    const std::uint32_t from = std::max<std::uint32_t>(begin, side.begins[i]);
    const std::uint32_t to = std::min<std::uint32_t>(end, side.ends[i]);
    if (from >= to) continue;
    const std::uint8_t* known = buffer_of(side) + from;
    if (std::memcmp(known, bytes.data() + (from - begin), to - from) != 0) return true;
  }
  return false;
}

// False: it touches none of the pieces, and there is no place for one more.
bool FirstBytes::insert_piece(Side& side, std::uint32_t begin, std::uint32_t end) {
  // What it touches grows together with it.
  std::size_t first = 0;
  while (first < side.piece_count && side.ends[first] < begin) ++first;
  std::size_t last = first;
  while (last < side.piece_count && side.begins[last] <= end) {
    begin = std::min<std::uint32_t>(begin, side.begins[last]);
    end = std::max<std::uint32_t>(end, side.ends[last]);
    ++last;
  }
  if (first == last && side.piece_count == kPiecesMax) return false;
  const auto move = [&](auto& array) {
    const auto at = [&](std::size_t i) { return array.begin() + static_cast<std::ptrdiff_t>(i); };
    if (first == last) {
      std::move_backward(at(first), at(side.piece_count), at(side.piece_count + std::size_t{1}));
    } else {
      std::move(at(last), at(side.piece_count), at(first + 1));
    }
  };
  move(side.begins);
  move(side.ends);
  side.begins[first] = static_cast<std::uint16_t>(begin);
  side.ends[first] = static_cast<std::uint16_t>(end);
  side.piece_count = static_cast<std::uint8_t>(side.piece_count + 1 - (last - first));
  return true;
}

FirstBytes::Added FirstBytes::add(Slot& slot, Direction direction, std::uint32_t sequence,
                                  std::span<const std::uint8_t> bytes, Buffer most) {
  Side& side = slot.sides[static_cast<std::size_t>(direction)];
  DCHECK(side.has_base);
  const auto offset = static_cast<std::int32_t>(sequence - side.base);
  if (offset < 0) {
    const auto before = static_cast<std::size_t>(-static_cast<std::int64_t>(offset));
    if (before >= bytes.size()) return Added::Beyond;
    bytes = bytes.subspan(before);
  }
  const std::uint32_t begin = offset < 0 ? 0 : static_cast<std::uint32_t>(offset);
  if (begin >= kBytesMax || bytes.empty()) return Added::Beyond;
  bytes = bytes.first(std::min<std::size_t>(bytes.size(), kBytesMax - begin));
  const auto end = begin + static_cast<std::uint32_t>(bytes.size());
  if (differs(side, begin, bytes)) return Added::Conflict;
  if (!make_room(side, end, most)) return Added::NoRoom;
  const std::size_t before = bytes_of(slot, direction).size();
  if (!insert_piece(side, begin, end)) return Added::NoRoom;
  std::memcpy(buffer_of(side) + begin, bytes.data(), bytes.size());
  return bytes_of(slot, direction).size() > before ? Added::Grown : Added::Kept;
}

std::span<const std::uint8_t> FirstBytes::bytes_of(const Slot& slot, Direction direction) const {
  const Side& side = slot.sides[static_cast<std::size_t>(direction)];
  if (side.piece_count == 0 || side.begins[0] != 0) return {};
  return {buffer_of(side), side.ends[0]};
}

}  // namespace sluice
