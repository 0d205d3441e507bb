#pragma once

// The headers of a burst's IPv4 packets in columns, and what plain_headers.h says of each, four or
// eight packets at a time: no step of it waits for a branch that another packet would take.

#include <array>
#include <cstdint>
#include <span>

#include "base/cache_line.h"
#include "base/flow_hash_burst.h"
#include "base/limits.h"
#include "dataplane/packet_io.h"

namespace sluice {

// By place in the burst. All in host order; only of packets that are Named or Plain.
struct PlainColumns {
  template <class Word>
  using Column = std::array<Word, kBurstMax>;
  // Values of `kind`.
  static constexpr std::uint32_t kOther = 0;  // not IPv4, or nothing that could be told at a glance
  static constexpr std::uint32_t kNamed = 1;  // sound, whole, and with ports
  static constexpr std::uint32_t kPlain = 3;  // so, is_plain(), and from one is_host() to another

  alignas(kCacheLine) Column<std::uint32_t> kind;
  Column<std::uint32_t> source;
  Column<std::uint32_t> destination;
  Column<std::uint32_t> ports;  // source << 16 | destination
  Column<std::uint32_t> proto;
  // owner_words() of the conversation.
  Column<std::uint64_t> first;
  Column<std::uint64_t> second;
};

// At most kBurstMax frames. Columns behind the last frame have no values that mean anything. About
// 20 instructions a packet with AVX2. Any thread.
void fill_columns(std::span<const Frame> frames, PlainColumns& columns,
                  HashVectors vectors = widest_hash_vectors());

}  // namespace sluice
